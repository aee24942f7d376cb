using System.Net;
using System.Net.Sockets;

namespace Portmap.Integration.Tests;

/// <summary>A client of a worker: connects and reads the one line it is answered with.</summary>
internal static class Line
{
    public static async Task<string?> FromAsync(int port)
    {
        using TcpClient client = new(AddressFamily.InterNetwork);
        await client.ConnectAsync(IPAddress.Loopback, port).Within();
        using StreamReader reader = new(client.GetStream());
        return await reader.ReadLineAsync().Within();
    }
}
