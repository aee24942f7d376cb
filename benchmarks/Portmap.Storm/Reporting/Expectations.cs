using System.Globalization;
using Portmap.Storm.Contestants;
using Portmap.Storm.Weather;

namespace Portmap.Storm.Reporting;

/// <summary>What the storm is to show. Both directions: a storm in which nobody loses anything
/// shows nothing.</summary>
/// <remarks>
/// <para>Who took a number decides, not how many were taken: a guard that does nothing loses numbers
/// to whoever passes by, and one that works to nobody but the adversary. The control, the same
/// daemon and worker without the guard, shows in each run that this is seen.</para>
/// <para>How many starts the guard loses is compared with both methods that hand out a number
/// together. Say that they lose 28 and 52 % of their starts and the guard 12.5 %. Then the chance
/// that the comparison fails all the same is 6e-5 (50 starts, half as many) or 5e-5 (24 starts,
/// 0.8 times as many).</para>
/// </remarks>
internal static class Expectations
{
    /// <summary>The most that a hand-off by the guard may take, in times of one by a port
    /// server.</summary>
    private const double MostTimesPortServer = 1.25;

    /// <summary>Prints each expectation with what was found.</summary>
    /// <returns>Whether all were met.</returns>
    public static bool Check(StormPlan plan, IReadOnlyList<RoundResult> handOffs, IReadOnlyList<RoundResult> starts, HandOffPrice price)
    {
        bool all = true;
        int lostWhereTold = starts.Where(result => result.Contestant == Contestant.Probe.Name || result.Contestant == Contestant.BindZero.Name).Sum(result => result.Lost);
        Console.WriteLine();
        foreach (Contestant contestant in Contestant.All)
        {
            IReadOnlyList<RoundResult> mine = [.. handOffs.Concat(starts).Where(result => result.Contestant == contestant.Name)];
            if (mine.Count == 0)
            {
                continue;   // it is not in the short storm
            }

            Expect(mine.Where(result => result.WithAdversary).All(result => result.Rates.Seizures > 0), contestant, $"the adversary took ports meanwhile");
            int lost = mine.Sum(result => result.Lost), count = mine.Sum(result => result.Count), failed = mine.Sum(result => result.Failed);
            if (contestant.Hold == Hold.None)
            {
                Expect(failed > 0, contestant, $"some of its starts fail with the adversary: {failed}");
                Expect(lost > 0, contestant, $"somebody else gets some of its ports: {lost} of {count:N0}");
                continue;
            }

            int misdirected = mine.Sum(result => result.Misdirected);
            Expect(failed == 0, contestant, $"no hand-off and no start fails, not even with the adversary: {failed}");
            Expect(misdirected == 0, contestant, $"every client reaches the process that was meant: all but {misdirected}");
            int passed = NumbersTo(mine, Taker.PasserBy), unknown = NumbersTo(mine, Taker.Unknown);
            switch (contestant.Hold)
            {
                case Hold.LedgerOnly:
                    Expect(passed > 0, contestant, $"the control: passers-by take some of its numbers: {passed}");
                    break;
                case Hold.Socket:
                    Expect(lost == 0, contestant, $"loses nothing to anybody: {lost} of {count:N0}");
                    break;
                case Hold.Gate:
                    CheckGate(contestant, mine, passed, unknown);
                    break;
            }
        }

        return all;

        void CheckGate(Contestant contestant, IReadOnlyList<RoundResult> mine, int passed, int unknown)
        {
            RoundResult calm = mine.Single(result => !result.WithAdversary), started = mine.Single(starts.Contains);
            Expect(calm.Lost == 0, contestant, $"loses no port to connect() and bind(0): {calm.Lost} of {calm.Count:N0}");
            Expect(
                passed + unknown == 0,
                contestant,
                $"every number that it lost was taken by the adversary, after the gate was opened: {NumbersTo(mine, Taker.Adversary)}, and {passed} by passers-by, {unknown} by nobody known");
            Expect(
                started.Lost * plan.FewerStartsLost < lostWhereTold,
                contestant,
                $"times {plan.FewerStartsLost}, it loses fewer starts than both that hand out a number: {started.Lost} of {started.Count}, and {lostWhereTold} of twice as many");
            if (contestant == Contestant.Guard)
            {
                Expect(
                    price.TimesPortServer <= MostTimesPortServer,
                    contestant,
                    $"a hand-off takes at most {MostTimesPortServer} times as long as by a port server, in the middle of {price.Turns} turns: {price.TimesPortServer:0.00} times; {price}");
            }
        }

        void Expect(bool isMet, Contestant contestant, FormattableString what)
        {
            all &= isMet;
            Console.WriteLine($"{(isMet ? "met   " : "MISSED")} {contestant.Name}: {what.ToString(CultureInfo.InvariantCulture)}");
        }
    }

    private static int NumbersTo(IReadOnlyList<RoundResult> results, Taker taker) => results.Sum(result => result.NumbersTo(taker));
}
