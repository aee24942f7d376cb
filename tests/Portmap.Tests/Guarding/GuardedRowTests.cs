using System.Net;
using System.Net.Sockets;
using Portmap.Tests.Support;

namespace Portmap.Tests.Guarding;

/// <summary>The placeholders of several ports that are asked for together: all are held, or none
/// is.</summary>
[Collection(AloneCollection.Name)]
public sealed class GuardedRowTests
{
    [Fact]
    public async Task TryAcquireAll_AStrangerAmongThePorts_HoldsARowBesideIt()
    {
        PortRange range = PortBlock.Take(12);
        using Socket stranger = ListenOn(range.First + 5);
        await using Scene scene = Scene.OnRealPorts(range, options => options.Order = PortOrder.LowestFree);

        scene.Registry.TryAcquireAll(["a", "b", "c", new("d") { Protocol = PortProtocol.TcpAndUdp }, "e", "f"], contiguous: true, out IReadOnlyList<PortLease>? leases, out PortRefusal? refusal).Should().BeTrue("{0}", refusal?.Message);

        leases!.Select(lease => lease.Port).Should().Equal(Enumerable.Range(range.First + 6, 6));
        leases.Should().OnlyContain(lease => lease.Guarantee == PortGuarantee.Exclusive || lease.Protocol == PortProtocol.TcpAndUdp);
        scene.Registry.Guard.Count.Should().Be(7, "one for each port and protocol");
        scene.StateOf(range.First + 5).Should().Be(PortState.Foreign);
        Enumerable.Range(range.First, 5).Should().OnlyContain(port => scene.StateOf(port) == PortState.Free, "what was held of the row that failed was let go of");
        foreach (PortLease lease in leases!)
        {
            lease.TryRelease(out _).Should().BeTrue();
        }

        scene.Registry.Guard.Count.Should().Be(0);
    }

    [Fact]
    public async Task TryAcquireAll_NoRowIsLeft_HoldsNothing()
    {
        PortRange range = PortBlock.Take(6);
        using Socket one = ListenOn(range.First + 1), two = ListenOn(range.First + 4);
        await using Scene scene = Scene.OnRealPorts(range);

        scene.Registry.TryAcquireAll(["a", "b", "c"], contiguous: true, out _, out PortRefusal? refusal).Should().BeFalse();
        refusal.ShouldExplain(PortRefusalReason.Exhausted, "has 2 (");
        scene.Registry.TryAcquireAll(["a", "b", "c", "d", "e"], contiguous: false, out _, out refusal).Should().BeFalse();
        refusal.ShouldExplain(PortRefusalReason.Exhausted, "Request 5 of 5");

        scene.Registry.Guard.Count.Should().Be(0);
        foreach (int port in (int[])[0, 2, 3, 5])
        {
            using Socket ours = ListenOn(range.First + port);   // nothing is bound there any more
        }
    }

    private static Socket ListenOn(int port)
    {
        Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, port));
        socket.Listen();
        return socket;
    }
}
