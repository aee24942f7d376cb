using System.Globalization;

namespace Portmap.TestKit;

/// <summary>The seeds of a random test: fixed ones, so that unchanged code gives the same answer in
/// every run, and a few fresh ones, which find what the fixed ones do not.</summary>
/// <remarks>A failure names its seed. PORTMAP_SEED=N plays N alone. The fresh ones begin at
/// PORTMAP_FRESH_FIRST, which the gate sets and reports, else at a number of the process's own;
/// PORTMAP_FRESH_COUNT=N plays N of them instead of what the test has time for.</remarks>
public static class Seeds
{
    private static readonly int? s_only = Number("PORTMAP_SEED"), s_freshCount = Number("PORTMAP_FRESH_COUNT");

    // Below, so that the count fits above it.
    private static readonly int s_freshFirst = Number("PORTMAP_FRESH_FIRST") ?? Random.Shared.Next(1 << 30);

    /// <summary>One seed is played alone, because the environment says so.</summary>
    public static bool IsOneAlone => s_only is not null;

    /// <summary>Plays each seed of this run.</summary>
    /// <param name="play">Plays one.</param>
    /// <param name="fixedSeeds">Those of every run.</param>
    /// <param name="freshCount">How many fresh ones, unless the environment says.</param>
    /// <exception cref="InvalidOperationException">One failed; the message begins with it.</exception>
    public static void ForEach(Action<int> play, IEnumerable<int> fixedSeeds, int freshCount = 1)
    {
        foreach (int seed in Of(fixedSeeds, freshCount))
        {
            try
            {
                play(seed);
            }
            catch (Exception e)
            {
                throw Failure(seed, e);
            }
        }
    }

    /// <inheritdoc cref="ForEach"/>
    public static async Task ForEachAsync(Func<int, Task> play, IEnumerable<int> fixedSeeds, int freshCount = 1)
    {
        foreach (int seed in Of(fixedSeeds, freshCount))
        {
            try
            {
                await play(seed);
            }
            catch (Exception e)
            {
                throw Failure(seed, e);
            }
        }
    }

    private static IEnumerable<int> Of(IEnumerable<int> fixedSeeds, int freshCount) =>
        s_only is { } only ? [only] : fixedSeeds.Concat(Enumerable.Range(s_freshFirst, s_freshCount ?? freshCount));

    private static InvalidOperationException Failure(int seed, Exception e) =>
        new(string.Create(CultureInfo.InvariantCulture, $"PORTMAP_SEED={seed} plays this again: {e.Message}"), e);

    private static int? Number(string variable) =>
        Environment.GetEnvironmentVariable(variable) is { Length: > 0 } text ? int.Parse(text, CultureInfo.InvariantCulture) : null;
}
