using System.Net;
using System.Net.Sockets;
using Portmap.Tests.Support;

namespace Portmap.Tests;

/// <summary>A number is one owner's on every address; whoever wants it once for each address has a
/// registry for each.</summary>
public class PortSpaceByAddressTests
{
    [Fact]
    public async Task PortRegistry_OneForEachAddress_GivesOneNumberToTwoOwners()
    {
        PortRange range = PortBlock.Take(1);
        IPAddress[] addresses = [PortBlock.TakeLoopback(), PortBlock.TakeLoopback()];
        await using Scene first = Make(range), second = Make(range);
        Scene[] scenes = [first, second];
        List<Socket> listeners = [];
        for (int i = 0; i < scenes.Length; i++)
        {
            PortLease lease = scenes[i].Acquire($"web{i}");
            Socket listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            listener.Bind(new IPEndPoint(addresses[i], lease.Port));
            listener.Listen();
            listeners.Add(listener);
            scenes[i].Here.Register($"web{i}", lease.Port, lease.Epoch);
        }

        first.PortOf("web0").Should().Be(range.First);
        second.PortOf("web1").Should().Be(range.First);
        first.OwnersOn(range.First).Should().Equal("web0");
        second.OwnersOn(range.First).Should().Equal("web1");
        first.Registry.TryGetEntry("web0", out PortEntry entry).Should().BeTrue();
        entry.Guarantee.Should().Be(PortGuarantee.HeldByProcess);
        listeners.ForEach(listener => listener.Dispose());
    }

    private static Scene Make(PortRange range) => new(range.ToString());
}
