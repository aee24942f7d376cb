namespace Portmap.Table;

/// <summary>Milliseconds since the registry began, monotonic; what <see cref="ClaimWord.At"/> counts in.</summary>
/// <param name="provider">The clock of the host.</param>
/// <param name="beganMs">What the count begins with: more than 0 where things that came about before the registry began have to be told.</param>
internal sealed class RegistryClock(TimeProvider provider, long beganMs = 0)
{
    // The system's clock is read in whole milliseconds, from what the kernel notes at each tick (4 ms behind at most): 4 ns instead of 30, twice in each
    // pair of acquire and release. Its timers count in the same milliseconds.
    private readonly bool _isSystem = ReferenceEquals(provider, TimeProvider.System);
    private readonly long _startMs = Environment.TickCount64;
    private readonly long _start = provider.GetTimestamp();
    private readonly DateTimeOffset _startUtc = provider.GetUtcNow();
    private readonly long _ticksPerMs = Math.Max(1, provider.TimestampFrequency / 1_000);

    private readonly long _beganMs = beganMs;
    private long _lastMs = beganMs;

    public TimeProvider Provider { get; } = provider;

    public long NowMs => _isSystem ? Environment.TickCount64 - _startMs + _beganMs : ReadProvider();

    public DateTimeOffset ToUtc(long ms) => _startUtc.AddMilliseconds(ms - _beganMs);

    public long ToMs(DateTimeOffset utc) => (long)(utc - _startUtc).TotalMilliseconds + _beganMs;

    /// <summary>A clock of the host's own that throws stands still: no operation may be left half done because of it.</summary>
    private long ReadProvider()
    {
        try
        {
            long now = ((Provider.GetTimestamp() - _start) / _ticksPerMs) + _beganMs;
            Volatile.Write(ref _lastMs, now);
            return now;
        }
        catch (Exception)
        {
            return Volatile.Read(ref _lastMs);
        }
    }
}
