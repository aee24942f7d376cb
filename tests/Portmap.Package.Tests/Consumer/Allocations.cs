using System.Buffers.Binary;
using System.Globalization;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Text;
using Portmap;
using Portmap.Rpc;

namespace Consumer;

/// <summary>Measures what lookups allocate, in a process in which nothing else happens. It prints
/// "NAME BYTES LOOKUPS" for each kind.</summary>
/// <remarks> The figure is the smallest of several batches. What is set up once, such as a buffer
/// that grows or a thread that starts, falls into some of the batches. What a lookup allocates
/// falls into all of them.
/// </remarks>
internal static class Allocations
{
    private const int Batches = 8;
    private const int Outstanding = 256;
    private const int ExchangesOfABatch = 400;
    private const int LookupsOfABatch = 100_000;
    private const string Owner = "/bricks/b1";
    private const uint Gluster = 34123456, PortByBrick = 1, PortmapProgram = 0x20504D50, Lookup = 5;

    /// <summary>Measures every kind, and last a kind that allocates on purpose: whoever reads the
    /// figures must find it.</summary>
    public static async Task<int> RunAsync(string socket)
    {
        // No pass comes: it would end the entry, on whose port nobody listens, before a slow machine is
        // through.
        await using PortRegistry registry = new(new PortRegistryOptions { ReconcileInterval = TimeSpan.FromHours(24) });
        await using PortmapServer server = new(registry, new PortmapServerOptions { Endpoints = { "unix:" + socket } });
        await server.StartAsync();
        await using PortSession session = registry.OpenSession(Environment.ProcessId);
        PortEntry entry = await session.RegisterAsync(new PortClaimRequest(Owner, 49200));

        Measure("TryGetPort", () => registry.TryGetPort(Owner, out _));
        Measure("TryGetPort-span", () => registry.TryGetPort(Owner.AsSpan(), out _));
        Measure("TryGetPort-nobody", () => !registry.TryGetPort("/bricks/none", out _));
        Measure("TryGetEntry-owner", () => registry.TryGetEntry(Owner, out _));
        Measure("TryGetEntry-owner-nobody", () => !registry.TryGetEntry("/bricks/none".AsSpan(), out _));
        Measure("TryGetEntry-port", () => registry.TryGetEntry(entry.Port, out _));
        Measure("TryGetEntry-port-nobody", () => !registry.TryGetEntry(49201, out _));
        Exchange("PORTBYBRICK", socket, Call(Gluster, PortByBrick, Text(Owner)), found: true);
        Exchange("PORTBYBRICK-nobody", socket, Call(Gluster, PortByBrick, Text("/bricks/none")), found: false);
        Exchange("LOOKUP", socket, Call(PortmapProgram, Lookup, [.. Text(Owner), .. Words(0)]), found: true);
        Exchange("LOOKUP-nobody", socket, Call(PortmapProgram, Lookup, [.. Text("/bricks/none"), .. Words(0)]), found: false);

        // The control: one object for each lookup, and one for each exchange of 256.
        object? kept = null;
        Measure("control-lookup", () => (kept = new object()) is not null);
        Exchange("control-exchange", socket, Call(Gluster, PortByBrick, Text(Owner)), found: true, beside: () => kept = new object());
        GC.KeepAlive(kept);
        return 0;
    }

    private static void Measure(string name, Func<bool> lookup)
    {
        long least = long.MaxValue;
        for (int batch = 0; batch < Batches; batch++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            int right = Repeat(lookup);
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
            Check(name, right == LookupsOfABatch);
        }

        Print(name, least, LookupsOfABatch);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static int Repeat(Func<bool> lookup)
    {
        int right = 0;
        for (int i = 0; i < LookupsOfABatch; i++)
        {
            right += lookup() ? 1 : 0;
        }

        return right;
    }

    // The client's calls are blocking and allocate nothing, so that all that is allocated is the
    // server's.
    private static void Exchange(string name, string socket, byte[] call, bool found, Action? beside = null)
    {
        using Socket client = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        client.Connect(new UnixDomainSocketEndPoint(socket));
        byte[] answer = FirstAnswer(client, call);
        Check(name, IsFound(call, answer) == found);
        byte[] calls = [.. Enumerable.Repeat(call, Outstanding).SelectMany(bytes => bytes)];
        byte[] expected = [.. Enumerable.Repeat(answer, Outstanding).SelectMany(bytes => bytes)];
        byte[] answers = new byte[expected.Length];
        long least = long.MaxValue;
        for (int batch = 0; batch < Batches; batch++)
        {
            long before = GC.GetTotalAllocatedBytes(precise: true);
            for (int i = 0; i < ExchangesOfABatch; i++)
            {
                client.Send(calls);
                for (int at = 0; at < answers.Length;)
                {
                    int count = client.Receive(answers, at, answers.Length - at, SocketFlags.None);
                    Check(name, count > 0);
                    at += count;
                }

                Check(name, answers.AsSpan().SequenceEqual(expected));
                beside?.Invoke();
            }

            least = Math.Min(least, GC.GetTotalAllocatedBytes(precise: true) - before);
        }

        Print(name, least, ExchangesOfABatch * Outstanding);
    }

    private static byte[] FirstAnswer(Socket client, byte[] call)
    {
        client.Send(call);
        byte[] buffer = new byte[4_096];
        int count = client.Receive(buffer);
        return buffer[..count];
    }

    // After the record mark and the 24 bytes of an accepted reply stands op_ret for Gluster, and
    // whether there is an entry for ours: 0 and 1.
    private static bool IsFound(byte[] call, byte[] answer)
    {
        uint result = BinaryPrimitives.ReadUInt32BigEndian(answer.AsSpan(4 + 24));
        return BinaryPrimitives.ReadUInt32BigEndian(call.AsSpan(4 + 12)) == Gluster ? result == 0 : result == 1;
    }

    private static byte[] Call(uint program, uint procedure, byte[] arguments)
    {
        byte[] body = [.. Words(7, 0, 2, program, 1, procedure, 0, 0, 0, 0), .. arguments];
        return [.. Words(0x80000000u | (uint)body.Length), .. body];
    }

    private static byte[] Text(string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text), padded = new byte[(bytes.Length + 3) / 4 * 4];
        bytes.CopyTo(padded, 0);
        return [.. Words((uint)bytes.Length), .. padded];
    }

    private static byte[] Words(params uint[] words)
    {
        byte[] bytes = new byte[words.Length * 4];
        for (int i = 0; i < words.Length; i++)
        {
            BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(i * 4), words[i]);
        }

        return bytes;
    }

    private static void Check(string name, bool isRight)
    {
        if (!isRight)
        {
            throw new InvalidOperationException($"{name}: a lookup was answered wrongly.");
        }
    }

    private static void Print(string name, long bytes, int lookups) => Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name} {bytes} {lookups}"));
}
