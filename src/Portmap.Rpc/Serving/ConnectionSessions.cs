using System.Globalization;

namespace Portmap.Rpc.Serving;

/// <summary>The registry's sessions of one connection, one for each process that speaks over it, and the owners that were registered over them.</summary>
/// <remarks>
/// Over a Unix socket that is one process, the one the kernel names. Over TCP a process id is a claim, and one connection might speak for several; who
/// claims none there speaks for the process that was claimed last (GlusterFS signs in "B.rdma" with pid 0 right after B). What a process is, is read
/// once, when its session is opened: a process signs thousands of bricks in. Used by one call at a time.
/// </remarks>
internal sealed class ConnectionSessions(ServerContext context, Peer peer) : IAsyncDisposable
{
    /// <summary>At the limit all owners are walked for those that have ended; not more often than this, or each refused call would cost a walk.</summary>
    private static readonly TimeSpan s_walkInterval = TimeSpan.FromSeconds(1);

    private readonly Dictionary<int, PortSession> _sessions = [];
    private readonly Dictionary<(string Owner, PortProtocol Protocol), PortSession> _owners = [];
    private int _lastClaim;
    private long? _walkedAt;

    /// <summary>Whether nobody has changed anything over the connection yet.</summary>
    public bool IsEmpty => _sessions.Count == 0;

    public async ValueTask<PortEntry> RegisterAsync(string owner, int port, long epoch, PortProtocol protocol, int claimedProcessId)
    {
        PortSession session = SessionOf(claimedProcessId, owner);
        MakeRoomFor(owner, port, protocol);

        // No token: a change that was begun is completed, whether somebody waits for the answer or not.
        PortEntry entry = await session.RegisterAsync(owner, port, epoch, protocol, CancellationToken.None).ConfigureAwait(false);
        _owners[(owner, protocol)] = session;
        return entry;
    }

    public async ValueTask ReleaseAsync(string owner, int port, long epoch, PortProtocol protocol)
    {
        PortSession session = _owners.GetValueOrDefault((owner, protocol)) ?? SessionOf(claimedProcessId: 0, owner);
        await session.ReleaseAsync(owner, port, epoch, protocol, CancellationToken.None).ConfigureAwait(false);
        _owners.Remove((owner, protocol));
    }

    public ValueTask<PortLease> ReportBindFailureAsync(string owner, int port, long epoch, PortProtocol protocol, int claimedProcessId)
    {
        // A lease of one number on both protocols is found by either.
        PortProtocol either = protocol == PortProtocol.TcpAndUdp ? PortProtocol.Tcp : protocol;
        return SessionOf(claimedProcessId, owner).ReportBindFailureAsync(owner, port, epoch, either, CancellationToken.None);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (PortSession session in _sessions.Values)
        {
            await session.DisposeAsync().ConfigureAwait(false);
        }

        _sessions.Clear();
        _owners.Clear();
    }

    private PortSession SessionOf(int claimedProcessId, string owner)
    {
        int process = peer.ProcessId != 0 ? peer.ProcessId : claimedProcessId;
        if (process <= 0 || !_sessions.TryGetValue(process, out PortSession? session))
        {
            process = peer.Resolve(claimedProcessId);
            process = process == 0 ? _lastClaim : process;
            if (!_sessions.TryGetValue(process, out session))
            {
                session = Open(process, owner);
            }
        }

        _lastClaim = session.ProcessId;
        return session;
    }

    private PortSession Open(int process, string owner)
    {
        int limit = context.Limits.OwnersPerSession;
        if (_sessions.Count >= limit)
        {
            throw TooMany(string.Create(CultureInfo.InvariantCulture, $"This connection speaks for {limit} processes, which is its limit (MaxOwnersPerSession); use another one."), owner);
        }

        PortSession session = context.Registry.OpenSession(process);
        _sessions.Add(process, session);
        return session;
    }

    private void MakeRoomFor(string owner, int port, PortProtocol protocol)
    {
        int limit = context.Limits.OwnersPerSession;
        if (_owners.Count < limit || _owners.ContainsKey((owner, protocol)))
        {
            return;
        }

        // Registrations also end without a word over this connection; only those that still stand count.
        if (_walkedAt is not { } walked || context.TimeProvider.GetElapsedTime(walked) >= s_walkInterval)
        {
            _walkedAt = context.TimeProvider.GetTimestamp();
            foreach ((string Owner, PortProtocol Protocol) one in _owners.Keys)
            {
                if (!context.Registry.TryGetEntry(one.Owner, out _, one.Protocol))
                {
                    _owners.Remove(one);
                }
            }
        }

        if (_owners.Count >= limit)
        {
            throw TooMany(
                string.Create(CultureInfo.InvariantCulture, $"{limit} owners are registered over this connection, which is its limit (MaxOwnersPerSession); release one, or sign in over another connection."),
                owner,
                port,
                protocol);
        }
    }

    private static PortRefusedException TooMany(string message, string owner, int port = 0, PortProtocol protocol = PortProtocol.Tcp) =>
        new(PortRefusal.Create(PortRefusalReason.TooManyOwners, message, owner, port, protocol));
}
