using System.Text.Json;

namespace Portmap.Benchmarks.Gate;

/// <summary>What may not be passed: for each case by name, each of its figures at most so much.</summary>
internal sealed class Budgets
{
    private static readonly Dictionary<string, double> s_none = [];

    private readonly Dictionary<string, Dictionary<string, double>> _byCase;

    private Budgets(Dictionary<string, Dictionary<string, double>> byCase) => _byCase = byCase;

    public IEnumerable<string> Cases => _byCase.Keys;

    /// <exception cref="InvalidDataException">The text is not what budgets.json is.</exception>
    public static Budgets Parse(string json)
    {
        try
        {
            return new Budgets(JsonSerializer.Deserialize<Dictionary<string, Dictionary<string, double>>>(json) ?? []);
        }
        catch (JsonException exception)
        {
            throw new InvalidDataException($"The budgets cannot be read: {exception.Message}", exception);
        }
    }

    /// <summary>Those of the cases that a part of the name selects.</summary>
    public Budgets Only(string filter) =>
        new(_byCase.Where(pair => pair.Key.Contains(filter, StringComparison.OrdinalIgnoreCase)).ToDictionary());

    public IReadOnlyDictionary<string, double> Of(string name) => _byCase.TryGetValue(name, out Dictionary<string, double>? figures) ? figures : s_none;
}
