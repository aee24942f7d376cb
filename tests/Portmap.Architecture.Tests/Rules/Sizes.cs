namespace Portmap.Architecture.Tests.Rules;

/// <summary>
/// How large a type, a knot or a method may be. Lines are those of a type in all its parts, docs
/// included.
/// </summary>
internal sealed record Sizes
{
    /// <summary>
    /// The core: one type may be long, and the registry is a facade in few files.
    /// </summary>
    public static Sizes OfTheCore { get; } = new() { Named = { ["PortRegistry"] = (Lines: 500, Files: 3) } };

    public static Sizes OfTheWire { get; } = new();

    public int Knot { get; init; } = 6;

    public int Lines { get; init; } = 450;

    /// <summary>What one type of the package may have, instead of <see cref="Lines"/>.</summary>
    public int LinesOfOne { get; init; } = 600;

    public int Parameters { get; init; } = 5;

    public int Outs { get; init; } = 2;

    /// <summary>Limits of single types.</summary>
    public Dictionary<string, (int Lines, int Files)> Named { get; } = [];
}
