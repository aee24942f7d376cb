namespace Portmap;

/// <summary>One change of the map, as <see cref="PortRegistry.Watch(long, CancellationToken)"/> reports it.</summary>
/// <remarks>Changes of one owner that race with each other may be reported in either order. Who mirrors the map keeps for each owner the change
/// with the highest <see cref="PortEntry.Epoch"/>, and of one epoch the ending one: epochs are the order.</remarks>
/// <param name="Revision">The place of this change in the order of all; rises by one.</param>
/// <param name="Kind">What happened.</param>
/// <param name="Entry">The entry after it: Reserved, Bound, Cooling or Foreign.</param>
public readonly record struct PortChange(long Revision, PortChangeKind Kind, PortEntry Entry);
