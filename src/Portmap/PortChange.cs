namespace Portmap;

/// <summary>One change of the map, as <see cref="PortRegistry.WatchAsync"/> reports it.</summary>
/// <remarks>
/// <para>Changes are enough to keep a mirror of what is Reserved, Bound or Recovered, begun with a
/// <see cref="PortRegistry.Snapshot"/>: keep one entry for each claim, that is for each
/// (<see cref="PortEntry.Protocol"/>, <see cref="PortEntry.Owner"/>,
/// <see cref="PortEntry.Epoch"/>). <see cref="PortChangeKind.Acquired"/>,
/// <see cref="PortChangeKind.Registered"/> and <see cref="PortChangeKind.GuaranteeChanged"/> set
/// it, <see cref="PortChangeKind.FoundForeign"/> is about a port and no claim, and every other kind
/// removes it. Of the entries of one owner lookups answer with the Bound one of the highest epoch,
/// else with the Reserved one.</para>
/// <para>Changes of one claim come in their order; an end that was faster than what it ends comes
/// alone. Those of different claims that race may come in either order, which makes no difference
/// to the mirror. When a port has cooled, or is looked at again, is not told:
/// <see cref="PortEntry.Since"/> says it.</para>
/// </remarks>
/// <param name="Revision">The place of this change in the order of all; rises by one.</param>
/// <param name="Kind">What happened.</param>
/// <param name="Entry">The entry after it: Reserved, Bound, Cooling or Foreign.</param>
public readonly record struct PortChange(long Revision, PortChangeKind Kind, PortEntry Entry);
