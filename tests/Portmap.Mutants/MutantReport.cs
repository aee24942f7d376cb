using System.Globalization;
using System.Text;
using Spectre.Console;

namespace Portmap.Mutants;

/// <summary>The table of a run, for the eye and for the repository.</summary>
internal static class MutantReport
{
    public static void Print(IReadOnlyList<MutantResult> results)
    {
        Table table = new Table().AddColumns("mutant", "fate", "by", "s");
        foreach (MutantResult result in results)
        {
            string color = result.IsRight ? "green" : "red";
            table.AddRow(
                Markup.Escape(result.Mutant.Id), $"[{color}]{result.Fate}[/]", Markup.Escape(By(result)), result.Seconds.ToString("0.0", CultureInfo.InvariantCulture));
        }

        AnsiConsole.Write(table);
        AnsiConsole.MarkupLineInterpolated($"{Summary(results)}");
    }

    public static void Write(FileInfo file, IReadOnlyList<MutantResult> results)
    {
        StringBuilder text = new();
        text.AppendLine("# Mutants").AppendLine()
            .AppendLine("Made by `dotnet run -c Release --project tests/Portmap.Mutants -- --count 0 --report tests/Portmap.Mutants/RESULTS.md`.").AppendLine()
            .AppendLine(CultureInfo.InvariantCulture, $"{Summary(results)}").AppendLine()
            .AppendLine("| mutant | file | fate | by |").AppendLine("|---|---|---|---|");
        foreach (MutantResult result in results)
        {
            text.AppendLine(CultureInfo.InvariantCulture, $"| {result.Mutant.Id.Replace("|", "\\|", StringComparison.Ordinal)} | {result.Mutant.File} | {result.Fate} | {By(result)} |");
        }

        File.WriteAllText(file.FullName, text.ToString());
    }

    private static string By(MutantResult result) =>
        result is { Fate: Fate.Alive, Mutant.AliveBecause: { } reason } ? reason : result.By.Replace("Portmap.", string.Empty, StringComparison.Ordinal);

    private static string Summary(IReadOnlyList<MutantResult> results)
    {
        int alive = results.Count(result => result.Fate == Fate.Alive), explained = results.Count(result => result is { Fate: Fate.Alive, Mutant.AliveBecause: not null });
        return string.Create(CultureInfo.InvariantCulture, $"{results.Count} mutants: {results.Count(result => result.Fate == Fate.Caught)} caught, {alive} alive, of which {explained} are explained; {results.Count(result => result.Fate == Fate.Hung)} hung; {results.Count(result => result.Fate == Fate.NotRun)} not run.");
    }
}
