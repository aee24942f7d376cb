namespace Portmap.Tests.Support;

/// <summary>Reads changes one by one, each within the deadline.</summary>
internal sealed class WatchReader : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = Deadline.Source();
    private readonly IAsyncEnumerator<PortChange> _changes;

    private WatchReader(PortRegistry registry, long afterRevision) =>
        _changes = registry.ChangesAsync(afterRevision, _stop.Token).GetAsyncEnumerator(CancellationToken.None);

    /// <summary>Reads what changes from now on; nothing is missed between this call and the first
    /// read.</summary>
    public static WatchReader FromNow(PortRegistry registry)
    {
        long revision = registry.Snapshot().Revision;
        return new WatchReader(registry, revision);
    }

    public static WatchReader After(PortRegistry registry, long revision) => new(registry, revision);

    public async Task<PortChange> NextAsync()
    {
        (await _changes.MoveNextAsync().Within()).Should().BeTrue("the map goes on changing");
        return _changes.Current;
    }

    /// <summary>Reads on until a change of this kind.</summary>
    public async Task<PortChange> NextAsync(PortChangeKind kind)
    {
        while (true)
        {
            PortChange change = await NextAsync();
            if (change.Kind == kind)
            {
                return change;
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _changes.DisposeAsync();
        _stop.Dispose();
    }
}
