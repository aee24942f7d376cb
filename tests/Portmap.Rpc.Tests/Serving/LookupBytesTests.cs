using System.Net.Sockets;

namespace Portmap.Rpc.Tests.Serving;

/// <summary>What the server allocates for the one call that clients repeat for ever. The figure is the whole process's, so nothing runs beside it.</summary>
[Collection(nameof(Alone))]
public sealed class LookupBytesTests
{
    private const int Batch = 256;
    private const int Lookups = 1_000_000;
    private const int ReplyBytes = 4 + 24 + 16;

    [Fact]
    public async Task PortByBrick_AMillionTimes_AllocatesAtMostAByteEach()
    {
        await using PortRegistry registry = new(new PortRegistryOptions { Ports = PortBlock.Take(2).ToString() });
        PortmapServerOptions options = new();
        options.Endpoints.Add($"tcp:{PortBlock.Loopback}:0");
        await using PortmapServer server = new(registry, options);
        await server.StartAsync().Within();
        await registry.OpenSession(Environment.ProcessId).RegisterAsync("/bricks/b1", 49200).Within();
        using Socket client = new(SocketType.Stream, ProtocolType.Tcp) { ReceiveTimeout = (int)Deadline.Default.TotalMilliseconds };
        await client.ConnectAsync(PortBlock.Loopback, server.Endpoints[0].Address!.Port).Within();

        Ask(client, Lookups / 4); // every buffer has its size, and the code is compiled for good
        long all = GC.GetTotalAllocatedBytes(precise: true), own = GC.GetAllocatedBytesForCurrentThread();
        Ask(client, Lookups);
        own = GC.GetAllocatedBytesForCurrentThread() - own;
        all = GC.GetTotalAllocatedBytes(precise: true) - all;

        ((all - own) / (double)Lookups).Should().BeLessThanOrEqualTo(1, "{0} bytes were allocated in all and {1} of them by the client", all, own);
    }

    // The client is this thread, from the first line to the last, so that what it allocates itself can be told apart.
    private static void Ask(Socket client, int lookups)
    {
        byte[] calls = [.. Enumerable.Range(0, Batch).SelectMany(xid => Wire.Call((uint)xid, Wire.Gluster, 1, Wire.Text("/bricks/b1")))];
        byte[] expected = [.. Enumerable.Range(0, Batch).SelectMany(xid => Wire.Record(Wire.Success((uint)xid, Wire.Words(0, 0, 0, 49200))))];
        byte[] replies = new byte[Batch * ReplyBytes];
        for (int asked = 0; asked < lookups; asked += Batch)
        {
            client.Send(calls);
            for (int have = 0; have < replies.Length;)
            {
                int count = client.Receive(replies, have, replies.Length - have, SocketFlags.None);
                Assert.NotEqual(0, count);
                have += count;
            }

            if (!replies.AsSpan().SequenceEqual(expected))
            {
                replies.Should().Equal(expected);
            }
        }
    }
}
