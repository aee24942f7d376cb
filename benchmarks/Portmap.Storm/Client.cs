using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Portmap.Storm;

/// <summary>A client of a port: asks who serves it.</summary>
internal static class Client
{
    /// <returns>Whether the process that is meant to serve a port is the one that a client reaches
    /// there.</returns>
    public static async Task<bool> ReachesAsync(int port, int processId)
    {
        byte[] answer = new byte[16];
        try
        {
            using Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { LingerState = new LingerOption(true, 0) };
            await socket.ConnectAsync(new IPEndPoint(IPAddress.Loopback, port));
            int length = await socket.ReceiveAsync(answer);
            return Encoding.ASCII.GetString(answer, 0, length).Trim() == processId.ToString(CultureInfo.InvariantCulture);
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
