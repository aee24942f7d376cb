using System.Collections.Immutable;

namespace Portmap.Etcd;

/// <summary>The fleet's map as it was at one revision of etcd.</summary>
/// <remarks>Immutable and safe for any thread.</remarks>
/// <param name="Entries">All entries, in no order.</param>
/// <param name="Revision">The revision of etcd.</param>
public sealed record FleetSnapshot(ImmutableArray<FleetEntry> Entries, long Revision);
