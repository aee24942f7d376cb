using System.Globalization;

namespace Portmap.Benchmarks;

/// <summary>Owners as a daemon has them, and random lookups among them.</summary>
internal static class OwnerNames
{
    /// <summary>How many lookups are drawn in advance; a power of two.</summary>
    public const int Draws = 65_536;

    /// <summary>One owner, where there is one only.</summary>
    public const string One = "vol0:/bricks/b0";

    private const int Seed = 20_160_331;

    public static string[] Make(int count) =>
        [.. Enumerable.Range(0, count).Select(i => string.Create(CultureInfo.InvariantCulture, $"vol{i % 97}:/bricks/b{i}"))];

    /// <summary>Owners in random order, as other string objects than those registered: names come
    /// from the wire, so a comparison by reference must not help anybody.</summary>
    public static string[] Draw(string[] owners)
    {
        string[] copies = [.. owners.Select(owner => new string(owner.AsSpan()))];
        Random random = new(Seed);
        random.Shuffle(copies);
        return [.. Enumerable.Range(0, Draws).Select(_ => copies[random.Next(copies.Length)])];
    }
}
