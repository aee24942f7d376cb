using System.Net;
using System.Net.Sockets;

namespace ManagementDaemon.Demo;

/// <summary>A client of a worker: connects and reads the one line it is answered with.</summary>
internal static class LineClient
{
    public static async Task<string> AskAsync(int port, CancellationToken cancellationToken)
    {
        using TcpClient client = new(AddressFamily.InterNetwork);
        await client.ConnectAsync(IPAddress.Loopback, port, cancellationToken);
        using StreamReader reader = new(client.GetStream());
        return await reader.ReadLineAsync(cancellationToken) ?? throw new DemoFailedException($"port {port} closed the connection without an answer.");
    }
}
