using System.Diagnostics;

namespace Portmap.Benchmarks.Gate;

/// <summary>The short run that guards the budgets: <c>-- ci [FILTER] [--budgets FILE]</c>. Answers
/// 0, or 1 when a budget is passed, or 2 when it cannot run.</summary>
internal static class GateRun
{
    /// <summary>How often a case is measured before it fails; of each figure the lowest counts. All
    /// others are measured in between: a disturbance of a shared machine lasts for seconds and
    /// passes, a slower program stays slow.</summary>
    private const int Attempts = 5;

    /// <summary>So long at least is from one attempt at a case to the next in a run of all.</summary>
    private static readonly TimeSpan s_apart = TimeSpan.FromSeconds(15);

    public static int Run(string[] args, TextWriter output)
    {
        string file = Path.Combine(AppContext.BaseDirectory, "budgets.json"), filter = string.Empty;
        for (int i = 0; i < args.Length; i++)
        {
            if (args[i] == "--budgets" && i + 1 < args.Length)
            {
                file = args[++i];
            }
            else
            {
                filter = args[i];
            }
        }

        Budgets budgets;
        try
        {
            budgets = Budgets.Parse(File.ReadAllText(file));
        }
        catch (Exception exception) when (exception is IOException or InvalidDataException)
        {
            output.WriteLine($"benchmarks: {exception.Message}");
            return 2;
        }

        long start = Stopwatch.GetTimestamp(), begun = start;
        Dictionary<string, Measured> measured = [];
        string[] left = [.. GateCases.All.Keys.Where(name => name.Contains(filter, StringComparison.OrdinalIgnoreCase))];
        for (int attempt = 0; attempt < Attempts && left.Length != 0; attempt++)
        {
            if (attempt != 0 && filter.Length == 0)
            {
                TimeSpan early = s_apart - Stopwatch.GetElapsedTime(begun);
                Thread.Sleep(early > TimeSpan.Zero ? early : TimeSpan.Zero);
            }

            begun = Stopwatch.GetTimestamp();
            foreach (string name in left)
            {
                Measured now = GateCases.All[name](name);
                measured[name] = measured.TryGetValue(name, out Measured? before) ? now.LowerOf(before) : now;
            }

            left = [.. left.Where(name => Verdict.Of([measured[name]], budgets.Only(name)).Failures.Count != 0)];
        }

        Verdict verdict = Verdict.Of([.. measured.Values], filter.Length == 0 ? budgets : budgets.Only(filter));
        output.WriteLine(verdict.Report);
        output.WriteLine($"benchmarks: {measured.Count} cases in {Stopwatch.GetElapsedTime(start).TotalSeconds:0} s, {verdict.Failures.Count} failed");
        return verdict.Failures.Count == 0 ? 0 : 1;
    }
}
