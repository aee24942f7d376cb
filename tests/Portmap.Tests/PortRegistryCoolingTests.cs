using Portmap.Tests.Support;

namespace Portmap.Tests;

/// <summary>Cooling: a released port is not handed out again for ReuseDelay, unless nothing else is
/// free (patch 10785: removed means free).</summary>
public class PortRegistryCoolingTests
{
    [Fact]
    public async Task Release_ReuseDelayZero_FreesThePortAtOnce()
    {
        await using Scene scene = new("20000", options =>
        {
            options.ReuseDelay = TimeSpan.Zero;
            options.ReuseCooling = false;
        });
        scene.Here.Register("b1", 20000);

        scene.Here.Release("b1");

        scene.StateOf(20000).Should().Be(PortState.Free);
        scene.Registry.Snapshot().Entries.Should().BeEmpty();
        scene.Acquire("b2").Port.Should().Be(20000);
    }

    [Fact]
    public async Task Release_DefaultDelay_CoolsUntilTheClockHasPassedIt()
    {
        await using Scene scene = new("20000", options => options.ReuseCooling = false);
        scene.Here.Register("b1", 20000);
        scene.Clock.Advance(TimeSpan.FromSeconds(5));
        DateTimeOffset released = scene.Clock.GetUtcNow();

        scene.Here.Release("b1");

        scene.Registry.TryGetEntry(20000, out PortEntry cooling).Should().BeTrue();
        cooling.Should().BeEquivalentTo(new { State = PortState.Cooling, Port = 20000, Since = released });
        scene.OwnersOn(20000).Should().BeEmpty();
        scene.AcquireRefused("b2").ShouldExplain(PortRefusalReason.Exhausted, "cool");

        scene.Clock.Advance(TimeSpan.FromSeconds(58));
        scene.AcquireRefused("b2").ShouldExplain(PortRefusalReason.Exhausted, "cool");

        scene.Clock.Advance(TimeSpan.FromSeconds(3));
        scene.StateOf(20000).Should().Be(PortState.Free);
        scene.Acquire("b2").Port.Should().Be(20000);
    }

    [Fact]
    public async Task Release_LeasesOfTheWholeRange_AllComeBackAfterTheDelay()
    {
        await using Scene scene = new(configure: options => options.ReuseCooling = false);
        PortLease[] leases = [.. Enumerable.Range(0, 10).Select(i => scene.Acquire($"b{i}"))];
        Array.ForEach(leases, lease => lease.TryRelease(out _).Should().BeTrue());
        scene.AcquireRefused("early").ShouldExplain(PortRefusalReason.Exhausted, "10 cooling");

        scene.Clock.Advance(TimeSpan.FromMinutes(2));

        Enumerable.Range(0, 10).Select(i => scene.Acquire($"c{i}").Port).Should().BeEquivalentTo(leases.Select(lease => lease.Port));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(60)]
    public async Task Release_LeasesThatASearchOfTheFullRangeHasMet_AllComeBackAfterTheDelay(int delaySeconds)
    {
        await using Scene scene = new(configure: options => (options.ReuseCooling, options.ReuseDelay) = (false, TimeSpan.FromSeconds(delaySeconds)));
        PortLease[] leases = [.. Enumerable.Range(0, 10).Select(i => scene.Acquire($"b{i}"))];
        scene.AcquireRefused("early").ShouldExplain(PortRefusalReason.Exhausted, "10 reserved");   // it takes each of them out of the map of free ports
        Array.ForEach(leases, lease => lease.TryRelease(out _).Should().BeTrue());

        scene.Clock.Advance(TimeSpan.FromMinutes(2));

        Enumerable.Range(0, 10).Select(i => scene.Acquire($"c{i}").Port).Should().BeEquivalentTo(leases.Select(lease => lease.Port));
    }

    [Fact]
    public async Task Acquire_OneHasCooledAndALowerOneCoolsStill_TakesTheOneThatHas()
    {
        await using Scene scene = new("20000-20001");
        PortLease[] leases = [scene.Acquire("a"), scene.Acquire("b")];
        scene.AcquireRefused("early").ShouldExplain(PortRefusalReason.Exhausted);   // so that neither is in the map of free ports
        leases.Single(lease => lease.Port == 20_001).TryRelease(out _).Should().BeTrue();
        scene.Clock.Advance(TimeSpan.FromSeconds(3));   // within one eighth of the delay
        leases.Single(lease => lease.Port == 20_000).TryRelease(out _).Should().BeTrue();
        scene.Clock.Advance(TimeSpan.FromSeconds(57.5));

        scene.Acquire("c").Port.Should().Be(20_001, "it was released more than a minute ago, the other one less");
    }

    [Fact]
    public async Task Acquire_PortInUseLeftItsMarkManyTimes_FindsTheOneThatCools()
    {
        await using Scene scene = new("20000-20001", options => options.ReuseDelay = TimeSpan.FromSeconds(32));
        for (int i = 0; i < 6; i++)
        {
            // Each time in another eighth of the delay.
            scene.Here.Register("a", 20000);
            scene.Here.Release("a");
            scene.Clock.Advance(TimeSpan.FromSeconds(4));
        }

        scene.Here.Register("a", 20000);
        scene.Here.Register("b", 20001);
        scene.Here.Release("b");

        scene.Acquire("c").Port.Should().Be(20001, "it is used rather than failing");
    }

    [Fact]
    public async Task Acquire_OthersAreFree_PassesOverCoolingPorts()
    {
        await using Scene scene = new();
        HashSet<int> cooled = [];
        for (int i = 0; i < 9; i++)
        {
            PortLease lease = scene.Acquire("b1");
            cooled.Add(lease.Port);
            lease.TryRelease(out _).Should().BeTrue();
        }

        cooled.Should().HaveCount(9);
        cooled.Should().NotContain(scene.Acquire("b2").Port);
    }

    [Fact]
    public async Task Acquire_NothingElseFree_TakesTheLongestCooled()
    {
        await using Scene scene = new("20000-20002");
        foreach (int port in (int[])[20001, 20002, 20000])
        {
            scene.Here.Register("b1", port);
            scene.Here.Release("b1");
            scene.Clock.Advance(TimeSpan.FromSeconds(15));
        }

        scene.Acquire("b2").Port.Should().Be(20001);
        scene.Acquire("b3").Port.Should().Be(20002);
        scene.Acquire("b4").Port.Should().Be(20000);
        scene.AcquireRefused("b5").ShouldExplain(PortRefusalReason.Exhausted);
    }

    [Fact]
    public async Task Release_SharedPort_CoolsFromTheLastToLeave()
    {
        await using Scene scene = new("20000-20001", options => options.ReuseCooling = false);
        scene.Here.Register("stays longer", 20000);
        scene.Here.Register("leaves first", 20000);
        scene.Here.Release("leaves first");
        scene.Clock.Advance(TimeSpan.FromSeconds(100));

        scene.Here.Release("stays longer");

        scene.StateOf(20000).Should().Be(PortState.Cooling);
        scene.Acquire("b1").Port.Should().Be(20001);
        scene.AcquireRefused("b2").ShouldExplain(PortRefusalReason.Exhausted, "1 cooling");
    }

    [Fact]
    public async Task Release_PortOutsideTheRange_IsForgottenInTheEnd()
    {
        await using Scene scene = new();
        scene.Here.Register("b1", 40000);
        scene.Here.Release("b1");

        scene.Clock.Advance(TimeSpan.FromMinutes(2));

        scene.StateOf(40000).Should().Be(PortState.Free);
        scene.Registry.Snapshot().Entries.Should().BeEmpty();
    }

    [Fact]
    public async Task Register_CoolingPort_IsNeverRefused()
    {
        await using Scene scene = new();
        scene.Here.Register("b1", 20000);
        scene.Here.Release("b1");

        scene.Here.Register("b2", 20000).State.Should().Be(PortState.Bound);

        scene.Clock.Advance(TimeSpan.FromMinutes(2));
        scene.PortOf("b2").Should().Be(20000, "the end of the old cool-down is nothing to the new claim");
    }
}
