using System.Collections;

namespace Portmap;

/// <summary>Which ports are handed out, how long they wait, and to how many owners they go. Never
/// changed.</summary>
internal sealed class PortLimits
{
    /// <summary>The ports that are handed out.</summary>
    public required PortPool All { get; init; }

    /// <summary>From the lowest of them to the highest; what lies between its ranges is
    /// <see cref="Excluded"/>.</summary>
    public PortRange Range => All.Span;

    /// <summary>A bit for each of 65,536 ports; those of set bits are not handed out, or to
    /// one owner only.</summary>
    public required BitArray Excluded { get; init; }

    /// <summary>How long a port cools.</summary>
    public required TimeSpan ReuseDelay { get; init; }

    /// <summary>How long a stranger's port is left alone.</summary>
    public required TimeSpan ForeignRecheck { get; init; }

    /// <summary>How many owners may live at once.</summary>
    public required int MaxOwners { get; init; }

    /// <summary>Whether acquisitions may be given a port.</summary>
    public bool HandsOut(int port) => Range.Contains(port) && !Excluded[port];
}
