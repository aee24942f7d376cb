using System.Globalization;

namespace Portmap.Interleaving.Tests.Scheduling;

/// <summary>Which thread runs when: thread 0 begins, each runs until it is done, and then the next
/// one in turn; but at some steps another one is forced.</summary>
/// <param name="Switches">Steps, counted over all threads from 1, and the thread that goes on
/// there; in the order of the steps.</param>
internal sealed record Schedule(IReadOnlyList<(int Step, int Thread)> Switches)
{
    public static Schedule OneAfterTheOther { get; } = new([]);

    /// <summary>Random places for a few forced switches: with k of them over n steps a fault of
    /// depth k is met once in about n^k runs (PCT, Burckhardt et al. 2010).</summary>
    public static Schedule Any(Random random, int threads, int steps)
    {
        int count = random.Next(1, 6);
        List<(int, int)> switches = [.. Enumerable.Range(0, count).Select(_ => random.Next(0, Math.Max(steps, 2))).Distinct().Order().Select(step => (step, random.Next(threads)))];
        return new Schedule(switches);
    }

    /// <summary>The schedules with one forced switch more, after the last one of this.</summary>
    /// <param name="threads">How many threads there are.</param>
    /// <param name="ranAt">Which thread made each step of this.</param>
    public IEnumerable<Schedule> WithOneMore(int threads, IReadOnlyList<int> ranAt)
    {
        int[] last = [.. Enumerable.Range(0, threads).Select(thread => ranAt.Count - ranAt.Reverse().TakeWhile(ran => ran != thread).Count())];
        for (int step = Switches.Count == 0 ? 0 : Switches[^1].Step + 1; step <= ranAt.Count; step++)
        {
            for (int thread = 0; thread < threads; thread++)
            {
                // Another thread than the one that goes on anyway, and one that has something left
                // to do; one that made no step because of what was done before it may make some now.
                if (thread != (step == 0 ? 0 : ranAt[step - 1]) && (last[thread] >= step || last[thread] == 0))
                {
                    yield return new Schedule([.. Switches, (step, thread)]);
                }
            }
        }
    }

    public static Schedule Parse(string text) => new(
        [.. text.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(one => one.Split(':'))
            .Select(parts => (int.Parse(parts[0], CultureInfo.InvariantCulture), int.Parse(parts[1], CultureInfo.InvariantCulture)))]);

    public override string ToString() => string.Join(' ', Switches.Select(one => string.Create(CultureInfo.InvariantCulture, $"{one.Step}:{one.Thread}")));
}
