using Portmap.Tests.Support;

namespace Portmap.Tests;

/// <summary>Leases that are used up, or not, by whom they are not meant for.</summary>
public class LeaseHalvesTests
{
    [Theory]
    [InlineData(PortProtocol.Tcp, PortProtocol.Udp)]
    [InlineData(PortProtocol.Udp, PortProtocol.Tcp)]
    public async Task Register_OneHalfOfALeaseIsTaken_TheOtherHalfEnds(PortProtocol taken, PortProtocol other)
    {
        await using Scene scene = new();
        PortLease lease = scene.Acquire(new PortRequest("a") { Protocol = PortProtocol.TcpAndUdp });
        int port = lease.Port;
        scene.StateOf(port, other).Should().Be(PortState.Reserved);

        scene.SessionOf(scene.StartChild()).Register("b", port, protocol: taken);

        scene.StateOf(port, taken).Should().Be(PortState.Bound);
        scene.StateOf(port, other).Should().Be(PortState.Cooling, "all or nothing");
        scene.Registry.TryGetEntry("a", out _, other).Should().BeFalse();
        scene.Acquire(new PortRequest("a") { Protocol = PortProtocol.TcpAndUdp }).Port.Should().NotBe(port);
        scene.Registry.AssertInvariants();
    }

    [Fact]
    public async Task TryRelease_OneHalfIsRegistered_BothEnd()
    {
        await using Scene scene = new();
        PortLease lease = scene.Acquire(new PortRequest("a") { Protocol = PortProtocol.TcpAndUdp });
        int port = lease.Port;
        scene.Here.Register("a", port, lease.Epoch);

        lease.TryRelease(out _).Should().BeTrue();

        scene.PortOf("a").Should().Be(0);
        scene.StateOf(port, PortProtocol.Udp).Should().Be(PortState.Cooling, "the half that nobody used is given back with the other");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Register_WithoutEpochByTheOwnersPreviousProcess_LeavesALeaseWithoutAPortOpen(bool overANewSession)
    {
        await using Scene scene = new();
        Child child = scene.StartChild();
        PortSession previous = scene.SessionOf(child);
        previous.Register("a", 50_123);
        PortLease lease = scene.Acquire(new PortRequest("a") { Strategy = PortRegistryOptions.ProcessBinds });
        long given = lease.Epoch;

        (overANewSession ? scene.SessionOf(child) : previous).Register("a", 50_124);

        lease.WhenBound.IsCompleted.Should().BeFalse("the lease is for the next process");
        scene.PortOf("a").Should().Be(50_124);
        scene.SessionOf(scene.StartChild()).Register("a", 50_125, given);
        (await lease.WhenBound.Within()).Port.Should().Be(50_125);
        scene.PortOf("a").Should().Be(50_125);
    }
}
