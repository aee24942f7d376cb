using System.Diagnostics;

namespace Portmap.Benchmarks.Gate;

/// <summary>The short run that guards the budgets: <c>-- ci [FILTER] [--budgets FILE]</c>. Answers
/// 0, or 1 when a budget is passed, or 2 when it cannot run.</summary>
internal static class GateRun
{
    /// <summary>How often a case is measured before it fails; of each figure the lowest counts. A
    /// disturbance of a shared machine passes, a slower program stays slow.</summary>
    private const int Attempts = 3;

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

        long start = Stopwatch.GetTimestamp();
        List<Measured> measured = [];
        foreach ((string name, Func<string, Measured> run) in GateCases.All.Where(pair => pair.Key.Contains(filter, StringComparison.OrdinalIgnoreCase)))
        {
            measured.Add(Measure(name, run, budgets.Only(name)));
        }

        Verdict verdict = Verdict.Of(measured, filter.Length == 0 ? budgets : budgets.Only(filter));
        output.WriteLine(verdict.Report);
        output.WriteLine($"benchmarks: {measured.Count} cases in {Stopwatch.GetElapsedTime(start).TotalSeconds:0} s, {verdict.Failures.Count} failed");
        return verdict.Failures.Count == 0 ? 0 : 1;
    }

    private static Measured Measure(string name, Func<string, Measured> run, Budgets budgets)
    {
        Measured result = run(name);
        for (int attempt = 1; attempt < Attempts && Verdict.Of([result], budgets).Failures.Count != 0; attempt++)
        {
            Measured again = run(name);
            result = again with { Figures = again.Figures.ToDictionary(pair => pair.Key, pair => Math.Min(pair.Value, result.Figures.GetValueOrDefault(pair.Key, pair.Value))) };
        }

        return result;
    }
}
