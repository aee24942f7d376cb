using System.Globalization;
using Portmap.Storm.Contestants;

namespace Portmap.Storm;

/// <summary>What a worker costs at its start, in calm weather, one start after the other: from
/// before its port is acquired until the daemon knows that it listens, beside a process that is
/// told a number and says that it listens. Both are this program, so it tells of the way this
/// program was compiled: as it is, ReadyToRun, or Native AOT.</summary>
internal static class StartsCommand
{
    public const string Verb = "starts";

    private const int WarmUps = 3, Starts = 25;

    /// <param name="arguments">Nothing, or how many milliseconds more a worker may take.</param>
    public static async Task<int> RunAsync(IReadOnlyList<string> arguments)
    {
        double? most = arguments is [var text] ? double.Parse(text, CultureInfo.InvariantCulture) : null;
        await using IContestant naive = await Contestant.Probe.EnterAsync(), worker = await Contestant.ProcessBinds.EnterAsync(), guarded = await Contestant.Guard.EnterAsync();
        List<double> naiveMs = [], workerMs = [], guardedMs = [];
        for (int i = 0; i < WarmUps + Starts; i++)
        {
            foreach ((IContestant contestant, List<double> times) in new[] { (naive, naiveMs), (worker, workerMs), (guarded, guardedMs) })
            {
                (HandOff handOff, IChild process) = await contestant.StartAsync(string.Create(CultureInfo.InvariantCulture, $"vol2:/bricks/b{i}"));
                await process.DisposeAsync();
                contestant.Closed(handOff);
                if (i >= WarmUps && handOff.Failure is null)
                {
                    times.Add(handOff.Took.TotalMilliseconds);
                }
            }
        }

        double above = MedianOf(workerMs.Zip(naiveMs, (one, other) => one - other)), guardedAbove = MedianOf(guardedMs.Zip(naiveMs, (one, other) => one - other));
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"start to listening, naive {MedianOf(naiveMs):0.0} ms; start to signed in, above that: ProcessBinds {above:0.0} ms, guard {guardedAbove:0.0} ms (medians of {workerMs.Count} pairs)"));
        return above <= (most ?? double.MaxValue) ? ExitCode.Success : ExitCode.Failure;
    }

    private static double MedianOf(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return sorted[sorted.Length / 2];
    }
}
