using Portmap.Tests.Support;

namespace Portmap.Tests;

/// <summary>TCP and UDP are separate port spaces; one acquisition can ask for one number on both,
/// all or nothing.</summary>
public class PortRegistryProtocolTests
{
    [Fact]
    public async Task Register_SameNumberOnBoth_AreTwoClaims()
    {
        await using Scene scene = new();
        PortSession child = scene.SessionOf(scene.StartChild());

        scene.Here.Register("b1", Scene.First, protocol: PortProtocol.Tcp);
        child.Register("b2", Scene.First, protocol: PortProtocol.Udp);

        scene.OwnersOn(Scene.First, PortProtocol.Tcp).Should().Equal("b1");
        scene.OwnersOn(Scene.First, PortProtocol.Udp).Should().Equal("b2");
        scene.PortOf("b1", PortProtocol.Udp).Should().Be(0);
        scene.PortOf("b2", PortProtocol.Udp).Should().Be(Scene.First);
    }

    [Fact]
    public async Task Register_SameOwnerOnBoth_HasAPortOfEach()
    {
        await using Scene scene = new();

        scene.Here.Register("b1", 20001, protocol: PortProtocol.Tcp);
        scene.Here.Register("b1", 20002, protocol: PortProtocol.Udp);

        scene.PortOf("b1", PortProtocol.Tcp).Should().Be(20001);
        scene.PortOf("b1", PortProtocol.Udp).Should().Be(20002);
        scene.Here.Release("b1", protocol: PortProtocol.Tcp);
        scene.PortOf("b1", PortProtocol.Tcp).Should().Be(0);
        scene.PortOf("b1", PortProtocol.Udp).Should().Be(20002);
    }

    [Fact]
    public async Task TryAcquire_Udp_FillsItsOwnSpace()
    {
        await using Scene scene = new("20000-20001");
        scene.Acquire("t1");
        scene.Acquire("t2");

        int[] ports = [scene.Acquire(Udp("u1")).Port, scene.Acquire(Udp("u2")).Port];

        ports.Should().BeEquivalentTo([20000, 20001]);
        scene.AcquireRefused(Udp("u3")).ShouldExplain(PortRefusalReason.Exhausted);
        scene.Registry.Snapshot().Entries.Should().HaveCount(4);
    }

    [Fact]
    public async Task TryAcquire_Both_ReservesOneNumberOnEach()
    {
        await using Scene scene = new();

        PortLease lease = scene.Acquire(Both("b1"));

        lease.Protocol.Should().Be(PortProtocol.TcpAndUdp);
        scene.StateOf(lease.Port, PortProtocol.Tcp).Should().Be(PortState.Reserved);
        scene.StateOf(lease.Port, PortProtocol.Udp).Should().Be(PortState.Reserved);
        scene.Registry.Snapshot().Entries.Should().HaveCount(2).And.OnlyContain(entry => entry.Protocol != PortProtocol.TcpAndUdp);
    }

    [Fact]
    public async Task TryAcquire_Both_TakesOnlyANumberThatIsFreeOnBoth()
    {
        await using Scene scene = new("20000-20003");
        scene.Here.Register("t", 20000, protocol: PortProtocol.Tcp);
        scene.Here.Register("u", 20001, protocol: PortProtocol.Udp);
        scene.Here.Register("u2", 20003, protocol: PortProtocol.Udp);

        scene.Acquire(Both("b1")).Port.Should().Be(20002);
        scene.AcquireRefused(Both("b2")).ShouldExplain(PortRefusalReason.Exhausted);
    }

    [Theory]
    [InlineData(PortOrder.LowestFree)]
    [InlineData(PortOrder.NextFit)]
    [InlineData(PortOrder.Random)]
    public async Task TryAcquire_Both_PassesOverEachThatIsBusyOnOneAndLeavesItToOthers(PortOrder order)
    {
        await using Scene scene = new("20000-20009", options => options.Order = order);
        for (int port = 20000; port < 20009; port++)
        {
            scene.Here.Register("u" + port, port, protocol: PortProtocol.Udp);
        }

        scene.Acquire(Both("b1")).Port.Should().Be(20009, "a number that is named again and again is no answer");
        Enumerable.Range(0, 9).Select(i => scene.Acquire($"t{i}").Port).Should().BeEquivalentTo(Enumerable.Range(20000, 9));
    }

    [Fact]
    public async Task TryAcquire_BothRefused_LeavesNothingBehind()
    {
        await using Scene scene = new("20000-20003", options => options.ReuseCooling = false);
        for (int port = 20000; port <= 20003; port++)
        {
            scene.Here.Register(FormattableString.Invariant($"u{port}"), port, protocol: PortProtocol.Udp);
        }

        scene.AcquireRefused(Both("b1")).ShouldExplain(PortRefusalReason.Exhausted);

        for (int i = 0; i < 4; i++)
        {
            scene.Acquire(FormattableString.Invariant($"t{i}"));
        }
    }

    [Fact]
    public async Task TryAcquire_BothWhereUdpCoolsAndCoolingIsNotReused_IsExhausted()
    {
        await using Scene scene = new("20000", options => options.ReuseCooling = false);
        scene.Acquire(new PortRequest("u") { Protocol = PortProtocol.Udp }).TryRelease(out _).Should().BeTrue();

        scene.AcquireRefused(new PortRequest("b") { Protocol = PortProtocol.TcpAndUdp }).ShouldExplain(PortRefusalReason.Exhausted);

        scene.Clock.Advance(TimeSpan.FromSeconds(75));
        scene.Acquire(new PortRequest("b") { Protocol = PortProtocol.TcpAndUdp }).Port.Should().Be(20000);
    }

    [Fact]
    public async Task TryAcquire_BothWithOneLeaseOpen_IsAlreadyReservedAndTakesNothing()
    {
        await using Scene scene = new();
        PortLease udp = scene.Acquire(Udp("b1"));

        scene.AcquireRefused(Both("b1")).ShouldExplain(PortRefusalReason.AlreadyReserved, udp.Epoch);

        scene.Registry.Snapshot().Entries.Should().ContainSingle().Which.Protocol.Should().Be(PortProtocol.Udp);
        scene.Acquire("b1").Protocol.Should().Be(PortProtocol.Tcp);
    }

    [Fact]
    public async Task TryAcquire_BothRequired_NamesTheHolderOfEither()
    {
        await using Scene scene = new();
        scene.Here.Register("u", 20004, protocol: PortProtocol.Udp);

        scene.AcquireRefused(Both("b1") with { Previous = 20004, Reuse = PortReuse.Require })
            .ShouldExplain(PortRefusalReason.InUse, 20004).Holder.Should().Be("u");
        scene.StateOf(20004, PortProtocol.Tcp).Should().Be(PortState.Free);
    }

    [Fact]
    public async Task Register_BothHalvesOfALease_BindsEach()
    {
        await using Scene scene = new();
        PortLease lease = scene.Acquire(Both("b1"));

        scene.Here.Register("b1", lease.Port, lease.Epoch, PortProtocol.Tcp);
        scene.Here.Register("b1", lease.Port, lease.Epoch, PortProtocol.Udp);

        (await lease.WhenBound.Within()).Port.Should().Be(lease.Port);
        scene.PortOf("b1", PortProtocol.Tcp).Should().Be(lease.Port);
        scene.PortOf("b1", PortProtocol.Udp).Should().Be(lease.Port);
    }

    [Fact]
    public async Task ReleaseAsync_LeaseOnBoth_GivesBackBoth()
    {
        await using Scene scene = new(configure: options => options.ReuseDelay = TimeSpan.Zero);
        PortLease lease = scene.Acquire(Both("b1"));

        await lease.ReleaseAsync().Within();

        scene.Registry.Snapshot().Entries.Should().BeEmpty();
        scene.Acquire(Both("b1"));
    }

    [Fact]
    public async Task LeaseTimeout_LeaseOnBoth_EndsBoth()
    {
        await using Scene scene = new();
        PortLease lease = scene.Acquire(Both("b1"));

        scene.Clock.Advance(TimeSpan.FromSeconds(61));

        await lease.WhenBound.RefusalAsync();
        scene.StateOf(lease.Port, PortProtocol.Tcp).Should().Be(PortState.Cooling);
        scene.StateOf(lease.Port, PortProtocol.Udp).Should().Be(PortState.Cooling);
    }

    private static PortRequest Udp(string owner) => new(owner) { Protocol = PortProtocol.Udp };

    private static PortRequest Both(string owner) => new(owner) { Protocol = PortProtocol.TcpAndUdp };
}
