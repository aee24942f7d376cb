namespace Portmap.Table;

/// <summary>Milliseconds since the registry began, never negative and never less than before; what
/// <see cref="ClaimWord.At"/> counts in.</summary>
/// <remarks>The wall clock may be set while the registry runs, or go on while the host sleeps and
/// the count stands. Each pass looks (<see cref="FollowWallClock"/>), so times are told by the wall
/// clock as it is now.</remarks>
/// <param name="provider">The clock of the host.</param>
/// <param name="beganMs">What the count begins with: more than 0 where things that came about
/// before the registry began have to be told.</param>
internal sealed class RegistryClock(TimeProvider provider, long beganMs = 0)
{
    /// <summary>What the wall clock may differ by and not count as set: the two are not read at one
    /// moment.</summary>
    private const int SlackMs = 1_000;

    // The system's clock is read in whole milliseconds, from what the kernel notes at each tick (4
    // ms behind at most): 4 ns instead of 30, twice in each pair of acquire and release. Its timers
    // count in the same milliseconds.
    private readonly bool _isSystem = ReferenceEquals(provider, TimeProvider.System);
    private readonly long _startMs = Environment.TickCount64;
    private readonly long _start = provider.GetTimestamp();
    private readonly long _ticksPerMs = Math.Max(1, provider.TimestampFrequency / 1_000);

    private readonly long _beganMs = Math.Max(0, beganMs);
    private long _lastMs = Math.Max(0, beganMs);

    // What the wall clock said, or would have said, when the count was 0: as the last pass found it,
    // and the latest of those before that. In DateTimeOffset.UtcTicks.
    private long _zero = provider.GetUtcNow().UtcTicks - (Math.Max(0, beganMs) * TimeSpan.TicksPerMillisecond);
    private long _latestZero;

    public TimeProvider Provider { get; } = provider;

    public long NowMs => _isSystem ? Environment.TickCount64 - _startMs + _beganMs : ReadProvider();

    public DateTimeOffset ToUtc(long ms) => new(ToUtcTicks(ms), TimeSpan.Zero);

    /// <summary>As <see cref="ToUtc"/>, in <see cref="DateTimeOffset.UtcTicks"/>.</summary>
    public long ToUtcTicks(long ms) => Volatile.Read(ref _zero) + (ms * TimeSpan.TicksPerMillisecond);

    /// <summary>As <see cref="ToUtc"/>, by the latest that the wall clock has been: later than what
    /// was told before, also when it was set back meanwhile.</summary>
    public DateTimeOffset ToLatestUtc(long ms)
    {
        long zero = Volatile.Read(ref _zero);   // first: the one that it took the place of is among the earlier ones
        return new(Math.Max(zero, Volatile.Read(ref _latestZero)) + (ms * TimeSpan.TicksPerMillisecond), TimeSpan.Zero);
    }

    /// <summary>When something came about; what the wall clock puts before the count began, or
    /// after now because it was set back since, is at its end.</summary>
    public long ToMs(DateTimeOffset utc) => Math.Clamp((utc.UtcTicks - Volatile.Read(ref _zero)) / TimeSpan.TicksPerMillisecond, 0, NowMs);

    /// <summary>Has times told by the wall clock as it is now; for each pass.</summary>
    /// <returns>Whether it was set ahead, so that what was told before is too early.</returns>
    public bool FollowWallClock()
    {
        long now = NowMs, zero = Volatile.Read(ref _zero), seen;
        try
        {
            seen = Provider.GetUtcNow().UtcTicks - (now * TimeSpan.TicksPerMillisecond);
        }
        catch (Exception)
        {
            return false;   // the host's clock failed
        }

        if (Math.Abs(seen - zero) <= SlackMs * TimeSpan.TicksPerMillisecond || NowMs - now > SlackMs / 2)
        {
            return false;   // it is right, or our thread stood between the two looks: the next pass looks again
        }

        for (long latest = Volatile.Read(ref _latestZero); zero > latest; latest = Volatile.Read(ref _latestZero))
        {
            Interlocked.CompareExchange(ref _latestZero, zero, latest);   // only ever raises it
        }

        Volatile.Write(ref _zero, seen);
        return seen > zero;
    }

    /// <summary>A clock of the host's own that goes back, or throws, stands still for us: ages are
    /// never negative, no time is before the count began, and no operation is left half
    /// done.</summary>
    private long ReadProvider()
    {
        long now;
        try
        {
            now = ((Provider.GetTimestamp() - _start) / _ticksPerMs) + _beganMs;
        }
        catch (Exception)
        {
            return Volatile.Read(ref _lastMs);
        }

        for (long last = Volatile.Read(ref _lastMs); now > last; last = Volatile.Read(ref _lastMs))
        {
            if (Interlocked.CompareExchange(ref _lastMs, now, last) == last)   // only ever raises it
            {
                return now;
            }
        }

        return Volatile.Read(ref _lastMs);
    }
}
