using Portmap.Native;
using Portmap.Rpc.Calling;
using Portmap.Rpc.Peers;
using Portmap.Rpc.Programs;
using Portmap.Rpc.Serving;

namespace Portmap.Rpc.Tests;

/// <summary>A registry and the server's end of connections to it, in memory.</summary>
internal sealed class Harness : IAsyncDisposable
{
    private static readonly Trust s_trust = new(new PortmapServerOptions());

    /// <summary>A peer on a Unix socket: the kernel says it is this process.</summary>
    public static Peer Known => new("unix peer", Environment.ProcessId, Sight: null) { Trust = s_trust, IsUnix = true, UserId = PosixFile.OwnUserId };

    /// <summary>
    /// A peer on TCP loopback: this user's, and every process that lives has its socket.
    /// </summary>
    public static Peer Claiming => new("tcp peer", 0, new EverybodyHolds()) { Trust = s_trust };

    /// <summary>As <see cref="Known"/>, and every process that lives has its socket, as one that was
    /// forked has it.</summary>
    public static Peer Forked => Known with { Sight = new EverybodyHolds() };

    /// <summary>A peer on TCP of which the kernel knows nothing.</summary>
    public static Peer Unknown => new("remote peer", 0, Sight: null) { Trust = s_trust, AllowUnknownUser = true };

    private readonly CancellationTokenSource _stopping = new();
    private readonly List<(PairStream Client, PairStream Server, Task? Served)> _pairs = [];

    public Harness(PortmapServerOptions? options = null, PortRegistryOptions? registryOptions = null, TimeProvider? timeProvider = null, Action? nearlyFull = null)
    {
        registryOptions ??= new PortRegistryOptions { Ports = PortBlock.Take(20).ToString() };
        Registry = new PortRegistry(registryOptions, timeProvider: timeProvider);
        options ??= new PortmapServerOptions();
        Context = new ServerContext(Registry, options, Logs, timeProvider ?? TimeProvider.System);
        Programs = ServerPrograms.Of(Context, options.Programs);
        Connections = new ConnectionSet(Context, Programs, _stopping.Token) { NearlyFull = nearlyFull };
    }

    public PortRegistry Registry { get; }

    public ServerContext Context { get; }

    public ProgramTable Programs { get; }

    public ConnectionSet Connections { get; }

    public LogList Logs { get; } = new();

    /// <summary>How many bytes the server's ends have read in all.</summary>
    public long BytesRead
    {
        get
        {
            lock (_pairs)
            {
                return _pairs.Sum(pair => pair.Server.BytesRead);
            }
        }
    }

    /// <summary>Completes when the connection that was opened last has ended.</summary>
    public Task LastServed
    {
        get
        {
            lock (_pairs)
            {
                return _pairs[^1].Served!;
            }
        }
    }

    /// <summary>Opens a connection and serves its other end.</summary>
    public (PairStream Client, Task Served) Connect(Peer peer)
    {
        (PairStream client, Task? served) = TryConnect(peer);
        return (client, served ?? throw new InvalidOperationException("A limit of connections is reached."));
    }

    /// <summary>
    /// Opens a connection, which a limit may close at once: then nothing serves it.
    /// </summary>
    public (PairStream Client, Task? Served) TryConnect(Peer peer) => Serve(PairStream.Create(), peer);

    /// <summary>Opens a connection and shows its other end as well.</summary>
    public (PairStream Client, PairStream Server) OpenBoth()
    {
        (PairStream Client, PairStream Server) pair = PairStream.Create();
        Serve(pair, Known);
        return pair;
    }

    /// <summary>Opens a connection with a client at its end.</summary>
    public PortmapClient OpenClient(Peer? peer = null) =>
        PortmapClient.Over(Open(peer), PortmapEndpoint.Parse("unix:/in/memory"), _ => Task.FromResult(new RpcCaller(Open(peer), PortmapEndpoint.Parse("unix:/in/memory"), new PortmapClientOptions())));

    public PairStream Open(Peer? peer = null) => Connect(peer ?? Known).Client;

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        foreach ((PairStream client, _, _) in _pairs)
        {
            await client.DisposeAsync();
        }

        await Connections.EndAsync().Within();
        Connections.Dispose();
        await Registry.DisposeAsync().Within();
        _stopping.Dispose();
    }

    private sealed class EverybodyHolds : PeerSight
    {
        public override bool TryLook(out PeerSocket? socket)
        {
            socket = new PeerSocket(PosixFile.OwnUserId ?? 0, 1);
            return true;
        }

        public override bool? Holds(int processId, PeerSocket socket) => Directory.Exists($"/proc/{processId}");
    }

    private (PairStream Client, Task? Served) Serve((PairStream Client, PairStream Server) pair, Peer peer)
    {
        Task? served = Connections.Serve(pair.Server, peer);
        lock (_pairs)
        {
            _pairs.Add((pair.Client, pair.Server, served));
        }

        return (pair.Client, served);
    }
}
