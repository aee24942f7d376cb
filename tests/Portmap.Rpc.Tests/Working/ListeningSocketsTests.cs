using System.Net.Sockets;
using Portmap.Rpc.Working;

namespace Portmap.Rpc.Tests.Working;

/// <summary>What a worker's sockets are to their clients.</summary>
public sealed class ListeningSocketsTests
{
    private const int Clients = 20;

    [Fact]
    public async Task TryOpen_NobodyAccepts_AsManyConnectAsTheBacklogSays()
    {
        var settings = WorkerSettings.Resolve(new WorkerPortOptions { Owner = "b1", Address = PortBlock.Loopback, Backlog = 2 * Clients });
        using ListeningSockets sockets = ListeningSockets.TryOpen(settings, PortBlock.TakeOne(), isInsisted: true, beforeBind: null, out _)!;
        TcpClient[] clients = [.. Enumerable.Range(0, Clients).Select(_ => new TcpClient())];

        await Task.WhenAll(clients.Select(client => client.ConnectAsync(PortBlock.Loopback, sockets.Port))).Within();

        Array.ForEach(clients, client => client.Dispose());
    }
}
