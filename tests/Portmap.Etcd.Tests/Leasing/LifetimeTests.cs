using Portmap.Etcd.Leasing;

namespace Portmap.Etcd.Tests.Leasing;

/// <summary>Until when a lease is held for sure: over is over by either clock.</summary>
public class LifetimeTests
{
    private static readonly TimeSpan s_ttl = TimeSpan.FromSeconds(10), s_held = TimeSpan.FromSeconds(9);

    [Theory]
    [InlineData(0, 0, 9)]
    [InlineData(4, 4, 5)]
    [InlineData(20, 0, -11)]   // suspended: timestamps went on, the wall clock is not set yet
    [InlineData(0, 20, -11)]   // a virtual machine was stopped: only the wall clock knows
    [InlineData(4, -3_600, 5)] // the wall clock was set back
    public void Left_AfterBothClocksWentOn_IsThatOfTheFaster(int seconds, int wallSeconds, int left)
    {
        Clocks clocks = new();
        Lifetime lifetime = Lifetime.Begin(clocks).For(s_ttl);
        lifetime.Left.Should().Be(s_held, "a tenth is taken off");

        clocks.Boot += TimeSpan.FromSeconds(seconds);
        clocks.Wall += TimeSpan.FromSeconds(wallSeconds);

        lifetime.Left.Should().Be(TimeSpan.FromSeconds(left));
    }

    [Fact]
    public void BootTime_SystemsClock_GoesOnWhileTheMachineIsSuspended()
    {
        TimeProvider boot = BootTime.Of(TimeProvider.System);
        string uptime = File.ReadAllText("/proc/uptime").Split(' ')[0];   // CLOCK_BOOTTIME, in hundredths

        double seconds = (double)boot.GetTimestamp() / boot.TimestampFrequency;

        seconds.Should().BeGreaterThanOrEqualTo(double.Parse(uptime, System.Globalization.CultureInfo.InvariantCulture));
        boot.GetElapsedTime(boot.GetTimestamp()).Should().BeGreaterThanOrEqualTo(TimeSpan.Zero);
        BootTime.Of(new Clocks()).Should().BeOfType<Clocks>("a clock of the host's own is left as it is");
    }

    private sealed class Clocks : TimeProvider
    {
        public TimeSpan Boot { get; set; }

        public DateTimeOffset Wall { get; set; } = DateTimeOffset.UnixEpoch;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => Boot.Ticks;

        public override DateTimeOffset GetUtcNow() => Wall;
    }
}
