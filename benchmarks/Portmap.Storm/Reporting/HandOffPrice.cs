using System.Globalization;
using Portmap.Storm.Contestants;

namespace Portmap.Storm.Reporting;

/// <summary>What a hand-off costs: the medians of three ways to do it, in turns, in one weather.</summary>
/// <remarks>Its time rests on how busy the machine is, and so does what it takes above
/// <see cref="Contestant.Probe"/>, which asks nobody. So what is held is its ratio to
/// <see cref="Contestant.PortServer"/>, which is asked as often as the registry is.</remarks>
internal sealed class HandOffPrice
{
    private readonly List<TimeSpan> _probe = [], _server = [], _guard = [];

    public double AboveProbe => (Middle(_guard) - Middle(_probe)).TotalMilliseconds;

    public double TimesPortServer => Middle(_guard) / Middle(_server);

    public int Turns => _guard.Count;

    public async Task MeasureAsync(Func<Contestant, Task<RoundResult>> round)
    {
        _probe.Add((await round(Contestant.Probe)).Median);
        _server.Add((await round(Contestant.PortServer)).Median);
        _guard.Add((await round(Contestant.Guard)).Median);
    }

    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"{Middle(_probe).TotalMilliseconds:0.0} ms probing, {Middle(_server).TotalMilliseconds:0.0} ms by a port server, {Middle(_guard).TotalMilliseconds:0.0} ms by Portmap's guard: {AboveProbe:0.0} ms above probing (target 2)");

    private static TimeSpan Middle(List<TimeSpan> medians) => medians.Order().ElementAt(medians.Count / 2);
}
