using Portmap.Storm.Contestants;
using Portmap.Storm.Weather;

namespace Portmap.Storm;

/// <summary>What came of one contestant's hand-offs, or process starts, in one weather.</summary>
/// <param name="Contestant">Who.</param>
/// <param name="WithAdversary">Whether the adversary was there, besides those who pass by.</param>
/// <param name="Count">How many hand-offs or starts.</param>
/// <param name="Lost">How many of them lost at least one number, those that failed
/// included.</param>
/// <param name="Takers">Who took each number that was lost.</param>
/// <param name="Failed">How many of them did not end in a process that listens.</param>
/// <param name="Misdirected">How many ended in one that listens, and a client reached somebody else
/// or nobody.</param>
/// <param name="Median">From acquiring until the daemon knows that the process listens; of those
/// that do.</param>
/// <param name="P99">The same, 99th percentile.</param>
/// <param name="Rates">How fast the others were meanwhile.</param>
/// <param name="Failures">Why some failed, each reason once.</param>
internal sealed record RoundResult(
    string Contestant, bool WithAdversary, int Count, int Lost, IReadOnlyList<Taker> Takers, int Failed, int Misdirected, TimeSpan Median, TimeSpan P99, InterferenceRates Rates,
    IReadOnlyList<string> Failures)
{
    public double LostShare => (double)Lost / Count;

    public int NumbersTo(Taker taker) => Takers.Count(one => one == taker);

    public static RoundResult Of(string contestant, bool withAdversary, IReadOnlyCollection<(HandOff HandOff, bool IsReached)> all, IReadOnlyList<Taker> takers, InterferenceRates rates)
    {
        TimeSpan[] times = [.. all.Where(one => one.HandOff.Failure is null).Select(one => one.HandOff.Took).Order()];
        return new RoundResult(
            contestant,
            withAdversary,
            all.Count,
            all.Count(one => one.HandOff is { Lost.Count: > 0 } or { Failure: not null }),
            takers,
            all.Count(one => one.HandOff.Failure is not null),
            all.Count(one => one.HandOff.Failure is null && !one.IsReached),
            At(times, 0.5),
            At(times, 0.99),
            rates,
            [.. all.Select(one => one.HandOff.Failure).OfType<string>().Distinct().Take(5)]);
    }

    private static TimeSpan At(TimeSpan[] sorted, double share) => sorted.Length == 0 ? TimeSpan.Zero : sorted[(int)Math.Ceiling(share * sorted.Length) - 1];
}
