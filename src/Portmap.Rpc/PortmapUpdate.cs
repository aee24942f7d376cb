using System.Collections.Immutable;

namespace Portmap.Rpc;

/// <summary>One step of <see cref="PortmapClient.WatchAsync"/>: the whole map, or one change of it.</summary>
/// <remarks>Immutable and safe for any thread.</remarks>
public sealed class PortmapUpdate
{
    internal PortmapUpdate(long revision, ImmutableArray<PortEntry> snapshot) => (Revision, Snapshot) = (revision, snapshot);

    internal PortmapUpdate(PortChange change) => (Revision, Change) = (change.Revision, change);

    /// <summary>What the reader has seen with this step; a later watch can go on from it, for as long as the daemon lives and keeps it.</summary>
    public long Revision { get; }

    /// <summary>Everything there is, in place of all that the reader knew; null when this is a change.</summary>
    public ImmutableArray<PortEntry>? Snapshot { get; }

    /// <summary>The change; null when this is a snapshot.</summary>
    public PortChange? Change { get; }
}
