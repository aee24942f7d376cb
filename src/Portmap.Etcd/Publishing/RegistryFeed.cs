namespace Portmap.Etcd.Publishing;

/// <summary>What the publisher asks of the registry: which owners are served now, and whose state changed.</summary>
/// <remarks>The one place that knows how the registry tells its changes.</remarks>
internal sealed class RegistryFeed(PortRegistry registry)
{
    /// <summary>All owners that lookups answer with now.</summary>
    public IEnumerable<OwnerKey> Served() =>
        registry.Snapshot(out _).Where(entry => entry.State == PortState.Bound).Select(entry => new OwnerKey(entry.Owner, entry.Protocol));

    public bool TryGetServed(OwnerKey owner, out PortEntry entry) =>
        registry.TryGetEntry(owner.Owner, out entry, owner.Protocol) && entry.State == PortState.Bound;

    /// <summary>Marks what changes from now on, until it is cancelled or the registry is disposed.</summary>
    public async Task RunAsync(DirtySet dirty, CancellationToken cancellationToken)
    {
        while (true)
        {
            IAsyncEnumerable<PortChange> changes = registry.Watch(out _, cancellationToken);
            dirty.AddEverything();   // after the watch began: nothing falls between the two
            try
            {
                await foreach (PortChange change in changes.ConfigureAwait(false))
                {
                    if (change.Entry.Owner.Length != 0)
                    {
                        dirty.Add(new OwnerKey(change.Entry.Owner, change.Entry.Protocol));
                    }
                }

                return;
            }
            catch (PortRefusedException exception) when (exception.Refusal.Reason == PortRefusalReason.RevisionTooOld)
            {
                // Too slow for the registry's ring: begin again with everything.
            }
        }
    }
}
