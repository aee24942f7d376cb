namespace Portmap.Interleaving.Tests.Histories;

/// <summary>A store for threads that take turns: it writes only while the thread whose turn it is
/// waits for it, and all others are suspended. So a schedule says what is on disk when.</summary>
/// <param name="failing">Which batch fails, the first is 1; or 0. Of an even one the facts are there
/// all the same.</param>
internal sealed class SteppedStore(int failing) : IPlayedStore
{
    private readonly FakePortStore _store = new();
    private TaskCompletionSource _open = Opened();
    private int _batches;
    private bool _hasBegun, _isHealed;

    public void Begin()
    {
        _hasBegun = true;
        Close();
    }

    public void Heal()
    {
        Volatile.Write(ref _isHealed, true);
        Open();
    }

    /// <summary>Called by who waits for it from here on.</summary>
    public void Open() => Volatile.Read(ref _open).TrySetResult();

    /// <summary>Called by who waits no more.</summary>
    public void Close()
    {
        if (!Volatile.Read(ref _isHealed))
        {
            Volatile.Write(ref _open, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        }
    }

    public ValueTask LoadAsync(Action<PortFact> onFact, Action<string> onUnreadable, CancellationToken cancellationToken) =>
        _store.LoadAsync(onFact, onUnreadable, cancellationToken);

    public async ValueTask AppendAsync(IReadOnlyList<PortFact> batch, CancellationToken cancellationToken)
    {
        await Volatile.Read(ref _open).Task;
        int number = _hasBegun ? ++_batches : 0;
        bool isFailing = number != 0 && number == failing && !Volatile.Read(ref _isHealed);
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

    private static TaskCompletionSource Opened()
    {
        TaskCompletionSource opened = new();
        opened.SetResult();
        return opened;
    }
}
