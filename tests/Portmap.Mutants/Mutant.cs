namespace Portmap.Mutants;

/// <summary>One small fault that is put into the sources, and the tests that must notice
/// it.</summary>
/// <param name="Id">The type and what is wrong, such as <c>FreePorts.ClearSummary: no second
/// look</c>.</param>
/// <param name="File">The source file, from the root of the repository.</param>
/// <param name="Find">The text that is replaced. It stands exactly once in the file.</param>
/// <param name="Replace">The text in its place. <c>MUTANT</c> in it is the condition that this
/// mutant is switched on: the text must mean the same as before when it is false.</param>
/// <param name="Project">The test project, such as <c>Portmap.Tests</c>.</param>
/// <param name="Filter">Which of its tests are run, as <c>dotnet test --filter</c> takes
/// it.</param>
internal sealed record Mutant(string Id, string File, string Find, string Replace, string Project, string Filter)
{
    /// <summary>Why no test can notice it; null for a mutant that must be caught.</summary>
    public string? AliveBecause { get; init; }

    /// <summary>Its number in the list, by which it is switched on; the first is 1.</summary>
    public int Number { get; init; }
}

/// <summary>What became of a mutant.</summary>
internal enum Fate
{
    /// <summary>A test failed, and is named.</summary>
    Caught,

    /// <summary>The tests did not come to an end in time, or their process was lost: no test says
    /// what broke, and a slow machine looks the same.</summary>
    Hung,

    /// <summary>All tests passed.</summary>
    Alive,

    /// <summary>No test ran, so that nothing is known.</summary>
    NotRun,
}

/// <param name="Mutant">The mutant.</param>
/// <param name="Fate">What became of it.</param>
/// <param name="By">The first test that failed, or what was said instead.</param>
/// <param name="Seconds">How long its tests ran.</param>
internal sealed record MutantResult(Mutant Mutant, Fate Fate, string By, double Seconds)
{
    /// <summary>Whether this is how it should be: caught, or alive for a reason that is written
    /// down.</summary>
    public bool IsRight => Fate == (Mutant.AliveBecause is null ? Fate.Caught : Fate.Alive);
}
