using Portmap.Tests.Persistence;
using Portmap.Tests.Support;

namespace Portmap.Tests;

/// <summary>Numbers that are kept for certain owners
/// (<see cref="PortRegistryOptions.KeptPorts"/>).</summary>
public class PortRegistryKeptPortsTests
{
    private const int Kept = 20004;

    public static TheoryData<PortOrder> Orders { get; } = new() { PortOrder.NextFit, PortOrder.Random, PortOrder.LowestFree };

    public static TheoryData<PortReuse> Reuses { get; } = new() { PortReuse.Fresh, PortReuse.Prefer, PortReuse.Require };

    [Theory]
    [MemberData(nameof(Orders))]
    public async Task TryAcquire_KeptNumber_IsGivenToNobodyElse(PortOrder order)
    {
        await using Scene scene = Keeping(options => options.Order = order);

        int[] ports = [.. Enumerable.Range(0, 9).Select(i => scene.Acquire($"other{i}").Port)];

        ports.Should().BeEquivalentTo(Enumerable.Range(20000, 10).Where(port => port != Kept));
        scene.AcquireRefused("other9").ShouldExplain(PortRefusalReason.Exhausted, "9 that may be handed out");
        scene.Acquire("b1").Port.Should().Be(Kept);
        scene.Registry.AssertInvariants();
    }

    [Theory]
    [MemberData(nameof(Reuses))]
    public async Task TryAcquire_ItsOwner_GetsItFirstWhateverReuseSays(PortReuse reuse)
    {
        await using Scene scene = Keeping();
        for (int i = 0; i < 3; i++)
        {
            PortLease lease = scene.Acquire(new PortRequest("b1") { Reuse = reuse });
            lease.Port.Should().Be(Kept, "at once, though it cools");
            lease.TryRelease(out _).Should().BeTrue();
        }

        scene.Acquire(new PortRequest("b1") { Reuse = PortReuse.Prefer, Previous = 20001 }).Port.Should().Be(Kept);
    }

    [Theory]
    [InlineData(PortProtocol.Tcp)]
    [InlineData(PortProtocol.Udp)]
    [InlineData(PortProtocol.TcpAndUdp)]
    public async Task TryAcquire_EachProtocolAndStrategy_GetsIt(PortProtocol protocol)
    {
        await using Scene scene = Keeping();
        foreach (string strategy in (string[])[PortRegistryOptions.AllocatorPicks, PortRegistryOptions.ProcessBinds])
        {
            PortLease lease = scene.Acquire(new PortRequest("b1") { Protocol = protocol, Strategy = strategy });
            lease.Port.Should().Be(Kept);
            lease.TryRelease(out _).Should().BeTrue();
        }
    }

    [Fact]
    public async Task TryAcquire_AnotherOwnerInsistsOnIt_IsToldWhoseItIs()
    {
        await using Scene scene = Keeping();

        scene.AcquireRefused(new PortRequest("b2") { Reuse = PortReuse.Require, Previous = Kept })
            .ShouldExplain(PortRefusalReason.InvalidPort, Kept, "kept for b1", "b2");
        scene.Acquire(new PortRequest("b2") { Reuse = PortReuse.Prefer, Previous = Kept }).Port.Should().NotBe(Kept);
        scene.AcquireRefused(new PortRequest("b3") { Ports = "20004" }).ShouldExplain(PortRefusalReason.Exhausted, "20004-20004", "0 that may be handed out");
        scene.Acquire(new PortRequest("b1") { Ports = "20004" }).Port.Should().Be(Kept);
    }

    [Fact]
    public async Task TryAcquire_RequestForOtherRanges_LeavesItAside()
    {
        await using Scene scene = Keeping();

        scene.Acquire(new PortRequest("b1") { Ports = "20007" }).Port.Should().Be(20007);
    }

    [Fact]
    public async Task TryAcquire_SomebodyServesThere_GetsAnotherOneAndLaterItsOwn()
    {
        await using Scene scene = Keeping();
        Child brick = scene.StartChild();
        scene.SessionOf(brick).Register("b2", Kept);

        PortLease other = scene.Acquire("b1");
        other.Port.Should().NotBe(Kept, "a process that listens is not put off");
        other.TryRelease(out _);
        brick.Kill();

        scene.Acquire("b1").Port.Should().Be(Kept, "its dead process holds nothing");
        scene.Log.Of("RegisteredKept").Should().ContainSingle().Which.Should().Contain("b2").And.Contain("20004").And.Contain("b1");
    }

    [Fact]
    public async Task Register_ByItsOwnerWithoutALease_IsNotTold()
    {
        await using Scene scene = Keeping();

        scene.Here.Register("b1", Kept);

        scene.PortOf("b1").Should().Be(Kept);
        scene.Log.Of("RegisteredKept").Should().BeEmpty();
    }

    [Fact]
    public async Task ReportBindFailure_OfTheKeptNumber_GetsAnotherOne()
    {
        await using Scene scene = Keeping();
        PortLease lease = scene.Acquire("b1");

        await lease.ReportBindFailureAsync().AsTask().Within();

        lease.Port.Should().NotBe(Kept).And.BeInRange(20000, 20009);
    }

    [Theory]
    [InlineData(PortProtocol.Tcp)]
    [InlineData(PortProtocol.TcpAndUdp)]
    public async Task ReportBindFailure_OfAnotherPort_GetsTheKeptNumberThatIsFreeByNow(PortProtocol protocol)
    {
        await using Scene scene = Keeping(options => options.ReuseDelay = TimeSpan.Zero);
        scene.Here.Register("guest", Kept);
        PortLease lease = scene.Acquire(new PortRequest("b1") { Protocol = protocol });
        lease.Port.Should().NotBe(Kept);
        scene.Here.Release("guest");

        await lease.ReportBindFailureAsync().AsTask().Within();

        lease.Port.Should().Be(Kept);
        scene.Registry.AssertInvariants();
    }

    [Fact]
    public async Task ReportBindFailure_NobodyAcquiredTheKeptNumber_GetsAnotherOne()
    {
        await using Scene scene = Keeping();

        PortLease lease = await scene.Here.ReportBindFailureAsync(new PortClaimRequest("b1", Kept)).AsTask().Within();

        lease.Port.Should().NotBe(Kept, "its process has met somebody there");
    }

    [Fact]
    public async Task ReportBindFailure_OfTheNextPortToo_DoesNotGoBackToTheKeptNumber()
    {
        await using Scene scene = Keeping();
        PortLease lease = scene.Acquire("b1");
        await lease.ReportBindFailureAsync().AsTask().Within();
        await lease.ExtendAsync(TimeSpan.FromHours(1)).AsTask().Within();
        scene.Clock.Advance(scene.Options.ForeignRecheck * 2);   // the registry would look there again

        await lease.ReportBindFailureAsync().AsTask().Within();

        lease.Port.Should().NotBe(Kept, "its process has met somebody there");
    }

    [Fact]
    public async Task TryAcquire_StrangerHasIt_GetsAnotherOne()
    {
        PortRange range = PortBlock.Take(3);
        await using Scene scene = Scene.OnRealPorts(range, options => options.KeptPorts["b1"] = range.First);
        using (Stranger.Listening(range.First))
        {
            PortLease other = scene.Acquire("b1");
            other.Port.Should().NotBe(range.First).And.BeInRange(range.First, range.Last);
            other.TryRelease(out _);
        }

        scene.Clock.Advance(TimeSpan.FromMinutes(1));
        PortLease own = scene.Acquire("b1");
        (own.Port, own.Guarantee).Should().Be((range.First, PortGuarantee.Exclusive));
    }

    [Fact]
    public async Task KeptPorts_OwnerIsAbsent_NothingIsBoundForIt()
    {
        PortRange range = PortBlock.Take(2);
        await using Scene scene = Scene.OnRealPorts(range, options => options.KeptPorts["b1"] = range.First);
        scene.Acquire("b2").Port.Should().Be(range.Last);

        Knock.GetsIn(range.First, reuse: false).Should().BeTrue("a program that binds its number without asking gets in");
    }

    [Fact]
    public async Task PrepareStart_ProcessBinds_LeavesTheNumbersOfOthersAlone()
    {
        await using Scene scene = Keeping(options =>
        {
            options.Strategy = PortRegistryOptions.ProcessBinds;
            options.Exclude = "20000";
            (options.KeptPorts["b2"], options.KeptPorts["b3"]) = (20005, 20008);
        });

        (string? Port, string? Exclude) Told(string owner)
        {
            System.Diagnostics.ProcessStartInfo start = new("brick");
            scene.Acquire(owner).PrepareStart(start);
            return (start.Environment["PORTMAP_PORT"], start.Environment["PORTMAP_EXCLUDE"]);
        }

        Told("b9").Should().Be(("0", "20000,20004-20005,20008-20008"));
        Told("b3").Should().Be(("20008", "20000,20004-20005"));
    }

    [Fact]
    public async Task OpenAsync_NumberIsKeptSinceTheRestart_WhoHasItStaysAndItsOwnerGetsItAfterwards()
    {
        await using StoreScene scene = await StoreScene.OpenAsync(options => options.Ports = "20004-20005");
        PortLease first = await scene.AcquireAsync(new PortRequest("b2") { Reuse = PortReuse.Require, Previous = Kept });
        scene.Options.KeptPorts["b1"] = Kept;
        await scene.KillAndOpenAsync();

        PortLease other = await scene.AcquireAsync("b1");
        other.Port.Should().Be(20005, "an open lease is not taken away");
        await scene.RegisterAsync("b2", Kept, first.Epoch);
        await scene.Here.ReleaseAsync("b2").AsTask().Within();
        await other.ReleaseAsync().AsTask().Within();

        (await scene.AcquireAsync("b1")).Port.Should().Be(Kept);
        await scene.KillAndOpenAsync();
        scene.StateOf(Kept).Should().Be(PortState.Reserved);
        scene.Registry.AssertInvariants();
    }

    private static Scene Keeping(Action<PortRegistryOptions>? configure = null) => new(configure: options =>
    {
        options.KeptPorts["b1"] = Kept;
        configure?.Invoke(options);
    });
}
