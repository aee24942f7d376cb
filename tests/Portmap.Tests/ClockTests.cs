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

    /// <summary>A clock whose timestamp goes where it is told.</summary>
    private sealed class WaywardClock : TimeProvider
    {
        public long Ms { get; set; }

        public override long TimestampFrequency => 1_000;

        public override long GetTimestamp() => Ms;
    }
}
