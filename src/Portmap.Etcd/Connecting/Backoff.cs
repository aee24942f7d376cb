namespace Portmap.Etcd.Connecting;

/// <summary>How long to wait before the next attempt: 50 ms at first, twice as long each time up to
/// 1 s, and by chance up to half of it less, so that the hosts of a fleet do not all come at
/// once.</summary>
/// <remarks>For one loop.</remarks>
internal sealed class Backoff(TimeProvider time)
{
    private const int FirstMs = 50;
    private const int MostMs = 1_000;

    private readonly Random _random = new();
    private int _nextMs = FirstMs;

    public void Reset() => _nextMs = FirstMs;

    public Task WaitAsync(CancellationToken cancellationToken)
    {
        int waitMs = _nextMs - _random.Next(_nextMs / 2);
        _nextMs = Math.Min(MostMs, 2 * _nextMs);
        return Task.Delay(TimeSpan.FromMilliseconds(waitMs), time, cancellationToken);
    }
}
