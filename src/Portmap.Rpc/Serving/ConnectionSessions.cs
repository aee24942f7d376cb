using System.Globalization;

namespace Portmap.Rpc.Serving;

/// <summary>The registry's sessions of one connection, one for each process that speaks over it, and the owners that were registered over them.</summary>
/// <remarks>
/// A process that is claimed counts when it has the peer's socket (<see cref="Peer.Resolve"/>), so one connection may speak for several: for those that
/// were forked. Who claims none speaks for the process of the last claim that was not refused (GlusterFS signs in "B.rdma" with pid 0 right after B), at
/// first for the one that the kernel names. What a process is, is read once, when its session is opened: a process signs thousands of bricks in. Used by
/// one call at a time.
/// </remarks>
internal sealed class ConnectionSessions(ServerContext context, Peer peer, Action nobodyIsLeft) : IAsyncDisposable
{
    /// <summary>At the limit all owners are walked for those that have ended; not more often than this, or each refused call would cost a walk.</summary>
    private static readonly TimeSpan s_walkInterval = TimeSpan.FromSeconds(1);

    private readonly Dictionary<int, PortSession> _sessions = [];
    private readonly Dictionary<(string Owner, PortProtocol Protocol), PortSession> _owners = [];
    private int? _lastClaim;
    private int _living;
    private long? _walkedAt;

    /// <summary>Whether nobody has registered anything over the connection, or it was all given back.</summary>
    public bool IsEmpty => _owners.Count == 0;

    /// <summary>Acquires for whoever is at the other end: it and its user may use the lease.</summary>
    public ValueTask<PortLease> AcquireAsync(PortRequest request) =>
        SessionOf(claimedProcessId: 0, request.Owner).AcquireAsync(request, CancellationToken.None);

    public async ValueTask<PortEntry> RegisterAsync(string owner, int port, long epoch, PortProtocol protocol, int claimedProcessId)
    {
        PortSession session = SessionOf(claimedProcessId, owner);
        MakeRoomFor(owner, port, protocol);

        // No token: a change that was begun is completed, whether somebody waits for the answer or not.
        PortEntry entry = await session.RegisterAsync(owner, port, epoch, protocol, CancellationToken.None).ConfigureAwait(false);
        _owners[(owner, protocol)] = session;
        NoteClaim(claimedProcessId, session);
        return entry;
    }

    public async ValueTask ReleaseAsync(string owner, int port, long epoch, PortProtocol protocol)
    {
        PortSession session = _owners.GetValueOrDefault((owner, protocol)) ?? SessionOf(claimedProcessId: 0, owner);
        await session.ReleaseAsync(owner, port, epoch, protocol, CancellationToken.None).ConfigureAwait(false);
        _owners.Remove((owner, protocol));
    }

    public async ValueTask<PortLease> ReportBindFailureAsync(string owner, int port, long epoch, PortProtocol protocol, int claimedProcessId)
    {
        // A lease of one number on both protocols is found by either.
        PortProtocol either = protocol == PortProtocol.TcpAndUdp ? PortProtocol.Tcp : protocol;
        PortSession session = SessionOf(claimedProcessId, owner);
        PortLease lease = await session.ReportBindFailureAsync(owner, port, epoch, either, CancellationToken.None).ConfigureAwait(false);
        NoteClaim(claimedProcessId, session);
        return lease;
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

    // One that has a session was looked at then.
    private PortSession SessionOf(int claimedProcessId, string owner)
    {
        int process = claimedProcessId <= 0 ? _lastClaim ?? peer.ProcessId
            : _sessions.ContainsKey(claimedProcessId) ? claimedProcessId
            : peer.Resolve(claimedProcessId);
        return _sessions.TryGetValue(process, out PortSession? session) ? session : Open(process, owner);
    }

    // A refused call leaves nothing behind that a later one could speak for.
    private void NoteClaim(int claimedProcessId, PortSession session)
    {
        if (claimedProcessId > 0)
        {
            _lastClaim = session.ProcessId;
        }
    }

    private PortSession Open(int process, string owner)
    {
        int limit = context.Limits.OwnersPerSession;
        if (_sessions.Count >= limit)
        {
            throw TooMany(string.Create(CultureInfo.InvariantCulture, $"This connection speaks for {limit} processes, which is its limit (MaxOwnersPerSession); use another one."), owner);
        }

        PortSession session = context.Registry.OpenSession(process, peer.UserId);
        _sessions.Add(process, session);
        Interlocked.Increment(ref _living);
        _ = EndWithAsync(session);
        return session;
    }

    /// <summary>When every process that spoke over the connection is dead, whoever holds its socket now, a child that was forked, is not known here: it has to connect anew.</summary>
    private async Task EndWithAsync(PortSession session)
    {
        await session.Ended.ConfigureAwait(false);
        if (Interlocked.Decrement(ref _living) == 0)
        {
            nobodyIsLeft();
        }
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
