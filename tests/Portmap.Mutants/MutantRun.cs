using System.Collections.Concurrent;
using System.Diagnostics;
using Portmap.TestKit;
using Spectre.Console;

namespace Portmap.Mutants;

/// <summary>One run: draw the mutants, build them all at once, and let the tests look for
/// each.</summary>
internal sealed class MutantRun
{
    /// <summary>Tests of two mutants at a time: more would only slow each other down, and what is
    /// slow looks hung.</summary>
    private const int AtOnce = 2;

    private static readonly TestProcess s_all = new(TimeSpan.FromMinutes(10)), s_one = new(TimeSpan.FromSeconds(90)), s_again = new(TimeSpan.FromMinutes(3));

    /// <summary>How many are drawn; 0 is all.</summary>
    public int Count { get; init; }

    /// <summary>The seed of the draw.</summary>
    public int Seed { get; init; }

    /// <summary>Only those with this text in their name; null is any.</summary>
    public string? Only { get; init; }

    /// <summary>Only those with one of these names; null is any.</summary>
    public IReadOnlySet<string>? Held { get; init; }

    /// <summary>Only those that tests of this project look for; null is any.</summary>
    public string? Project { get; init; }

    /// <summary>After so many seconds, counted from the start of the run, no further mutant is
    /// begun once there are <see cref="Least"/>; 0 is no limit.</summary>
    public int Seconds { get; init; }

    /// <summary>How many of those drawn are judged however long that takes; null is half of
    /// them.</summary>
    public int? Least { get; init; }

    /// <summary>Where the table goes as Markdown; null is nowhere.</summary>
    public FileInfo? Report { get; init; }

    /// <summary>The names of those that a table which <see cref="Report"/> wrote tells as
    /// caught.</summary>
    public static HashSet<string> CaughtIn(IEnumerable<string> table) =>
        [.. table.Select(row => row.Split(" | ")).Where(row => row is [_, _, nameof(Fate.Caught), ..]).Select(row => row[0].TrimStart('|', ' '))];

    /// <summary>Says which mutants no longer fit the sources.</summary>
    public static int Check()
    {
        string[] misfits = [.. MutantTree.Misfits(RepositoryFiles.Root, MutantList.All)];
        foreach (string misfit in misfits)
        {
            AnsiConsole.MarkupLineInterpolated($"[red]{misfit}[/]");
        }

        AnsiConsole.MarkupLineInterpolated($"{MutantList.All.Count} mutants, {misfits.Length} do not fit.");
        return misfits.Length == 0 ? 0 : 1;
    }

    /// <summary>Says how each mutant is switched on and looked for.</summary>
    public static int List()
    {
        foreach (Mutant mutant in MutantList.All)
        {
            Console.WriteLine($"{mutant.Number}\t{mutant.Id}\t{mutant.Project}\t{mutant.Filter}");
        }

        return 0;
    }

    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        long started = Stopwatch.GetTimestamp();
        if (Check() != 0)
        {
            return 1;
        }

        Mutant[] drawn = Draw();
        AnsiConsole.MarkupLineInterpolated($"{drawn.Length} of {MutantList.All.Count} mutants, seed {Seed}.");
        string repository = RepositoryFiles.Root;
        MutantTree tree = new(repository, Path.Combine(repository, "artifacts", "mutants"));
        tree.Write(MutantList.All);
        tree.Build(drawn.Select(mutant => mutant.Project).Distinct());
        TimeSpan built = Stopwatch.GetElapsedTime(started);
        MutantResult[] inOrder = [.. (await JudgeAsync(tree, drawn, started, cancellationToken).ConfigureAwait(false)).OrderBy(result => result.Mutant.Number)];
        MutantReport.Print(inOrder);
        AnsiConsole.MarkupLineInterpolated($"{inOrder.Length} of {drawn.Length} drawn were judged, after {built.TotalSeconds:0} s of building and {(Stopwatch.GetElapsedTime(started) - built).TotalSeconds:0} s of tests.");

        if (Report is not null)
        {
            MutantReport.Write(Report, inOrder);
        }

        bool isWell = await PassWithoutAsync(tree, inOrder, cancellationToken).ConfigureAwait(false);
        return isWell && inOrder.Length > 0 && inOrder.All(result => result.IsRight) ? 0 : 1;
    }

    private async Task<IReadOnlyCollection<MutantResult>> JudgeAsync(MutantTree tree, Mutant[] drawn, long started, CancellationToken cancellationToken)
    {
        ConcurrentBag<MutantResult> results = [];
        ConcurrentQueue<Mutant> hung = [];
        int least = Least ?? (drawn.Length + 1) / 2, begun = 0;
        await Parallel.ForEachAsync(drawn, new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancellationToken }, async (mutant, token) =>
        {
            if (Interlocked.Increment(ref begun) > least && Seconds != 0 && Stopwatch.GetElapsedTime(started).TotalSeconds > Seconds)
            {
                return;
            }

            MutantResult result = await RunAsync(s_one, mutant, token).ConfigureAwait(false);
            if (result.Fate == Fate.Hung)
            {
                hung.Enqueue(mutant);
            }
            else
            {
                Add(result);
            }
        }).ConfigureAwait(false);

        // A slow machine looks like a mutant that makes its tests hang: again, alone and with twice
        // the time. What then passes is alive.
        foreach (Mutant mutant in hung)
        {
            Add(await RunAsync(s_again, mutant, cancellationToken).ConfigureAwait(false));
        }

        return results;

        async Task<MutantResult> RunAsync(TestProcess tests, Mutant mutant, CancellationToken token)
        {
            (Fate fate, string by, double seconds) = await tests.RunAsync(tree.AssemblyOf(mutant.Project), mutant.Filter, mutant.Number, token).ConfigureAwait(false);
            return new MutantResult(mutant, fate, by, seconds);
        }

        void Add(MutantResult result)
        {
            results.Add(result);
            if (!result.IsRight)
            {
                AnsiConsole.MarkupLineInterpolated($"[red]{result.Fate}[/] {result.Mutant.Id} ({result.Mutant.Project}, {result.Mutant.Filter}) {result.By}");
            }
        }
    }

    /// <summary>The tests that caught a mutant must pass while none is on, or what they caught says
    /// nothing. Of a theory those cases that its mutants were given. Twice, so that one bad moment
    /// of the machine does not cost the whole run.</summary>
    private static async Task<bool> PassWithoutAsync(MutantTree tree, IEnumerable<MutantResult> results, CancellationToken cancellationToken)
    {
        bool isWell = true;
        foreach (IGrouping<string, MutantResult> project in results.Where(result => result.Fate == Fate.Caught).GroupBy(result => result.Mutant.Project))
        {
            string filter = string.Join('|', project.Select(result => $"(FullyQualifiedName~{result.By}&({result.Mutant.Filter}))").Distinct());
            bool passes = false;
            for (int attempt = 0; attempt < 2 && !passes; attempt++)
            {
                (Fate fate, string by, double seconds) = await s_all.RunAsync(tree.AssemblyOf(project.Key), filter, mutant: 0, cancellationToken).ConfigureAwait(false);
                passes = fate == Fate.Alive;
                AnsiConsole.MarkupLineInterpolated($"without mutants: {project.Key} {(passes ? "passes" : $"{fate}: {by}")} in {seconds:0} s");
            }

            isWell &= passes;
        }

        return isWell;
    }

    private Mutant[] Draw()
    {
        Mutant[] from = [.. MutantList.All.Where(mutant => Only is null || mutant.Id.Contains(Only, StringComparison.OrdinalIgnoreCase)).Where(mutant => Project is null || mutant.Project == Project)
            .Where(mutant => Held is null || Held.Contains(mutant.Id))];
        if (Count == 0 || Count >= from.Length)
        {
            return from;
        }

        new Random(Seed).Shuffle(from);
        return [.. from.Take(Count).OrderBy(mutant => mutant.Number)];
    }
}
