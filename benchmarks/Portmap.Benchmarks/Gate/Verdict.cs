using System.Globalization;

namespace Portmap.Benchmarks.Gate;

/// <summary>Compares what was measured with the budgets. What fails is said by the name of its
/// case.</summary>
internal sealed class Verdict
{
    private readonly List<string> _failures = [];
    private readonly List<string> _rows = [];

    private Verdict()
    {
    }

    public IReadOnlyList<string> Failures => _failures;

    /// <summary>A table in Markdown, and below it what failed.</summary>
    public string Report
    {
        get
        {
            string[] head = ["| case | ours | baseline | figure | measured | budget | |", "|---|---|---|---|---:|---:|---|"];
            return string.Join(Environment.NewLine, [.. head, .. _rows, .. _failures.Select(failure => "FAILED " + failure)]);
        }
    }

    public static Verdict Of(IReadOnlyList<Measured> measured, Budgets budgets)
    {
        Verdict verdict = new();
        foreach (Measured result in measured)
        {
            verdict.Judge(result, [.. budgets.Of(result.Case)]);
        }

        foreach (string missing in budgets.Cases.Except(measured.Select(result => result.Case)))
        {
            verdict._failures.Add($"{missing}: it has a budget and was not measured");
        }

        return verdict;
    }

    private void Judge(Measured result, (string Figure, double Target, double Limit)[] budget)
    {
        if (budget.Length == 0)
        {
            _failures.Add($"{result.Case}: it has no budget");
        }

        foreach ((string figure, double target, double limit) in budget)
        {
            if (!result.Figures.TryGetValue(figure, out double value))
            {
                _failures.Add($"{result.Case}: its budget bounds '{figure}', which was not measured");
                continue;
            }

            bool holds = value <= limit;
            string verdict = !holds ? "FAILED" : value <= target ? "ok" : "missed, reported";
            _rows.Add(Text($"| {result.Case} | {result.Ours} | {result.Baseline} | {figure} | {value:0.##} | {target:0.##} | {verdict} |"));
            if (!holds)
            {
                _failures.Add(Text($"{result.Case}: {figure} is {value:0.###}, at most {limit:0.###} is allowed"));
            }
        }
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
