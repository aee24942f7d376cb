using System.Net.Sockets;
using Microsoft.Extensions.Time.Testing;
using Portmap.Rpc.Protocol;
using Portmap.TestKit.Processes;

namespace Portmap.Rpc.Tests.Serving;

/// <summary>What a lookup costs the heap, at a real socket: the client of these tests allocates nothing, so all that is allocated is the server's.</summary>
[Collection(AloneCollection.Name)]
public sealed class LookupAllocationTests : IAsyncDisposable
{
    private const int Outstanding = 256;
    private const int Million = 1_000_000;

    private readonly TempFolder _folder = new();

    // Its clock stands: passes of the reconciler read the system's tables, and what they allocate is no lookup's.
    private readonly PortRegistry _registry = new(new PortRegistryOptions(), timeProvider: new FakeTimeProvider(DateTimeOffset.UnixEpoch.AddYears(56)));

    public static TheoryData<string, byte[]> Lookups { get; } = new()
    {
        { "PORTBYBRICK, 256 outstanding", Wire.Call(7, Wire.Gluster, 1, Wire.Text("/bricks/b1")) },
        { "PORTBYBRICK of nobody", Wire.Call(7, Wire.Gluster, 1, Wire.Text("/bricks/none")) },
        { "LOOKUP, 256 outstanding", Wire.Call(7, Wire.Portmap, PortmapProcedure.Lookup, [.. Wire.Text("/bricks/b1"), .. Wire.Words(0)]) },
    };

    public async ValueTask DisposeAsync()
    {
        await _registry.DisposeAsync();
        _folder.Dispose();
    }

    [Theory]
    [MemberData(nameof(Lookups))]
    public async Task Lookup_ServedOverAndOver_AllocatesLessThanAByteEach(string what, byte[] call)
    {
        await using PortmapServer server = new(_registry, new PortmapServerOptions { Endpoints = { $"unix:{_folder["portmap.sock"]}" } });
        await server.StartAsync().Within();
        await using PortSession session = _registry.OpenSession(Environment.ProcessId);
        await session.RegisterAsync("/bricks/b1", 49200);
        using Socket client = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        client.Connect(server.Endpoints[0].EndPoint);
        client.ReceiveTimeout = (int)Deadline.Default.TotalMilliseconds;
        byte[] calls = [.. Enumerable.Repeat(call, Outstanding).SelectMany(bytes => bytes)];
        byte[] answers = new byte[Outstanding * AnswerBytes(client, call)];
        Exchange(client, calls, answers, rounds: 5_000 / Outstanding); // what the first calls set up stays

        long before = GC.GetTotalAllocatedBytes(precise: true);
        Exchange(client, calls, answers, rounds: Million / Outstanding);

        long allocated = GC.GetTotalAllocatedBytes(precise: true) - before;
        ((double)allocated / Million).Should().BeLessThanOrEqualTo(1, "{0}: {1} bytes for {2} lookups", what, allocated, Million);
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
