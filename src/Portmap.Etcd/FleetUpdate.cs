using System.Collections.Immutable;

namespace Portmap.Etcd;

/// <summary>One step of <see cref="FleetMap.WatchAsync"/>: the whole map, or changes of
/// it.</summary>
/// <remarks>Immutable and safe for any thread.</remarks>
public sealed class FleetUpdate
{
    internal FleetUpdate(FleetSnapshot snapshot) => (Revision, Snapshot, Changes) = (snapshot.Revision, snapshot, []);

    internal FleetUpdate(long revision, ImmutableArray<FleetChange> changes) => (Revision, Changes) = (revision, changes);

    /// <summary>The revision of etcd that the map has with this step.</summary>
    public long Revision { get; }

    /// <summary>Everything there is, in place of all that the reader knew; null when this step is
    /// changes.</summary>
    public FleetSnapshot? Snapshot { get; }

    /// <summary>What changed at once; empty when this step is a snapshot.</summary>
    public ImmutableArray<FleetChange> Changes { get; }
}
