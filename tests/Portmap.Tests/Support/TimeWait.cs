using System.Net;
using System.Net.Sockets;

namespace Portmap.Tests.Support;

/// <summary>What a closed connection leaves behind.</summary>
internal static class TimeWait
{
    /// <summary>A server that closes first leaves its side of the connection in TIME_WAIT on its
    /// port.</summary>
    public static async Task LeaveAsync(int port)
    {
        using Socket server = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        server.Bind(new IPEndPoint(IPAddress.Loopback, port));
        server.Listen();
        using Socket client = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await client.ConnectAsync(server.LocalEndPoint!).Within();
        using (Socket accepted = await server.AcceptAsync().Within())
        {
            accepted.Shutdown(SocketShutdown.Both);
        }

        byte[] nothing = new byte[1];
        (await client.ReceiveAsync(nothing).Within()).Should().Be(0);
        client.Shutdown(SocketShutdown.Both);
    }
}
