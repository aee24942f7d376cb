namespace Portmap.Etcd.Tests.Support;

/// <summary>The system's clock, whose wall clock somebody sets.</summary>
internal sealed class WallClock : TimeProvider
{
    private long _aheadTicks;

    public TimeSpan Ahead
    {
        get => new(Volatile.Read(ref _aheadTicks));
        set => Volatile.Write(ref _aheadTicks, value.Ticks);
    }

    public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + Ahead;
}
