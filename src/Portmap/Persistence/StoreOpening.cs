namespace Portmap.Persistence;

/// <summary>
/// One opening of a store, which may be given up: the store then ends as soon as it has ended what
/// it does.
/// </summary>
/// <remarks>
/// <code>
///   Begin ──► Load ──► append what has ended ──► opened
///                └──────────┴── GiveUp: cancelled ──► the call under way ends ──► the store is disposed
/// </code>
/// A store need not bear two calls at a time, so it is never disposed while it loads or appends.
/// Whoever gives up waits for that only a moment: the medium may hang, and that is why the opening
/// is given up. <see cref="FilePortStore"/> lets go of its folder at the cancellation itself.
/// </remarks>
internal sealed class StoreOpening(IPortStore store, CancellationToken cancellationToken) : IDisposable
{
    /// <summary>How long a store that was cancelled is waited for, by the real clock.</summary>
    /// <remarks>Enough for one that heeds it.</remarks>
    private static readonly TimeSpan s_moment = TimeSpan.FromMilliseconds(250);

    private readonly CancellationTokenSource _limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
    private Task _opening = Task.CompletedTask;

    /// <summary>Begins to open. Called once.</summary>
    public Task<OpenedStore> Begin(RunStart start, TimeSpan reuseDelay, SimulatedHost? host)
    {
        Task<OpenedStore> opening = OpenedStore.OpenAsync(
            store, start, reuseDelay, process => process.IsAlive(host), _limit.Token);
        _opening = opening;
        return opening;
    }

    /// <summary>Ends the store, now or when it has ended what it does.</summary>
    /// <remarks>Never throws: why it could not be opened is what the caller has to know.</remarks>
    public async Task GiveUpAsync()
    {
        bool isUnderWay = !_opening.IsCompleted;
        Task ended = EndAsync();
        Task waited = isUnderWay ? ended.WaitAsync(s_moment, TimeProvider.System) : ended;
        await waited.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);   // the moment may be over
    }

    /// <summary>The opening is over, and the store belongs to the registry.</summary>
    public void Dispose() => _limit.Dispose();

    private async Task EndAsync()
    {
        await _limit.CancelAsync().ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);   // a callback of the store's may throw
        await _opening.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _limit.Dispose();
        try
        {
            await store.DisposeAsync().ConfigureAwait(false);
        }
        catch (Exception)
        {
            // Nobody waits for it any more, and why it could not be opened is told.
        }
    }
}
