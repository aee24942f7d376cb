namespace Portmap;

/// <summary>
/// One thing about this host or these options that weakens what the registry promises, as
/// <see cref="PortRegistry.Diagnose"/> finds it.
/// </summary>
/// <remarks>
/// Immutable. Findings are advice: the registry works with all of them, as its guarantees say.
/// </remarks>
public sealed class PortFinding
{
    internal PortFinding(PortFindingKind kind, string value, string expected, string remedy) =>
        (Kind, Value, Expected, Remedy) = (kind, value, expected, remedy);

    /// <summary>What it is.</summary>
    public PortFindingKind Kind { get; }

    /// <summary>What was found, with its numbers.</summary>
    public string Value { get; }

    /// <summary>What it should be, or what it collides with.</summary>
    public string Expected { get; }

    /// <summary>What to do; where it is a command, the exact one.</summary>
    public string Remedy { get; }

    /// <summary>Whether it weakens nothing as things are, so that nothing need be done.</summary>
    /// <value>True of an <see cref="PortFindingKind.EphemeralOverlap"/> while enough ports that the
    /// kernel never hands out are free: those are used first. It is found without this when fewer
    /// than a tenth of them, or fewer than 100, are free.</value>
    public bool IsNote { get; internal init; }

    /// <summary>The finding in one line.</summary>
    public override string ToString() => $"{Kind}: {Value}; {Expected}. {Remedy}";
}
