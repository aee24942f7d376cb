using System.Net;
using System.Net.Sockets;
using Portmap.Etcd;
using Portmap.Etcd.Tests.Support;

namespace Portmap.AspNetCore.Tests;

/// <summary>A host of a fleet, at an address of its own, with a web server in this
/// process.</summary>
internal sealed class FleetHost : IAsyncDisposable
{
    private readonly string _name;
    private readonly IPAddress _address = PortBlock.TakeLoopback();
    private readonly PortRegistry _registry = new(new PortRegistryOptions { Ports = PortBlock.Take(4).ToString() });
    private readonly PortmapFleet _fleet;
    private readonly CancellationTokenSource _end = new();
    private readonly List<Socket> _listeners = [];

    private FleetHost(EtcdCluster etcd, string name)
    {
        _name = name;
        _fleet = new PortmapFleet(new PortmapFleetOptions { Endpoints = etcd.Endpoints, Host = name, Address = _address.ToString() }, _registry);
        _fleet.Start();
    }

    public static async Task<FleetHost> JoinAsync(EtcdCluster etcd, string name)
    {
        FleetHost host = new(etcd, name);
        await host._fleet.Map.WhenListed.Within();
        return host;
    }

    /// <summary>Answers "OWNER of HOST" to every request.</summary>
    public async Task ServeAsync(string owner)
    {
        Socket listener = new(SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(_address, PortBlock.TakeOne()));
        listener.Listen();
        _listeners.Add(listener);
        _ = AnswerAsync(listener, $"{owner} of {_name}");
        await _registry.OpenSession(Environment.ProcessId).RegisterAsync(new PortClaimRequest(owner, ((IPEndPoint)listener.LocalEndPoint!).Port)).AsTask().Within();
    }

    /// <summary>Gone, with all it serves.</summary>
    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        await _fleet.DisposeAsync().AsTask().Within();
        await _registry.DisposeAsync();
        _listeners.ForEach(listener => listener.Dispose());
    }

    private async Task AnswerAsync(Socket listener, string text)
    {
        byte[] answer = System.Text.Encoding.ASCII.GetBytes(FormattableString.Invariant($"HTTP/1.1 200 OK\r\nContent-Length: {text.Length}\r\nConnection: close\r\n\r\n{text}"));
        byte[] request = new byte[4_096];
        try
        {
            while (true)
            {
                using Socket client = await listener.AcceptAsync(_end.Token);
                int read = await client.ReceiveAsync(request, _end.Token);
                if (read > 0)
                {
                    await client.SendAsync(answer, _end.Token);
                    client.Shutdown(SocketShutdown.Send);
                    while (await client.ReceiveAsync(request, _end.Token) > 0)
                    {
                        // Until the other side is done: a close with unread bytes would be a reset.
                    }
                }
            }
        }
        catch (Exception exception) when (exception is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // The end of the host.
        }
    }
}
