using System.Collections.Immutable;

namespace Portmap;

/// <summary>Everything the registry knows at one time.</summary>
/// <remarks>
/// Immutable and safe for any thread. Each entry was true at some moment of the call that made it.
/// </remarks>
/// <param name="Entries">
/// The entries, by protocol, port and epoch. They are Reserved, Bound, Recovered, Cooling or
/// Foreign; what is free is not listed.
/// </param>
/// <param name="Revision">
/// Where to go on from with <see cref="PortRegistry.WatchAsync"/>: no change after this snapshot is
/// missed then. A change that was made while it was taken may be told again.
/// </param>
public sealed record PortSnapshot(ImmutableArray<PortEntry> Entries, long Revision);
