using System.Globalization;
using CsCheck;
using Portmap.Persistence;

namespace Portmap.Tests.Persistence;

/// <summary>Facts for tests: made by hand, or at random from few owners and ports so that they
/// collide.</summary>
internal static class FactGen
{
    private static readonly DateTimeOffset s_now = DateTimeOffset.FromUnixTimeSeconds(1_790_000_000);
    private static readonly Gen<DateTimeOffset> s_time = Gen.Int[-3, 3].Select(seconds => s_now.AddSeconds(seconds));

    public static Guid Boot { get; } = new("6b0f0f5c-2a66-4d43-8c5e-9a1f5b1f2d3e");

    public static Gen<PortFact> Fact { get; } = FactFrom(1);

    /// <param name="lowest">The lowest epoch, in steps of 16; there are nine of them.</param>
    public static Gen<PortFact> FactFrom(int lowest) => Gen.Frequency(
        (1, Gen.Long[lowest, lowest + 8].Select(epoch => PortFact.Mark(epoch * 16))),
        (9, Gen.Select(Gen.Int[0, 3], Gen.Int[0, 3], Gen.Long[lowest, lowest + 8], Gen.Int[1, 3], s_time, s_time, Gen.Bool).Select((owner, port, epoch, state, at, until, udp) => new PortFact
        {
            Protocol = udp ? PortProtocol.Udp : PortProtocol.Tcp,
            Owner = string.Create(CultureInfo.InvariantCulture, $"b{owner}"),
            Port = port == 0 ? 0 : 50_000 + port,
            Epoch = epoch * 16,
            State = (PortState)state,
            ProcessId = owner + 100,
            ProcessStart = owner + 1_000,
            UserId = port == 1 ? null : (uint)owner,
            BootId = Boot,
            At = at,
            Until = until,
            Ports = state == 1 && port == 2 ? "50000-50009" : null,
            Strategy = PortRegistryOptions.AllocatorPicks,
        })));

    public static PortFact Reserved(string owner, int port, long epoch, DateTimeOffset? until = null) =>
        Claim(owner, port, epoch, PortState.Reserved, 0, until ?? s_now.AddMinutes(1));

    public static PortFact Bound(string owner, int port, long epoch, int processId = 4_321) => Claim(owner, port, epoch, PortState.Bound, processId, default);

    public static PortFact Ended(string owner, int port, long epoch, DateTimeOffset? until = null) =>
        Claim(owner, port, epoch, PortState.Cooling, 4_321, until ?? s_now.AddMinutes(1));

    public static PortFactSet SetOf(params PortFact[] facts)
    {
        var set = new PortFactSet();
        Array.ForEach(facts, set.Apply);
        return set;
    }

    /// <summary>What stands of some facts, each as a line with all of its parts, in one
    /// order.</summary>
    public static List<string> Standing(IEnumerable<PortFact> facts) => Lines(SetOf([.. facts]));

    public static List<string> Lines(PortFactSet set) =>
        [.. set.Claims.Select(Line).Concat(set.Mark is { } mark ? [Line(mark)] : []).Order(StringComparer.Ordinal)];

    public static string Line(PortFact fact) => string.Create(CultureInfo.InvariantCulture,
        $"{fact.Protocol} {fact.Port} '{fact.Owner}' {fact.Epoch} of {fact.Origin} {fact.State} {fact.ProcessId}/{fact.ProcessStart}/{fact.UserId} {fact.BootId} {fact.At:O} {fact.Until:O} {fact.Strategy} in {fact.Ports}");

    private static PortFact Claim(string owner, int port, long epoch, PortState state, int processId, DateTimeOffset until) => new()
    {
        Owner = owner,
        Port = port,
        Epoch = epoch,
        State = state,
        ProcessId = processId,
        ProcessStart = processId == 0 ? 0 : 987_654,
        BootId = Boot,
        At = s_now,
        Until = until,
        Strategy = PortRegistryOptions.AllocatorPicks,
    };
}
