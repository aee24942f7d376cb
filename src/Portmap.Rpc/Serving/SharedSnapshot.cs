namespace Portmap.Rpc.Serving;

/// <summary>
/// Snapshots of the registry for all that list: however many they are, taking them costs a tenth of
/// one processor at most.
/// </summary>
/// <remarks>
/// <para>A snapshot reads the whole map: 53 ms at 60,000 entries. So one is shared while nothing
/// has changed since, and those that come meanwhile share the next one, which is taken after a
/// pause of nine times what the last one took.</para>
/// <para>Who lists after a change of its own sees it: it is given a snapshot with the newest
/// revision, or one that is begun after it asked. What changes without a revision (a port that has
/// cooled) shows after the pause, 100 ms at least.</para>
/// Safe for any thread.
/// </remarks>
internal sealed class SharedSnapshot(PortRegistry registry, TimeProvider timeProvider)
{
    /// <summary>The pause after a snapshot, in parts of the time it took.</summary>
    private const int PauseParts = 9;

    private static readonly TimeSpan s_shortestShare = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan s_longestPause = TimeSpan.FromSeconds(2);

    private readonly Lock _gate = new();
    private readonly WeakReference<PortSnapshot?> _latest = new(null);   // megabytes, so it goes when nobody reads it any more
    private long _latestEnd;
    private TimeSpan _pause;
    private Task<PortSnapshot>? _running;   // has begun: too early for who comes now
    private Task<PortSnapshot>? _next;
    private int _taken;

    /// <summary>How many snapshots were taken.</summary>
    public int Taken => Volatile.Read(ref _taken);

    public async ValueTask<PortSnapshot> TakeAsync(CancellationToken cancellationToken)
    {
        long revision = await ChangePoll.RevisionAsync(registry).ConfigureAwait(false);
        Task<PortSnapshot> next;
        lock (_gate)
        {
            if (_latest.TryGetTarget(out PortSnapshot? latest) && latest.Revision >= revision
                && timeProvider.GetElapsedTime(_latestEnd) < (_pause > s_shortestShare ? _pause : s_shortestShare))
            {
                return latest;
            }

            next = _next ??= TakeNextAsync(_running ?? Task.CompletedTask);
        }

        return await next.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    private async Task<PortSnapshot> TakeNextAsync(Task before)
    {
        await Task.Yield();   // out of the lock
        await before.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        TimeSpan pause = Taken == 0 ? TimeSpan.Zero : _pause - timeProvider.GetElapsedTime(_latestEnd);
        if (pause > TimeSpan.Zero)
        {
            await Task.Delay(pause, timeProvider, CancellationToken.None).ConfigureAwait(false);
        }

        lock (_gate)
        {
            (_running, _next) = (_next, null);
        }

        long begin = timeProvider.GetTimestamp();
        try
        {
            PortSnapshot listing = registry.Snapshot();
            lock (_gate)
            {
                Interlocked.Increment(ref _taken);
                _latest.SetTarget(listing);
                _latestEnd = timeProvider.GetTimestamp();
                TimeSpan parts = PauseParts * timeProvider.GetElapsedTime(begin, _latestEnd);
                _pause = parts < s_longestPause ? parts : s_longestPause;
            }

            return listing;
        }
        finally
        {
            lock (_gate)
            {
                _running = null;   // it holds the snapshot
            }
        }
    }
}
