namespace Portmap.Table;

/// <summary>Milliseconds since the registry began, monotonic; what <see cref="ClaimWord.At"/> counts in.</summary>
internal sealed class RegistryClock(TimeProvider provider)
{
    private readonly long _start = provider.GetTimestamp();
    private readonly DateTimeOffset _startUtc = provider.GetUtcNow();
    private readonly long _ticksPerMs = Math.Max(1, provider.TimestampFrequency / 1_000);

    public TimeProvider Provider { get; } = provider;

    public long NowMs => (Provider.GetTimestamp() - _start) / _ticksPerMs;

    public DateTimeOffset ToUtc(long ms) => _startUtc.AddMilliseconds(ms);
}
