using Portmap.Table;
using Portmap.Tests.Persistence;
using Portmap.Tests.Support;

namespace Portmap.Tests;

/// <summary>Clocks that are set back, set ahead or far off: nothing lives longer for it, and
/// nothing throws.</summary>
public class ClockTests
{
    [Theory]
    [InlineData(-1)]
    [InlineData(-36_000)]
    [InlineData(-400_000_000)]
    public async Task OpenAsync_WallClockSetBack_ALeaseLivesNoLongerThanLeaseTimeout(int seconds)
    {
        await using StoreScene scene = await StoreScene.OpenAsync();
        PortLease lease = await scene.AcquireAsync("a");
        PortLease own = await scene.AcquireAsync(new PortRequest("own") { Strategy = PortRegistryOptions.ProcessBinds });
        await scene.RegisterAsync("b", 20_009);
        await scene.Here.ReleaseAsync("b").Within();
        FakeTimeProvider back = new(scene.Clock.GetUtcNow().AddSeconds(seconds));
        await using PortRegistry registry = await PortRegistry.OpenOnAsync(scene.Options, scene.Store.AfterKill(), scene.BootId, null, back, CancellationToken.None).Within();
        registry.TryGetEntry("a", out _).Should().BeTrue();
        registry.TryGetEntry(20_009, out PortEntry cooling).Should().BeTrue();
        cooling.Since.Should().BeOnOrBefore(back.GetUtcNow());

        back.Advance(TimeSpan.FromSeconds(80));   // LeaseTimeout, and the pass after it

        registry.TryGetEntry("a", out _).Should().BeFalse();
        registry.TryGetEntry("own", out _).Should().BeFalse();
        registry.TryGetEntry(20_009, out _).Should().BeFalse("its time is over as well");
        lease.Port.Should().NotBe(own.Port);
    }

    [Theory]
    [InlineData(PortState.Reserved)]
    [InlineData(PortState.Bound)]
    [InlineData(PortState.Cooling)]
    public async Task OpenAsync_FactsOfImpossibleTimes_AreTakenAsFarAsTheyGo(PortState state)
    {
        foreach (DateTimeOffset time in (DateTimeOffset[])[DateTimeOffset.MinValue, DateTimeOffset.UnixEpoch, DateTimeOffset.MaxValue])
        {
            await using StoreScene scene = await StoreScene.OpenAsync();
            long start = global::Portmap.Processes.ProcessIdentity.Of(Environment.ProcessId, out _).StartTime;
            await scene.Store.AppendAsync(
                [new PortFact { Owner = "a", Port = 20_003, Epoch = 1, State = state, ProcessId = Environment.ProcessId, ProcessStart = start, BootId = scene.BootId, At = time, Until = time }],
                CancellationToken.None);
            await scene.KillAndOpenAsync();

            foreach (PortEntry entry in scene.Registry.Snapshot().Entries)
            {
                entry.Since.Should().BeOnOrBefore(scene.Clock.GetUtcNow());
            }

            await scene.AcquireAsync("b");
            scene.Clock.Advance(TimeSpan.FromHours(1));
            await scene.AcquireAsync("c");
        }
    }

    [Fact]
    public async Task OpenAsync_EntryOfAnUnknownProcess_HasTheGraceOfABrokenConnection()
    {
        await using StoreScene scene = await StoreScene.OpenAsync();
        await scene.RegisterAsync("a", 20_003, session: scene.Registry.OpenSession(null));
        await scene.RegisterAsync("b", 20_004, session: scene.Registry.OpenSession(null));
        await scene.KillAndOpenAsync();
        scene.Clock.Advance(TimeSpan.FromSeconds(9));
        scene.StateOf(20_003).Should().Be(PortState.Recovered);
        PortEntry back = await scene.RegisterAsync("b", 20_004, session: scene.Registry.OpenSession(null));

        scene.Clock.Advance(TimeSpan.FromSeconds(2));

        scene.StateOf(20_003).Should().Be(PortState.Cooling, "its owner did not come back within DisconnectGrace");
        scene.StateOf(20_004).Should().Be(PortState.Bound);
        back.State.Should().Be(PortState.Bound);
        await scene.RegisterAsync("c", 20_003);
    }

    [Theory]
    [InlineData("AllocatorPicks")]
    [InlineData("ProcessBinds")]
    public void TryAcquire_TimestampGoesBack_NothingThrowsAndTimeStandsStill(string strategy)
    {
        WaywardClock clock = new();
        using PortRegistry registry = new(new PortRegistryOptions { Ports = Scene.TenPorts, Strategy = strategy, Probe = false }, null, clock);
        PortSession here = registry.OpenSession(Environment.ProcessId);
        foreach (long ms in (long[])[0, 100_000, 50_000, -1, -100_000, -10_000_000, long.MinValue / 4, 200_000])
        {
            clock.Ms = ms;
            registry.TryAcquire("a", out PortLease? lease, out PortRefusal? refusal).Should().BeTrue("at {0}: {1}", ms, refusal?.Message);
            here.Register("a", lease!.Port == 0 ? 20_003 : lease.Port, lease.Epoch);
            registry.Maintain();
            here.Release("a");
            registry.Snapshot();
            registry.AssertInvariants();
        }
    }

    [Fact]
    public void NowMs_AnyTimestamps_NeverFallsAndIsNeverNegative()
    {
        WaywardClock clock = new();
        RegistryClock time = new(clock, beganMs: -5);
        long last = 0;
        Random random = new(7);
        for (int i = 0; i < 1_000; i++)
        {
            clock.Ms = random.NextInt64(-1_000_000, 1_000_000);
            time.NowMs.Should().BeGreaterThanOrEqualTo(last);
            last = time.NowMs;
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(1969)]
    [InlineData(1970)]
    [InlineData(2249)]
    [InlineData(9999)]
    public async Task Epoch_WallClockFarOff_IsPositiveAndRises(int year)
    {
        FakeTimeProvider clock = new(new DateTimeOffset(year, 1, 1, 0, 0, 0, TimeSpan.Zero));
        PortRegistryOptions options = new() { Ports = Scene.TenPorts, Probe = false };
        await using PortRegistry registry = await PortRegistry.OpenAsync(options, new FakePortStore(), timeProvider: clock).Within();
        PortLease lease = await registry.AcquireAsync("a").AsTask().Within();

        lease.Epoch.Should().BePositive().And.BeLessThan(long.MaxValue / 4 * 3, "later runs begin above it");
        (await registry.OpenSession(Environment.ProcessId).RegisterAsync(new PortClaimRequest("a", 20_000) { Epoch = lease.Epoch }).AsTask().Within()).Epoch.Should().Be(lease.Epoch);
        registry.Snapshot().Entries.Should().ContainSingle();
    }

    [Theory]
    [InlineData(3_600, PortProtocol.Tcp)]
    [InlineData(3_600, PortProtocol.TcpAndUdp)]
    [InlineData(-3_600, PortProtocol.Tcp)]
    [InlineData(-3_600, PortProtocol.TcpAndUdp)]
    public async Task Pass_WallClockWasSet_TimesAreThoseOfTheClockAndOutliveARestart(int seconds, PortProtocol protocol)
    {
        FakePortStore store = new();
        SteppedClock clock = new();
        await using PortRegistry registry = await OpenAsync(store, clock);
        PortLease before = await registry.AcquireAsync(new PortRequest("before") { Protocol = protocol }).AsTask().Within();
        clock.Step = TimeSpan.FromSeconds(seconds);
        clock.Advance(TimeSpan.FromSeconds(1));
        PortLease after = await registry.AcquireAsync(new PortRequest("after") { Protocol = protocol }).AsTask().Within();

        foreach (PortLease lease in (PortLease[])[before, after])
        {
            (lease.ExpiresAt - clock.GetUtcNow()).Should().BeCloseTo(new PortRegistryOptions().LeaseTimeout, TimeSpan.FromSeconds(1));
            registry.TryGetEntry(lease.Port, out PortEntry entry).Should().BeTrue();
            entry.Since.Should().BeCloseTo(clock.GetUtcNow(), TimeSpan.FromSeconds(1));
        }

        await registry.FlushAsync().Within();
        await using PortRegistry next = await OpenAsync(store.AfterKill(), clock);
        PortProtocol[] halves = protocol == PortProtocol.TcpAndUdp ? [PortProtocol.Tcp, PortProtocol.Udp] : [protocol];
        foreach (PortLease lease in (PortLease[])[before, after])
        {
            halves.All(half => next.TryGetEntry(lease.Owner, out _, half)).Should().BeTrue("{0} has its time still", lease.Owner);
        }

        clock.Advance(TimeSpan.FromSeconds(80));   // LeaseTimeout, and the pass after it
        next.TryGetEntry("before", out _).Should().BeFalse();
        next.TryGetEntry("after", out _).Should().BeFalse();
    }

    [Theory]
    [InlineData(PortProtocol.Tcp)]
    [InlineData(PortProtocol.Udp)]
    public async Task Pass_WallClockWasSetAheadAndHalfOfALeaseIsUsed_TheOtherHalfOutlivesARestart(PortProtocol used)
    {
        FakePortStore store = new();
        SteppedClock clock = new();
        await using PortRegistry registry = await OpenAsync(store, clock);
        PortLease lease = await registry.AcquireAsync(new PortRequest("a") { Protocol = PortProtocol.TcpAndUdp }).AsTask().Within();
        await registry.OpenSession(Environment.ProcessId).RegisterAsync(new PortClaimRequest("a", lease.Port) { Epoch = lease.Epoch, Protocol = used }).AsTask().Within();
        clock.Step = TimeSpan.FromHours(1);
        clock.Advance(TimeSpan.FromSeconds(1));

        await registry.FlushAsync().Within();
        await using PortRegistry next = await OpenAsync(store.AfterKill(), clock);

        next.TryGetEntry(lease.Port, out PortEntry entry, used == PortProtocol.Tcp ? PortProtocol.Udp : PortProtocol.Tcp).Should().BeTrue();
        entry.State.Should().Be(PortState.Reserved, "it has its time still");
    }

    [Theory]
    [InlineData(-36_000, -36_000)]
    [InlineData(36_000, 0)]
    [InlineData(-36_000, 0)]
    [InlineData(36_000, -36_000)]
    public async Task ExtendAsync_WallClockWasSetInTheRun_IsThereAfterTheNextAndLivesNoLonger(int first, int second)
    {
        FakePortStore store = new();
        SteppedClock clock = new();
        await using PortRegistry registry = await OpenAsync(store, clock);
        PortLease lease = await registry.AcquireAsync("a").AsTask().Within();
        foreach (int seconds in (int[])[first, second])
        {
            clock.Step = TimeSpan.FromSeconds(seconds);
            clock.Advance(TimeSpan.FromSeconds(1));
        }

        await lease.ExtendAsync(TimeSpan.FromMinutes(10)).AsTask().Within();
        clock.Advance(TimeSpan.FromMinutes(1));
        await using PortRegistry next = await OpenAsync(store.AfterKill(), clock);

        clock.Advance(TimeSpan.FromMinutes(8));
        next.TryGetEntry("a", out _).Should().BeTrue("it was given ten minutes");

        clock.Advance(TimeSpan.FromMinutes(3));
        next.TryGetEntry("a", out _).Should().BeFalse();
    }

    private static Task<PortRegistry> OpenAsync(FakePortStore store, TimeProvider clock)
    {
        PortRegistryOptions options = new() { Ports = Scene.TenPorts, Strategy = PortRegistryOptions.AllocatorPicks, Probe = false };
        return PortRegistry.OpenAsync(options, store, timeProvider: clock).Within();
    }

    /// <summary>A clock by hand whose wall clock is set without its timers knowing.</summary>
    private sealed class SteppedClock : TimeProvider
    {
        private readonly FakeTimeProvider _steady = new(new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero));

        public TimeSpan Step { get; set; }

        public override long TimestampFrequency => _steady.TimestampFrequency;

        public override long GetTimestamp() => _steady.GetTimestamp();

        public override DateTimeOffset GetUtcNow() => _steady.GetUtcNow() + Step;

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
            _steady.CreateTimer(callback, state, dueTime, period);

        public void Advance(TimeSpan time) => _steady.Advance(time);
    }

    /// <summary>A clock whose timestamp goes where it is told.</summary>
    private sealed class WaywardClock : TimeProvider
    {
        public long Ms { get; set; }

        public override long TimestampFrequency => 1_000;

        public override long GetTimestamp() => Ms;
    }
}
