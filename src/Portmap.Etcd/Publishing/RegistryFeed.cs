namespace Portmap.Etcd.Publishing;

/// <summary>What the publisher asks of the registry: which owners are served now, and whose state
/// changed.</summary>
/// <remarks>The one place that knows how the registry tells its changes.</remarks>
internal sealed class RegistryFeed(PortRegistry registry)
{
    /// <summary>All owners that lookups answer with now.</summary>
    public IEnumerable<OwnerKey> Served() =>
        registry.Snapshot().Entries.Where(entry => entry.State == PortState.Bound).Select(entry => new OwnerKey(entry.Owner, entry.Protocol));

    public bool TryGetServed(OwnerKey owner, out PortEntry entry) =>
        registry.TryGetEntry(owner.Owner, out entry, owner.Protocol) && entry.State == PortState.Bound;

    /// <summary>Marks what changes from now on, until it is cancelled or the registry is
    /// disposed.</summary>
    public async Task RunAsync(DirtySet dirty, CancellationToken cancellationToken)
    {
        await foreach (PortUpdate update in registry.WatchAsync(snapshots: false, cancellationToken: cancellationToken).ConfigureAwait(false))
        {
            if (update.Changes.IsEmpty)
            {
                dirty.AddEverything();   // it begins, or was too slow: anything may have changed
            }

            foreach (PortChange change in update.Changes)
            {
                if (change.Entry.Owner.Length != 0)
                {
                    dirty.Add(new OwnerKey(change.Entry.Owner, change.Entry.Protocol));
                }
            }
        }
    }
}
