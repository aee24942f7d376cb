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
/// is given up. <see cref="FilePortStore"/> lets go of its folder at the cancellation itself, so
/// nobody is told that the opening was given up before the store was told. That is waited for by
/// itself, and for long: it takes no medium, but a thread of the pool, which a busy host may not
/// have for more than a moment.
/// </remarks>
/// <param name="store">The store.</param>
/// <param name="cancellationToken">Its caller gives up.</param>
/// <param name="realTime">The clock by which it is waited; null is the system's.</param>
internal sealed class StoreOpening(IPortStore store, CancellationToken cancellationToken, TimeProvider? realTime = null) : IDisposable
{
    /// <summary>How long the call of a store that was cancelled is waited for.</summary>
    /// <remarks>Enough for one that heeds it.</remarks>
    private static readonly TimeSpan s_moment = TimeSpan.FromMilliseconds(250);

    /// <summary>How long the cancellation is waited for: what the store does in it should not wait,
    /// but the folder it gives back may be of a medium that hangs.</summary>
    private static readonly TimeSpan s_longest = TimeSpan.FromSeconds(10);

    private readonly CancellationTokenSource _limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
    private readonly TaskCompletionSource _isTold = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TimeProvider _realTime = realTime ?? TimeProvider.System;
    private Task _opening = Task.CompletedTask;

    /// <summary>Does what comes before an opening; if that throws, there is none, and a store is
    /// ended.</summary>
    public static async ValueTask<T> OrGiveUpAsync<T>(IPortStore? store, Func<T> before)
    {
        try
        {
            return before();
        }
        catch when (store is not null)
        {
            await new StoreOpening(store, CancellationToken.None).GiveUpAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Begins to open. Called once.</summary>
    public Task<OpenedStore> Begin(RunStart start, TimeSpan reuseDelay, SimulatedHost? host)
    {
        // The first registration is called last: then the store has been told, whoever cancelled.
        _limit.Token.UnsafeRegister(static isTold => ((TaskCompletionSource)isTold!).TrySetResult(), _isTold);
        Task<OpenedStore> opening = OpenedStore.OpenAsync(
            store, start, reuseDelay, process => process.IsAlive(host), _limit.Token);
        _opening = opening;
        return opening;
    }

    /// <summary>Whether an exception came out of the opening itself, and not of who waits for
    /// it.</summary>
    public bool HasThrown(Exception exception) => ReferenceEquals(_opening.Exception?.InnerException, exception);

    /// <summary>Ends the store, now or when it has ended what it does.</summary>
    /// <remarks>Never throws: why it could not be opened is what the caller has to know.</remarks>
    public async Task GiveUpAsync()
    {
        bool isUnderWay = !_opening.IsCompleted;
        Task ended = EndAsync();
        if (isUnderWay)
        {
            await _isTold.Task.WaitAsync(s_longest, _realTime).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            ended = ended.WaitAsync(s_moment, _realTime);
        }

        await ended.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);   // the moment may be over
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
