using System.Net;
using System.Net.Sockets;

namespace Portmap.Tests.Support;

/// <summary>Something outside the registry that has a port: a real socket of the test.</summary>
internal sealed class Stranger : IDisposable
{
    private readonly Socket _socket;

    private Stranger(Socket socket) => _socket = socket;

    /// <summary>On a port of every address of the family.</summary>
    public static Stranger Listening(int port, AddressFamily family = AddressFamily.InterNetwork) => Listening(port, Any(family));

    /// <summary>On a port that may have been let go just now: a process that another test is just
    /// starting holds a copy of what was closed until it becomes its program.</summary>
    public static Stranger Listening(int port, IPAddress address)
    {
        Stranger stranger = BoundOnceFree(new IPEndPoint(address, port), SocketType.Stream);
        stranger._socket.Listen();
        return stranger;
    }

    /// <summary>The same for datagrams.</summary>
    public static Stranger OnUdp(int port) => BoundOnceFree(new IPEndPoint(IPAddress.Any, port), SocketType.Dgram);

    /// <summary>Returns when the port is free: a process that another test is just starting holds a
    /// copy of every descriptor until it becomes its program.</summary>
    public void Dispose()
    {
        if (_socket.SafeHandle.IsClosed)
        {
            return;
        }

        IPEndPoint place = (IPEndPoint)_socket.LocalEndPoint!;
        SocketType type = _socket.SocketType;
        _socket.Dispose();
        SpinWait.SpinUntil(() => IsFree(place, type), Deadline.Default).Should().BeTrue("{0} should be free once nobody holds it", place);
    }

    private static Stranger BoundOnceFree(IPEndPoint place, SocketType type)
    {
        Stranger? stranger = null;
        SpinWait.SpinUntil(() => (stranger = TryBind(place, type)) is not null, Deadline.Default)
            .Should().BeTrue("{0} should be free once nobody holds it", place);
        return stranger!;
    }

    private static Stranger? TryBind(IPEndPoint place, SocketType type)
    {
        try
        {
            return Bound(place.Port, place.Address, type);
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.AddressAlreadyInUse)
        {
            return null;
        }
    }

    private static bool IsFree(IPEndPoint place, SocketType type)
    {
        Stranger? stranger = TryBind(place, type);
        stranger?._socket.Dispose();
        return stranger is not null;
    }

    private static Stranger Bound(int port, IPAddress address, SocketType type)
    {
        Socket socket = new(address.AddressFamily, type, ProtocolType.Unspecified);
        try
        {
            if (address.AddressFamily == AddressFamily.InterNetworkV6)
            {
                socket.DualMode = false;
            }

            socket.Bind(new IPEndPoint(address, port));
            return new Stranger(socket);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static IPAddress Any(AddressFamily family) => family == AddressFamily.InterNetworkV6 ? IPAddress.IPv6Any : IPAddress.Any;
}
