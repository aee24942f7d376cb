using System.Globalization;
using Portmap.Storm.Contestants;

namespace Portmap.Storm.Reporting;

/// <summary>What the storm is to show. Both directions: a storm in which nobody loses anything
/// shows nothing.</summary>
internal static class Expectations
{
    /// <summary>What the adversary may take from the guard by its open gate, which is open from the
    /// launch to the registration: for microseconds in a hand-off, for a tenth of a second and more
    /// in a start.</summary>
    private const double MostOfHandOffs = 0.10, MostOfStarts = 0.50;

    /// <summary>In milliseconds; what is held, for the machine may be busy.</summary>
    private const double MostAboveProbe = 6;

    /// <summary>Prints each expectation with what was found.</summary>
    /// <returns>Whether all were met.</returns>
    public static bool Check(IReadOnlyList<RoundResult> handOffs, IReadOnlyList<RoundResult> starts)
    {
        bool all = true;
        Console.WriteLine();
        foreach (IGrouping<string, RoundResult> results in handOffs.Concat(starts).GroupBy(result => result.Contestant))
        {
            Contestant contestant = Contestant.All.Single(one => one.Name == results.Key);
            if (contestant.Hold is Hold.None or Hold.LedgerOnly)
            {
                int lost = results.Sum(result => result.Lost), count = results.Sum(result => result.Count);
                Expect(contestant.Hold == Hold.LedgerOnly || results.Any(result => result.WithAdversary && starts.Contains(result) && result.Failed > 0), $"{results.Key}: some of its starts fail with the adversary: {results.Where(starts.Contains).Sum(result => result.Failed)}");
                Expect(lost > 0, string.Create(CultureInfo.InvariantCulture, $"{results.Key}: somebody else gets some of its ports: {lost} of {count:N0}"));
                continue;
            }

            foreach (RoundResult calm in results.Where(result => !result.WithAdversary))
            {
                Expect(calm.Lost == 0, string.Create(CultureInfo.InvariantCulture, $"{results.Key}: loses no port to connect() and bind(0): {calm.Lost} of {calm.Count:N0}"));
            }

            // The listening socket of a process that brings its port is the claim; a number that is
            // known before goes through an open gate.
            bool hasGate = contestant.Hold == Hold.Gate;
            foreach (RoundResult seized in results.Where(result => result.WithAdversary))
            {
                bool isStart = starts.Contains(seized);
                double most = !hasGate ? 0 : isStart ? MostOfStarts : MostOfHandOffs;
                Expect(
                    seized.LostShare <= most,
                    string.Create(CultureInfo.InvariantCulture, $"{results.Key}: loses at most {most:P0} of its {(isStart ? "starts" : "hand-offs")} to the adversary: {seized.Lost} of {seized.Count:N0}"));
                Expect(
                    seized.Rates.Seizures > 0,
                    string.Create(CultureInfo.InvariantCulture, $"{results.Key}: the adversary took ports meanwhile: {seized.Rates.Seizures:N0} a second"));
            }

            if (contestant == Contestant.Guard)
            {
                double above = results.Where(result => !starts.Contains(result)).Min(result => (result.Median - handOffs.First(other => other.Contestant == Contestant.Probe.Name && other.WithAdversary == result.WithAdversary).Median).TotalMilliseconds);
                Expect(
                    above <= MostAboveProbe,
                    string.Create(CultureInfo.InvariantCulture, $"{results.Key}: a hand-off takes at most {MostAboveProbe} ms more than probing, in the median of one weather (target 2): {above:0.0} ms"));
            }

            int failed = results.Sum(result => result.Failed), misdirected = results.Sum(result => result.Misdirected);
            Expect(failed == 0, $"{results.Key}: no hand-off and no start fails, not even with the adversary: {failed}");
            Expect(misdirected == 0, $"{results.Key}: every client reaches the process that was meant: all but {misdirected}");
        }

        return all;

        void Expect(bool isMet, string what)
        {
            all &= isMet;
            Console.WriteLine($"{(isMet ? "met   " : "MISSED")} {what}");
        }
    }
}
