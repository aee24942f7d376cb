using System.Buffers.Binary;
using System.Diagnostics;
using System.Net.Sockets;
using Portmap.TestKit.Processes;

namespace Portmap.Rpc.Tests.Load;

/// <summary>The server of a load test, in a process of its own beside the crowd, and one connection
/// to ask it how it is.</summary>
internal sealed class LoadTarget : IAsyncDisposable
{
    private readonly ChildProcess _server;
    private readonly NetworkStream _stream;

    private LoadTarget(ChildProcess server, string folder)
    {
        _server = server;
        Folder = folder;
        _stream = new NetworkStream(Connect(PortmapEndpoint.Parse(LoadServer.Unix(folder))), ownsSocket: true);
    }

    public string Folder { get; }

    public static async Task<LoadTarget> StartAsync(string folder)
    {
        ProcessStartInfo start = new(LoadProgram.Command[0]);
        ChildProcess server = ChildProcess.Start(start, [.. LoadProgram.Command.Skip(1), LoadProgram.Serve, folder]);
        (await server.ReadLineAsync()).Should().Be("ready");
        return new LoadTarget(server, folder);
    }

    public static Socket Connect(PortmapEndpoint endpoint)
    {
        Socket socket = new(endpoint.Family, SocketType.Stream, ProtocolType.Unspecified);
        socket.Connect(endpoint.EndPoint);
        return socket;
    }

    public async Task<Vitals> AskAsync()
    {
        byte[] answer = await _stream.ExchangeAsync(Wire.Call(1, VitalsProgram.Id, 1));
        answer.AsSpan(0, 24).ToArray().Should().Equal(Wire.Success(1));
        return new Vitals(Number(24), Number(32), Number(40));

        long Number(int at) => BinaryPrimitives.ReadInt64BigEndian(answer.AsSpan(at));
    }

    /// <summary>Asks until nothing is registered and descriptors become no fewer: what a server at
    /// rest holds.</summary>
    public async Task<Vitals> RestAsync()
    {
        Vitals least = await AskAsync();
        for (int same = 0; same < 5;)
        {
            Vitals now = await AskAsync();
            bool isLess = now.Descriptors < least.Descriptors || now.Entries < least.Entries;
            least = now;
            same = isLess || now.Entries > 0 ? 0 : same + 1;
        }

        return least;
    }

    /// <summary>Asks until what is left is what there was before, for as long as a failure may
    /// take.</summary>
    public async Task<Vitals> SettleAsync(Vitals before)
    {
        using CancellationTokenSource end = Deadline.Source(Deadline.Default * 2);
        Vitals now;
        do
        {
            now = await AskAsync();
        }
        while ((now.Descriptors > before.Descriptors || now.Entries > before.Entries) && !end.IsCancellationRequested);

        return now;
    }

    public async ValueTask DisposeAsync()
    {
        await _stream.DisposeAsync();
        await _server.DisposeAsync();
    }
}
