namespace Portmap.Table;

/// <summary>Milliseconds since the registry began, never negative and never less than before; what
/// <see cref="ClaimWord.At"/> counts in.</summary>
/// <param name="provider">The clock of the host.</param>
/// <param name="beganMs">What the count begins with: more than 0 where things that came about
/// before the registry began have to be told.</param>
internal sealed class RegistryClock(TimeProvider provider, long beganMs = 0)
{
    // The system's clock is read in whole milliseconds, from what the kernel notes at each tick (4
    // ms behind at most): 4 ns instead of 30, twice in each pair of acquire and release. Its timers
    // count in the same milliseconds.
    private readonly bool _isSystem = ReferenceEquals(provider, TimeProvider.System);
    private readonly long _startMs = Environment.TickCount64;
    private readonly long _start = provider.GetTimestamp();
    private readonly DateTimeOffset _startUtc = provider.GetUtcNow();
    private readonly long _ticksPerMs = Math.Max(1, provider.TimestampFrequency / 1_000);

    private readonly long _beganMs = Math.Max(0, beganMs);
    private long _lastMs = Math.Max(0, beganMs);

    public TimeProvider Provider { get; } = provider;

    public long NowMs => _isSystem ? Environment.TickCount64 - _startMs + _beganMs : ReadProvider();

    public DateTimeOffset ToUtc(long ms) => new(ToUtcTicks(ms), TimeSpan.Zero);

    /// <summary>As <see cref="ToUtc"/>, in <see cref="DateTimeOffset.UtcTicks"/>.</summary>
    public long ToUtcTicks(long ms) => _startUtc.UtcTicks + ((ms - _beganMs) * TimeSpan.TicksPerMillisecond);

    /// <summary>When something came about; what the wall clock puts before the count began, or
    /// after now because it was set back since, is at its end.</summary>
    public long ToMs(DateTimeOffset utc) => Math.Clamp((long)(utc - _startUtc).TotalMilliseconds + _beganMs, 0, NowMs);

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
