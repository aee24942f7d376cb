namespace Portmap.Interleaving.Tests.Histories;

/// <summary>A store in memory that is still writing while others call: each batch takes a few turns
/// of the thread pool, a different number each time. It may fail for each third batch, of which
/// every second is there all the same.</summary>
internal sealed class SlowStore(bool fails) : IPlayedStore
{
    private readonly FakePortStore _store = new();
    private volatile bool _fails;
    private int _batches;

    public void Begin() => _fails = fails;

    public void Heal() => _fails = false;

    public ValueTask LoadAsync(Action<PortFact> onFact, Action<string> onUnreadable, CancellationToken cancellationToken) =>
        _store.LoadAsync(onFact, onUnreadable, cancellationToken);

    public async ValueTask AppendAsync(IReadOnlyList<PortFact> batch, CancellationToken cancellationToken)
    {
        int number = _batches++;
        for (int turns = number % 4; turns > 0; turns--)
        {
            await Task.Yield();
        }

        bool isFailing = _fails && number % 3 == 1;
        if (!isFailing || number % 2 == 0)
        {
            await _store.AppendAsync(batch, cancellationToken);
        }

        if (isFailing)
        {
            throw new IOException("No space left on device");
        }
    }

    public ValueTask DisposeAsync() => _store.DisposeAsync();
}
