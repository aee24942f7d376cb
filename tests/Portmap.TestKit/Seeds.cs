using System.Globalization;

namespace Portmap.TestKit;

/// <summary>The seeds of a random test: fixed ones, so that unchanged code gives the same answer in
/// every run, and a few fresh ones, which find what the fixed ones do not.</summary>
/// <remarks>Fresh seeds are printed when they are drawn. PORTMAP_SEED=N plays N alone;
/// PORTMAP_FRESH_SEEDS=N draws N fresh ones instead of one.</remarks>
public static class Seeds
{
    private static readonly int? s_only = Number("PORTMAP_SEED"), s_fresh = Number("PORTMAP_FRESH_SEEDS");

    /// <summary>The seeds a test plays in this run.</summary>
    /// <param name="test">Its name, for the line that reports a fresh one.</param>
    /// <param name="fixedSeeds">Those of every run.</param>
    public static IReadOnlyList<int> Of(string test, params int[] fixedSeeds)
    {
        if (s_only is { } only)
        {
            return [only];
        }

        int[] fresh = [.. Enumerable.Range(0, s_fresh ?? 1).Select(_ => Random.Shared.Next(1_000_000_000))];
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"    {test}: fresh seed {string.Join(", ", fresh)} (PORTMAP_SEED)"));
        return [.. fixedSeeds, .. fresh];
    }

    private static int? Number(string variable) =>
        int.TryParse(Environment.GetEnvironmentVariable(variable), CultureInfo.InvariantCulture, out int value) ? value : null;
}
