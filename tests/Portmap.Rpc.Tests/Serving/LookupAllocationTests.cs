using System.Net.Sockets;
using Portmap.Rpc.Protocol;
using Portmap.TestKit.Processes;

namespace Portmap.Rpc.Tests.Serving;

/// <summary>What a lookup costs the heap, at a real socket: the client of these tests allocates nothing, so all that is allocated is the server's.</summary>
[Collection(AloneCollection.Name)]
public sealed class LookupAllocationTests : IAsyncDisposable
{
    private const int Outstanding = 256;

    private readonly TempFolder _folder = new();
    private readonly PortRegistry _registry = new(new PortRegistryOptions());

    public static TheoryData<string, byte[], int> Lookups { get; } = new()
    {
        { "PORTBYBRICK, 256 outstanding", Wire.Call(7, Wire.Gluster, 1, Wire.Text("/bricks/b1")), Outstanding },
        { "PORTBYBRICK of nobody", Wire.Call(7, Wire.Gluster, 1, Wire.Text("/bricks/none")), Outstanding },
        { "LOOKUP, 256 outstanding", Wire.Call(7, Wire.Portmap, PortmapProcedure.Lookup, [.. Wire.Text("/bricks/b1"), .. Wire.Words(0)]), Outstanding },
        { "PORTBYBRICK, one at a time", Wire.Call(7, Wire.Gluster, 1, Wire.Text("/bricks/b1")), 1 },
    };

    public async ValueTask DisposeAsync()
    {
        await _registry.DisposeAsync();
        _folder.Dispose();
    }

    [Theory]
    [MemberData(nameof(Lookups))]
    public async Task Lookup_ServedOverAndOver_AllocatesLessThanAByteEach(string what, byte[] call, int outstanding)
    {
        int lookups = outstanding == 1 ? 200_000 : 1_000_000;
        await using PortmapServer server = new(_registry, new PortmapServerOptions { Endpoints = { $"unix:{_folder["portmap.sock"]}" } });
        await server.StartAsync().Within();
        await using PortSession session = _registry.OpenSession(Environment.ProcessId);
        await session.RegisterAsync("/bricks/b1", 49200);
        using Socket client = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        client.Connect(server.Endpoints[0].EndPoint);
        client.ReceiveTimeout = (int)Deadline.Default.TotalMilliseconds;
        byte[] calls = [.. Enumerable.Repeat(call, outstanding).SelectMany(bytes => bytes)];
        byte[] answers = new byte[outstanding * AnswerBytes(client, call)];
        Exchange(client, calls, answers, rounds: 5_000 / outstanding); // what the first calls set up stays

        long before = GC.GetTotalAllocatedBytes(precise: true);
        Exchange(client, calls, answers, rounds: lookups / outstanding);

        long allocated = GC.GetTotalAllocatedBytes(precise: true) - before;
        ((double)allocated / lookups).Should().BeLessThanOrEqualTo(1, "{0}: {1} bytes for {2} lookups", what, allocated, lookups);
    }

    private static int AnswerBytes(Socket client, byte[] call)
    {
        byte[] first = new byte[4_096];
        client.Send(call);
        return client.Receive(first);
    }

    private static void Exchange(Socket client, byte[] calls, byte[] answers, int rounds)
    {
        for (int round = 0; round < rounds; round++)
        {
            client.Send(calls);
            for (int at = 0; at < answers.Length;)
            {
                at += client.Receive(answers, at, answers.Length - at, SocketFlags.None);
            }
        }
    }
}
