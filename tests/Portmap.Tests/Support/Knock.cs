using System.Net;
using System.Net.Sockets;

namespace Portmap.Tests.Support;

/// <summary>Another program at a port: real sockets with exactly the options a program would
/// have.</summary>
internal static class Knock
{
    private const int SolSocket = 1, SoReuseAddr = 2, IpProtoIp = 0, IpLocalPortRange = 51;

    /// <summary>Binds, and listens if asked to; null when the kernel refuses.</summary>
    public static Socket? TryTake(int port, IPAddress? address = null, bool reuse = true, bool listen = true, SocketType type = SocketType.Stream)
    {
        address ??= IPAddress.Any;
        Socket socket = new(address.AddressFamily, type, ProtocolType.Unspecified);   // .NET sets nothing by itself on such a one
        try
        {
            if (reuse)
            {
                SetReuse(socket, true);
            }

            socket.Bind(new IPEndPoint(address, port));
            if (listen && type == SocketType.Stream)
            {
                socket.Listen();
            }

            return socket;
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.AddressAlreadyInUse)
        {
            socket.Dispose();
            return null;
        }
    }

    /// <summary>Whether a program gets the port now; it gives it back.</summary>
    public static bool GetsIn(int port, IPAddress? address = null, bool reuse = true, bool listen = true, SocketType type = SocketType.Stream)
    {
        using Socket? socket = TryTake(port, address, reuse, listen, type);
        return socket is not null;
    }

    /// <summary>Whether a program gets the port once nobody holds it: a process that another test
    /// is just starting holds a copy of every descriptor until it becomes its program.</summary>
    public static bool GetsInSoon(int port, bool reuse = true, SocketType type = SocketType.Stream) =>
        SpinWait.SpinUntil(() => GetsIn(port, reuse: reuse, type: type), Deadline.Default);

    public static void SetReuse(Socket socket, bool reuse) => socket.SetRawSocketOption(SolSocket, SoReuseAddr, [(byte)(reuse ? 1 : 0), 0, 0, 0]);

    /// <summary>Has the kernel choose this very port when it chooses one by itself (Linux 6.3 and
    /// later).</summary>
    public static void NarrowTo(Socket socket, int port) =>
        socket.SetRawSocketOption(IpProtoIp, IpLocalPortRange, BitConverter.GetBytes(((uint)port << 16) | (uint)port));

    public static async Task<bool> ConnectsAsync(int port)
    {
        using Socket client = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await client.ConnectAsync(IPAddress.Loopback, port).Within();
            return true;
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionRefused)
        {
            return false;
        }
    }
}
