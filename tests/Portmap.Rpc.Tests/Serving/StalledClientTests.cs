using System.Net.Sockets;
using Portmap.Rpc.Protocol;

namespace Portmap.Rpc.Tests.Serving;

/// <summary>Clients that send and never read, at real sockets: they are read no more, and the
/// daemon's heap stays where it was.</summary>
[Collection(AloneCollection.Name)]
public sealed class StalledClientTests : AsyncTest
{
    private const long MaxGrowth = 2 * 1_048_576;

    /// <summary>Far more than the kernel's buffers of one connection hold: reached only when the
    /// daemon goes on reading.</summary>
    private const long TooMuch = 64 * 1_048_576;

    private readonly PortRegistry _registry = new(new PortRegistryOptions());

    public static TheoryData<string, byte[]> Calls { get; } = new()
    {
        { "DUMP, whose answer is five times as long", Wire.Call(7, Wire.GfDump, 1, new byte[8]) },
        { "a wait that is answered at once", Wire.Call(7, Wire.Portmap, PortmapProcedure.WaitForChange, Wire.Words(0, 5, 60_000)) },
        { "an endless wait", Wire.Call(7, Wire.Portmap, PortmapProcedure.WaitForChange, Wire.Words(0xffff_ffff, 0xffff_ffff, 60_000)) },
        { "a lookup", Wire.Call(7, Wire.Portmap, PortmapProcedure.Lookup, [.. Wire.Text("b1"), .. Wire.Words(0)]) },
    };

    public override ValueTask DisposeAsync() => _registry.DisposeAsync();

    [Theory]
    [MemberData(nameof(Calls))]
    public async Task Client_ThatSendsAndNeverReads_IsReadNoMoreAndTheHeapStays(string what, byte[] call)
    {
        await using PortmapServer server = new(_registry, new PortmapServerOptions { Endpoints = { $"tcp:{PortBlock.Loopback}:0" } });
        await server.StartAsync().Within();
        await using PortmapClient other = await PortmapClient.ConnectAsync(server.Endpoints[0]).Within();
        await other.RegisterAsync(new PortClaimRequest("b1", 49200)).Within();
        await PingAsync(other);
        byte[] batch = [.. Enumerable.Range(0, 1_000).SelectMany(_ => call)];
        long before = GC.GetTotalMemory(forceFullCollection: true);

        using Socket stalled = Connect(server.Endpoints[0]);
        long sent = await SendUntilNobodyReadsAsync(stalled, batch, other);

        sent.Should().BeLessThan(TooMuch, "{0}: whoever reads no answers is read no more", what);
        (GC.GetTotalMemory(forceFullCollection: true) - before).Should().BeLessThan(MaxGrowth);
        await PingAsync(other);
    }

    private static Socket Connect(PortmapEndpoint endpoint)
    {
        Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Connect(endpoint.EndPoint);
        socket.Blocking = false;
        return socket;
    }

    // Nobody reads when the kernel takes nothing more while another client is answered a hundred
    // times, several times over.
    private static async Task<long> SendUntilNobodyReadsAsync(Socket socket, byte[] batch, PortmapClient other)
    {
        long sent = 0;
        int at = 0;
        for (int still = 0; still < 5 && sent < TooMuch;)
        {
            int count = socket.Send(batch.AsSpan(at), SocketFlags.None, out SocketError error);
            if (error == SocketError.WouldBlock)
            {
                await PingAsync(other);
                still++;
                continue;
            }

            error.Should().Be(SocketError.Success);
            still = 0;
            sent += count;
            at = (at + count) % batch.Length;
        }

        return sent;
    }

    private static async Task PingAsync(PortmapClient client)
    {
        for (int i = 0; i < 100; i++)
        {
            await client.PingAsync().Within();
        }
    }
}
