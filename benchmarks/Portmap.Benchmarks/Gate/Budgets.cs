using System.Text.Json;

namespace Portmap.Benchmarks.Gate;

/// <summary>What may not be passed: for each case by name, each of its figures at most so
/// much.</summary>
/// <remarks>A target that is not reached yet stays as it is, and is said to be missed in every run.
/// Beside it stands what is held, <c>"FIGURE held"</c>, so that it does not get worse unseen; why
/// it is missed stands in benchmarks/RESULTS.md. What is held may also be less than the target, where
/// the figure is far below it.</remarks>
internal sealed class Budgets
{
    private const string Held = " held";

    private static readonly Dictionary<string, double> s_none = [];

    private readonly Dictionary<string, Dictionary<string, double>> _byCase;

    private Budgets(Dictionary<string, Dictionary<string, double>> byCase) => _byCase = byCase;

    public IEnumerable<string> Cases => _byCase.Keys;

    /// <exception cref="InvalidDataException">The text is not what budgets.json is.</exception>
    public static Budgets Parse(string json)
    {
        try
        {
            Dictionary<string, Dictionary<string, double>> byCase = JsonSerializer.Deserialize<Dictionary<string, Dictionary<string, double>>>(json) ?? [];
            foreach ((string name, Dictionary<string, double> figures) in byCase)
            {
                if (figures.Keys.FirstOrDefault(figure => figure.EndsWith(Held, StringComparison.Ordinal) && !figures.ContainsKey(figure[..^Held.Length])) is { } lost)
                {
                    throw new InvalidDataException($"The budget of '{name}' says '{lost}' of a figure that is not beside it.");
                }
            }

            return new Budgets(byCase);
        }
        catch (JsonException exception)
        {
            throw new InvalidDataException($"The budgets cannot be read: {exception.Message}", exception);
        }
    }

    /// <summary>Those of the cases that a part of the name selects.</summary>
    public Budgets Only(string filter) =>
        new(_byCase.Where(pair => pair.Key.Contains(filter, StringComparison.OrdinalIgnoreCase)).ToDictionary());

    /// <summary>The figures of a case, each with its target and what fails the build: the same,
    /// unless it says what is held.</summary>
    public IEnumerable<(string Figure, double Target, double Limit)> Of(string name)
    {
        Dictionary<string, double> figures = _byCase.GetValueOrDefault(name, s_none);
        return figures.Where(pair => !pair.Key.EndsWith(Held, StringComparison.Ordinal))
            .Select(pair => (pair.Key, pair.Value, figures.TryGetValue(pair.Key + Held, out double held) ? held : pair.Value));
    }
}
