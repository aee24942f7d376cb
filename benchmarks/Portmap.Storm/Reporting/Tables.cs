using System.Globalization;
using System.Reflection;
using System.Runtime.InteropServices;
using Portmap.Storm.Weather;
using Spectre.Console;

namespace Portmap.Storm.Reporting;

/// <summary>The results as Markdown tables, as they stand in benchmarks/STORM.md.</summary>
internal static class Tables
{
    private static readonly string[] s_columns =
        ["failed", "lost a number", "to passers-by", "to the adversary", "to nobody known", "reached another", "median", "p99", "connect()/s", "bind(0)/s", "seized/s"];

    public static void Print(StormPlan plan, IReadOnlyList<RoundResult> handOffs, IReadOnlyList<RoundResult> starts)
    {
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"""
            {RuntimeInformation.OSDescription}, Linux {Environment.OSVersion.Version}, {Environment.ProcessorCount} cores; {RuntimeInformation.FrameworkDescription}; {Version}; {DateTime.UtcNow:yyyy-MM-dd}
            Ports {StormNamespace.Ports}, which is also the ephemeral range; {plan.Workers} workers at once, {plan.HandOffs:N0} hand-offs and {plan.Starts} process starts for each contestant.

            Hand-offs to long-lived processes, while others connect() and bind(0):

            """));
        IReadOnlyList<string> names = [.. starts.Select(result => result.Contestant)];
        Write(names, [.. handOffs.Where(result => !result.WithAdversary)]);
        Console.WriteLine("\nHand-offs to long-lived processes, with an adversary that listens on random numbers of the range:\n");
        Write(names, [.. handOffs.Where(result => result.WithAdversary)]);
        Console.WriteLine("\nReal process starts, with the adversary:\n");
        Write(names, starts);
        foreach (RoundResult result in handOffs.Concat(starts).Where(result => result.Failures.Count > 0))
        {
            Console.WriteLine($"\n{result.Contestant}: {string.Join("; ", result.Failures)}");
        }
    }

    private static string Version =>
        typeof(Tables).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion is var version && version.IndexOf('+', StringComparison.Ordinal) is > 0 and var at
            ? $"commit {version.AsSpan(at + 1, Math.Min(7, version.Length - at - 1))}"
            : "no commit";

    private static void Write(IReadOnlyList<string> names, IReadOnlyList<RoundResult> results)
    {
        Spectre.Console.Table table = new Spectre.Console.Table().Border(TableBorder.Markdown).AddColumn("contestant");
        foreach (string column in s_columns)
        {
            table.AddColumn(new TableColumn(column).RightAligned());
        }

        foreach (string name in names)
        {
            if (results.FirstOrDefault(one => one.Contestant == name) is not { } result)
            {
                table.AddRow([name, .. s_columns.Select(_ => "-")]);   // it cannot take part
                continue;
            }

            table.AddRow(
                result.Contestant,
                $"{result.Failed} of {Number(result.Count)}",
                $"{result.Lost} ({Percent(result.LostShare)} %)",
                Number(result.NumbersTo(Taker.PasserBy)),
                Number(result.NumbersTo(Taker.Adversary)),
                Number(result.NumbersTo(Taker.Unknown)),
                Number(result.Misdirected),
                Milliseconds(result.Median),
                Milliseconds(result.P99),
                Number(result.Rates.Connections),
                Number(result.Rates.Binds),
                Number(result.Rates.Seizures));
        }

        using StringWriter text = new();
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Ansi = AnsiSupport.No, Out = new AnsiConsoleOutput(text) });
        console.Profile.Width = 200;   // a table of a page, not of a terminal
        console.Write(table);
        Console.WriteLine(text.ToString().Trim());
    }

    /// <summary>The same digits in table and picture.</summary>
    public static string Percent(double share) => (100 * share).ToString("0.#", CultureInfo.InvariantCulture);

    private static string Number(double value) => value.ToString("N0", CultureInfo.InvariantCulture);

    private static string Milliseconds(TimeSpan time) => string.Create(CultureInfo.InvariantCulture, $"{time.TotalMilliseconds:0.0} ms");
}
