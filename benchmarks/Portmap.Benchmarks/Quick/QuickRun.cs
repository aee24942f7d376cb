using System.Diagnostics;
using System.Globalization;

namespace Portmap.Benchmarks.Quick;

/// <summary>The table of who is faster, within a minute: <c>-- quick [FILTER…]</c>. For whoever
/// works on the code; budgets are held by <c>-- ci</c>.</summary>
internal static class QuickRun
{
    public static int Run(string[] filters, TextWriter output)
    {
        long start = Stopwatch.GetTimestamp();
        output.WriteLine("| row | ours, ns | B | times each baseline |");
        output.WriteLine("|---|---:|---:|---|");
        foreach ((string name, Func<QuickRow> run) in QuickCases.OneThread.Concat(QuickCases.ManyThreads))
        {
            if (filters.Length == 0 || Array.Exists(filters, filter => name.Contains(filter, StringComparison.OrdinalIgnoreCase)))
            {
                output.WriteLine(Line(name, run()));
            }
        }

        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{Stopwatch.GetElapsedTime(start).TotalSeconds:0} s"));
        return 0;
    }

    private static string Line(string name, QuickRow row)
    {
        IEnumerable<string> baselines = row.Standings.Skip(1).Select(standing => Text($"{standing.Name} {standing.Ratio:0.00} ({standing.Ns:0.0} ns)"));
        return Text($"| {name} | {row.Standings[0].Ns:0.0} | {row.Bytes:0.#} | {string.Join(", ", baselines)} |");
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
