using System.Net;
using System.Net.Sockets;
using Portmap.Tests.Support;

namespace Portmap.Tests.Guarding;

/// <summary>The table of Guarding/DESIGN.md, cell by cell: who can bind a port beside its owner, by
/// protocol and mode.</summary>
[Collection(AloneCollection.Name)]
public sealed class GuardTableTests
{
    private const string Nobody = "nobody", Reuse = "reuse", Anybody = "anybody";

    public static TheoryData<PortProtocol, PortGuardMode, string, string, string, string> Rows { get; } = [];

    static GuardTableTests()
    {
        foreach (string line in File.ReadLines(RepositoryFiles.PathOf("src/Portmap/Guarding/DESIGN.md")))
        {
            if (line.Split('|', StringSplitOptions.TrimEntries) is ["", "TCP" or "UDP", _, _, _, _, _, ""] and [_, var protocol, var mode, var acquired, var launched, var served, var dead, _])
            {
                Rows.Add(Enum.Parse<PortProtocol>(protocol, ignoreCase: true), Enum.Parse<PortGuardMode>(mode.Trim('`')), acquired, launched, served, dead);
            }
        }
    }

    [Fact]
    public void Table_EveryModeAndProtocol_HasARow() =>
        Rows.Should().HaveCount(2 * Enum.GetValues<PortGuardMode>().Length);

    [Theory]
    [MemberData(nameof(Rows))]
    public async Task Guard_EachModeAndProtocol_HoldsWhatTheTableSays(PortProtocol protocol, PortGuardMode mode, string acquired, string launched, string served, string dead)
    {
        await using Scene scene = Scene.OnRealPorts(PortBlock.Take(1));
        PortLease lease = scene.Acquire(new PortRequest("b1") { Guard = mode, Protocol = protocol });
        WhoGetsIn(protocol, lease.Port).Should().Be(acquired);
        (lease.Guarantee == PortGuarantee.Exclusive).Should().Be(acquired == Nobody);

        lease.OpenGate();
        WhoGetsIn(protocol, lease.Port).Should().Be(launched);
        lease.Guarantee.Should().Be(launched switch { Nobody => PortGuarantee.Exclusive, Reuse => PortGuarantee.Admitting, _ => PortGuarantee.ProbedOnly });

        Child child = scene.StartChild();
        Socket? owner = mode == PortGuardMode.PassSocket ? null : Bind(protocol, lease.Port, reuse: protocol == PortProtocol.Tcp, IPAddress.IPv6Any);
        scene.SessionOf(child).Register("b1", lease.Port, lease.Epoch, protocol: protocol);
        WhoGetsIn(protocol, lease.Port).Should().Be(served);

        owner?.Dispose();
        child.Kill();
        scene.Clock.Advance(TimeSpan.FromSeconds(2));
        await Eventually.TrueAsync(() => scene.StateOf(lease.Port, protocol) == PortState.Cooling);
        WhoGetsIn(protocol, lease.Port).Should().Be(dead);
    }

    /// <summary>Tries on each family, with SO_REUSEADDR and without.</summary>
    private static string WhoGetsIn(PortProtocol protocol, int port)
    {
        IPAddress[] addresses = [IPAddress.Loopback, IPAddress.IPv6Loopback, IPAddress.Any];
        bool with = addresses.Any(address => Try(protocol, port, reuse: true, address)), without = addresses.Any(address => Try(protocol, port, reuse: false, address));
        return without ? Anybody : with ? Reuse : Nobody;
    }

    private static bool Try(PortProtocol protocol, int port, bool reuse, IPAddress address)
    {
        try
        {
            Bind(protocol, port, reuse, address).Dispose();
            return true;
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.AddressAlreadyInUse)
        {
            return false;
        }
    }

    /// <summary>A server: bound, and for TCP listening.</summary>
    private static Socket Bind(PortProtocol protocol, int port, bool reuse, IPAddress address)
    {
        bool isTcp = protocol == PortProtocol.Tcp;
        Socket socket = new(address.AddressFamily, isTcp ? SocketType.Stream : SocketType.Dgram, isTcp ? ProtocolType.Unspecified : ProtocolType.Udp);
        try
        {
            if (address.Equals(IPAddress.IPv6Any))
            {
                socket.DualMode = true;
            }

            socket.SetRawSocketOption(1, 2, BitConverter.GetBytes(reuse ? 1 : 0));   // SOL_SOCKET, SO_REUSEADDR
            socket.Bind(new IPEndPoint(address, port));
            if (isTcp)
            {
                socket.Listen();
            }

            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
