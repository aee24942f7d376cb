using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace Portmap.Wire;

/// <summary>The table: medians with their spread, the ratio, and what it must reach.</summary>
internal sealed class Report
{
    private readonly StringBuilder _rows = new();

    /// <summary>Whether every target is reached.</summary>
    public bool IsMet { get; private set; } = true;

    /// <summary>Whether there was something to compare with.</summary>
    public bool IsCompared { get; private set; } = true;

    public string Text => string.Create(CultureInfo.InvariantCulture, $"""
        # The wire, measured

        Portmap's server (the sample daemon, in memory only) beside glusterd, both over TCP loopback, with one client in C that is the same for both.
        The client checks every answer; it can do at least what the highest figure says. Medians of five runs that take turns, with the lowest and the highest in brackets.
        The first sign-in of 10,000 bricks runs code for the first time; the row below it is after all of them have been signed out again. No store, and no
        look at whether a brick really listens.

        - **Machine**: {Cpu()}, {Environment.ProcessorCount} cores; {RuntimeInformation.OSDescription}, Linux {Command.Run("uname", "-r")}; .NET SDK {Command.Run("dotnet", "--version")}, runtime {Environment.Version}; {Glusterd()}.
        - **Commit**: `{Command.Run("git", "rev-parse", "--short", "HEAD")}`, {Command.Run("date", "+%F")}.
        - **How**: `dotnet run -c Release --project benchmarks/Portmap.Wire -- benchmarks/WIRE.md`. Needs gcc, and glusterd for the comparison (with folders of its own; it opens its log of commands in /var/log/glusterfs all the same).

        | what | glusterd | Portmap | ratio | must reach | |
        |---|---:|---:|---:|---:|---|
        {_rows}
        """);

    /// <param name="what">The discipline.</param>
    /// <param name="outcome">Its figures.</param>
    /// <param name="least">The ratio to reach.</param>
    public void AddRate(string what, Outcome outcome, double least)
    {
        double? ratio = Median(outcome.Ours, PerSecond) / Median(outcome.Glusterds, PerSecond);
        Add(what, Spread(outcome.Glusterds, PerSecond, "/s"), Spread(outcome.Ours, PerSecond, "/s"), ratio, $"≥ {least} ×", ratio is { } times ? times >= least : null);
    }

    /// <param name="what">The discipline.</param>
    /// <param name="outcome">Its figures.</param>
    /// <param name="most">The ratio to stay below.</param>
    public void AddMedian(string what, Outcome outcome, double most)
    {
        double? ratio = Median(outcome.Ours, Microseconds) / Median(outcome.Glusterds, Microseconds);
        Add(what, Spread(outcome.Glusterds, Microseconds, " µs"), Spread(outcome.Ours, Microseconds, " µs"), ratio, $"≤ {most} ×", ratio is { } times ? times <= most : null);
    }

    public void AddBytes(string what, double bytes, double most) => Add(what, "", $"{bytes:0.000} B", null, $"≤ {most} B", bytes <= most);

    private void Add(string what, string glusterd, string ours, double? ratio, string target, bool? isMet)
    {
        IsMet &= isMet != false;
        IsCompared &= isMet is not null;
        string outcome = isMet switch { true => "reached", false => "**missed**", null => "not compared" };
        _rows.Append(CultureInfo.InvariantCulture, $"| {what} | {glusterd} | {ours} | {(ratio is { } times ? $"{times:0.00} ×" : "")} | {target} | {outcome} |\n");
    }

    private static double PerSecond(Figure figure) => figure.PerSecond;

    private static double Microseconds(Figure figure) => figure.MedianMicroseconds;

    private static double? Median(IReadOnlyList<Figure> figures, Func<Figure, double> of) =>
        figures.Count == 0 ? null : figures.Select(of).Order().ElementAt(figures.Count / 2);

    private static string Spread(IReadOnlyList<Figure> figures, Func<Figure, double> of, string unit)
    {
        if (Median(figures, of) is not { } median)
        {
            return "not installed";
        }

        string format = median < 1_000 ? "0.0" : "N0";
        string spread = figures.Count == 1 ? "" : $" ({Format(figures.Min(of))}-{Format(figures.Max(of))})";
        return $"{Format(median)}{unit}{spread}";

        string Format(double number) => number.ToString(format, CultureInfo.InvariantCulture);
    }

    private static string Cpu() =>
        File.ReadLines("/proc/cpuinfo").FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal))?.Split(": ")[1] ?? $"{RuntimeInformation.ProcessArchitecture}";

    private static string Glusterd() => Command.Exists("glusterd") ? Command.Run("glusterd", "--version") : "no glusterd";
}
