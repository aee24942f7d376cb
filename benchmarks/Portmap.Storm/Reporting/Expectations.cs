using System.Globalization;
using Portmap.Storm.Contestants;

namespace Portmap.Storm.Reporting;

/// <summary>What the storm is to show. Both directions: a storm in which nobody loses anything
/// shows nothing.</summary>
internal static class Expectations
{
    /// <summary>Prints each expectation with what was found.</summary>
    /// <returns>Whether all were met.</returns>
    public static bool Check(IReadOnlyList<RoundResult> handOffs, IReadOnlyList<RoundResult> starts)
    {
        bool all = true;
        Console.WriteLine();
        foreach (IGrouping<string, RoundResult> results in handOffs.Concat(starts).GroupBy(result => result.Contestant))
        {
            if (!Contestant.IsHeld(results.Key))
            {
                int lost = results.Sum(result => result.Lost), count = results.Sum(result => result.Count);
                Expect(lost > 0, string.Create(CultureInfo.InvariantCulture, $"{results.Key}: somebody else gets some of its ports: {lost} of {count:N0}"));
                continue;
            }

            foreach (RoundResult calm in results.Where(result => !result.WithAdversary))
            {
                Expect(calm.Lost == 0, string.Create(CultureInfo.InvariantCulture, $"{results.Key}: loses no port to connect() and bind(0): {calm.Lost} of {calm.Count:N0}"));
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
