using Portmap.Rpc.Serving;

namespace Portmap.Rpc.Tests;

/// <summary>A registry and the server's end of connections to it, in memory.</summary>
internal sealed class Harness : IAsyncDisposable
{
    /// <summary>A peer on a Unix socket: the kernel says it is this process.</summary>
    public static readonly Peer Known = new("unix peer", Environment.ProcessId, MayClaimProcess: false);

    /// <summary>A peer on TCP loopback: nobody knows, and it may say.</summary>
    public static readonly Peer Claiming = new("tcp peer", 0, MayClaimProcess: true);

    private readonly CancellationTokenSource _stopping = new();
    private readonly List<Task> _running = [];
    private readonly List<PairStream> _clients = [];

    public Harness(PortmapServerOptions? options = null, PortRegistryOptions? registryOptions = null, TimeProvider? timeProvider = null)
    {
        registryOptions ??= new PortRegistryOptions { Ports = PortBlock.Take(20).ToString() };
        Registry = new PortRegistry(registryOptions, timeProvider: timeProvider);
        Context = ServerContext.Create(Registry, options ?? new PortmapServerOptions(), Logs, timeProvider ?? TimeProvider.System);
    }

    public PortRegistry Registry { get; }

    public ServerContext Context { get; }

    public LogList Logs { get; } = new();

    /// <summary>Opens a connection and serves its other end.</summary>
    public (PairStream Client, Task Served) Connect(Peer peer) => Serve(PairStream.Create(), peer);

    /// <summary>Opens a connection and shows its other end as well.</summary>
    public (PairStream Client, PairStream Server) OpenBoth()
    {
        (PairStream Client, PairStream Server) pair = PairStream.Create();
        Serve(pair, Known);
        return pair;
    }

    /// <summary>Opens a connection with a client at its end.</summary>
    public PortmapClient OpenClient(Peer? peer = null) => PortmapClient.Over(Open(peer), PortmapEndpoint.Parse("unix:/in/memory"));

    public PairStream Open(Peer? peer = null) => Connect(peer ?? Known).Client;

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        foreach (PairStream client in _clients)
        {
            await client.DisposeAsync();
        }

        await Task.WhenAll(_running).Within();
        await Registry.DisposeAsync().Within();
        _stopping.Dispose();
    }

    private (PairStream Client, Task Served) Serve((PairStream Client, PairStream Server) pair, Peer peer)
    {
        Task served = ServeAsync(new RpcConnection(Context, pair.Server, peer, _stopping.Token));
        _running.Add(served);
        _clients.Add(pair.Client);
        return (pair.Client, served);
    }

    private static async Task ServeAsync(RpcConnection connection)
    {
        using (connection)
        {
            await connection.RunAsync();
        }
    }
}
