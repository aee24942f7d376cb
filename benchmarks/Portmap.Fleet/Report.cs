using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace Portmap.Fleet;

/// <summary>The table: medians with their spread, the ratio to etcd alone, and what it must
/// reach.</summary>
internal sealed class Report
{
    private readonly StringBuilder _rows = new();

    /// <summary>Whether every target is reached.</summary>
    public bool IsMet { get; private set; } = true;

    public string Text => string.Create(CultureInfo.InvariantCulture, $"""
        # The fleet, measured

        Portmap.Etcd on one real etcd over loopback, beside etcd alone: the same client library, the same keys and values, with nothing of Portmap between. The two
        take turns in one run; medians, with the lowest and the highest in brackets. Etcd, all hosts and all mirrors share the cores of one machine: ratios are
        promises, times are a report.

        - **Machine**: {Cpu()}, {Environment.ProcessorCount} cores; {RuntimeInformation.OSDescription}, Linux {Run("uname", "-r")}; runtime {Environment.Version}; {Run("etcd", "--version")}.
        - **Commit**: `{Run("git", "rev-parse", "--short", "HEAD")}`, {Run("date", "+%F")}.
        - **How**: `dotnet run -c Release --project benchmarks/Portmap.Fleet -- benchmarks/FLEET.md`. Needs etcd and etcdctl.

        | what | etcd alone | Portmap | ratio | must reach | |
        |---|---:|---:|---:|---:|---|
        {_rows}
        """);

    /// <summary>A row with a target.</summary>
    public void Add(string what, string alone, string ours, double? ratio, string target, bool isMet)
    {
        IsMet &= isMet;
        Row(what, alone, ours, ratio is { } times ? string.Create(CultureInfo.InvariantCulture, $"{times:0.00} ×") : "", target, isMet ? "reached" : "**missed**");
    }

    /// <summary>A row that promises nothing.</summary>
    public void Tell(string what, string alone, string ours) => Row(what, alone, ours, "", "", "");

    public static double Median(IEnumerable<double> figures)
    {
        double[] sorted = [.. figures.Order()];
        return sorted[sorted.Length / 2];
    }

    public static string Spread(IReadOnlyCollection<double> figures, string unit)
    {
        string format = Median(figures) < 100 ? "0.00" : "N0";
        return $"{Format(Median(figures))}{unit} ({Format(figures.Min())}-{Format(figures.Max())})";

        string Format(double number) => number.ToString(format, CultureInfo.InvariantCulture);
    }

    private void Row(params string[] cells)
    {
        string row = $"| {string.Join(" | ", cells)} |\n";
        Console.Error.Write(row);
        _rows.Append(row);
    }

    private static string Cpu() =>
        File.ReadLines("/proc/cpuinfo").FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal))?.Split(": ")[1] ?? $"{RuntimeInformation.ProcessArchitecture}";

    /// <summary>The first line a program prints.</summary>
    private static string Run(string program, params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        string line = process.StandardOutput.ReadLine() ?? "";
        process.StandardOutput.ReadToEnd();
        process.WaitForExit(Deadline.Default);
        return line;
    }
}
