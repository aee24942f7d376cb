using System.Collections.Concurrent;
using Spectre.Console;

namespace Portmap.Mutants;

/// <summary>One run: draw the mutants, build them all at once, and let the tests look for
/// each.</summary>
/// <param name="count">How many are drawn; 0 is all.</param>
/// <param name="seed">The seed of the draw.</param>
/// <param name="only">Only those with this text in their name; null is any.</param>
/// <param name="report">Where the table goes as Markdown; null is nowhere.</param>
internal sealed class MutantRun(int count, int seed, string? only, FileInfo? report)
{
    /// <summary>Says which mutants no longer fit the sources.</summary>
    public static int Check()
    {
        string[] misfits = [.. MutantTree.Misfits(Repository(), MutantList.All)];
        foreach (string misfit in misfits)
        {
            AnsiConsole.MarkupLineInterpolated($"[red]{misfit}[/]");
        }

        AnsiConsole.MarkupLineInterpolated($"{MutantList.All.Count} mutants, {misfits.Length} do not fit.");
        return misfits.Length == 0 ? 0 : 1;
    }

    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        if (Check() != 0)
        {
            return 1;
        }

        Mutant[] drawn = Draw();
        AnsiConsole.MarkupLineInterpolated($"{drawn.Length} of {MutantList.All.Count} mutants, seed {seed}.");
        string repository = Repository();
        MutantTree tree = new(repository, Path.Combine(repository, "artifacts", "mutants"));
        tree.Write(MutantList.All);
        tree.Build(drawn.Select(mutant => mutant.Project).Distinct());
        if (!await AllIsWellWithoutAsync(tree, drawn, cancellationToken).ConfigureAwait(false))
        {
            return 1;
        }

        ConcurrentBag<MutantResult> results = [];
        await AnsiConsole.Progress().StartAsync(async progress =>
        {
            ProgressTask task = progress.AddTask("mutants", maxValue: drawn.Length);
            await Parallel.ForEachAsync(drawn, new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount, CancellationToken = cancellationToken }, async (mutant, token) =>
            {
                (Fate fate, string by, double seconds) = await TestProcess.RunAsync(tree.AssemblyOf(mutant.Project), mutant.Filter, mutant.Number, token).ConfigureAwait(false);
                MutantResult result = new(mutant, fate, by, seconds);
                results.Add(result);
                task.Increment(1);
                if (!result.IsRight)
                {
                    AnsiConsole.MarkupLineInterpolated($"[red]{fate}[/] {mutant.Id} ({mutant.Project}, {mutant.Filter}) {by}");
                }
            }).ConfigureAwait(false);
        }).ConfigureAwait(false);

        MutantResult[] inOrder = [.. results.OrderBy(result => result.Mutant.Number)];
        MutantReport.Print(inOrder);
        if (report is not null)
        {
            MutantReport.Write(report, inOrder, seed);
        }

        return inOrder.All(result => result.IsRight) ? 0 : 1;
    }

    /// <summary>The tests must pass while no mutant is on, or a failure says nothing.</summary>
    private static async Task<bool> AllIsWellWithoutAsync(MutantTree tree, Mutant[] drawn, CancellationToken cancellationToken)
    {
        bool isWell = true;
        foreach (IGrouping<string, Mutant> project in drawn.GroupBy(mutant => mutant.Project))
        {
            string filter = string.Join('|', project.Select(mutant => mutant.Filter).Distinct());
            (Fate fate, string by, double seconds) = await TestProcess.RunAsync(tree.AssemblyOf(project.Key), filter, mutant: 0, cancellationToken).ConfigureAwait(false);
            AnsiConsole.MarkupLineInterpolated($"without mutants: {project.Key} {(fate == Fate.Alive ? "passes" : $"{fate}: {by}")} in {seconds:0} s");
            isWell &= fate == Fate.Alive;
        }

        return isWell;
    }

    private Mutant[] Draw()
    {
        Mutant[] from = [.. MutantList.All.Where(mutant => only is null || mutant.Id.Contains(only, StringComparison.OrdinalIgnoreCase))];
        if (count == 0 || count >= from.Length)
        {
            return from;
        }

        new Random(seed).Shuffle(from);
        return [.. from.Take(count).OrderBy(mutant => mutant.Number)];
    }

    private static string Repository()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Portmap.sln")))
        {
            folder = folder.Parent;
        }

        return folder?.FullName ?? throw new InvalidOperationException("Run it from a build inside the repository.");
    }
}
