namespace Portmap.Benchmarks.Gate;

/// <summary>What a case gave.</summary>
/// <param name="Case">Its name, for ever.</param>
/// <param name="Ours">Ours, as text for people.</param>
/// <param name="Baseline">What its budget compares with, as text for people.</param>
/// <param name="Figures">The figures that budgets bound: "ratio", "bytes", "nanoseconds".</param>
internal sealed record Measured(string Case, string Ours, string Baseline, IReadOnlyDictionary<string, double> Figures)
{
    /// <summary>This one, with the lower of both in each figure.</summary>
    public Measured LowerOf(Measured other) => this with
    {
        Figures = Figures.ToDictionary(pair => pair.Key, pair => Math.Min(pair.Value, other.Figures.GetValueOrDefault(pair.Key, pair.Value))),
    };
}
