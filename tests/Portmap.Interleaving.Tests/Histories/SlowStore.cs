using Portmap.Persistence;

namespace Portmap.Interleaving.Tests.Histories;

/// <summary>A store in memory that is still writing while others call: each batch takes a few turns
/// of the thread pool, a different number each time.</summary>
internal sealed class SlowStore : IPortStore
{
    private readonly FakePortStore _store = new();
    private int _batches;

    public ValueTask LoadAsync(Action<PortFact> onFact, Action<string> onUnreadable, CancellationToken cancellationToken) =>
        _store.LoadAsync(onFact, onUnreadable, cancellationToken);

    public async ValueTask AppendAsync(IReadOnlyList<PortFact> batch, CancellationToken cancellationToken)
    {
        for (int turns = _batches++ % 4; turns > 0; turns--)
        {
            await Task.Yield();
        }

        await _store.AppendAsync(batch, cancellationToken);
    }

    public ValueTask DisposeAsync() => _store.DisposeAsync();
}
