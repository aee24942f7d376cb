namespace Portmap.Etcd.Leasing;

/// <summary>Until when a lease is held for sure, and how old a map is, by two clocks.</summary>
/// <remarks>Etcd counts from when it hears of it, which is later than when it was asked. A tenth is
/// taken off for clocks that run at different speeds. The timestamps go on while a machine is
/// suspended (<see cref="BootTime"/>); those of a virtual machine that was stopped from outside do
/// not, and the wall clock is set right then: over is over by either.</remarks>
internal sealed class Lifetime
{
    private const int MarginPart = 10;

    private readonly TimeProvider _time;
    private readonly long _timestamp;
    private readonly DateTimeOffset _wall;
    private readonly TimeSpan _held;

    private Lifetime(TimeProvider time, long timestamp, DateTimeOffset wall, TimeSpan held)
    {
        _time = time;
        _timestamp = timestamp;
        _wall = wall;
        _held = held;
    }

    /// <summary>How long it is still held; zero or less when it is over.</summary>
    public TimeSpan Left => _held - Age;

    /// <summary>How long ago it began, by the clock that says more.</summary>
    public TimeSpan Age
    {
        get
        {
            TimeSpan passed = _time.GetElapsedTime(_timestamp), byWall = _time.GetUtcNow() - _wall;
            return passed > byWall ? passed : byWall;
        }
    }

    /// <summary>A lifetime that begins now: taken before etcd is asked.</summary>
    public static Lifetime Begin(TimeProvider time) => new(time, time.GetTimestamp(), time.GetUtcNow(), TimeSpan.Zero);

    /// <summary>The same beginning, for as long as etcd said.</summary>
    public Lifetime For(TimeSpan ttl) => new(_time, _timestamp, _wall, ttl - (ttl / MarginPart));
}
