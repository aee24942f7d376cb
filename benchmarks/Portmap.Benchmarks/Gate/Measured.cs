namespace Portmap.Benchmarks.Gate;

/// <summary>What a case gave.</summary>
/// <param name="Case">Its name, for ever.</param>
/// <param name="Ours">Ours, as text for people.</param>
/// <param name="Baseline">What its budget compares with, as text for people.</param>
/// <param name="Figures">The figures that budgets bound: "ratio", "bytes", "nanoseconds".</param>
/// <param name="ManyThreads">More threads than one: the machine decides as much as the code, so it
/// is reported, and fails at twice its budget only.</param>
internal sealed record Measured(string Case, string Ours, string Baseline, IReadOnlyDictionary<string, double> Figures, bool ManyThreads = false);
