using System.Globalization;
using Portmap.Rpc.Peers;
using Portmap.Rpc.Protocol;

namespace Portmap.Rpc.Serving;

/// <summary>
/// The registry's sessions of one connection, one for each process that speaks over it, and the
/// owners that were registered over them.
/// </summary>
/// <remarks>
/// A process that is claimed counts when it has the peer's socket (<see cref="Peer.Resolve"/>), so
/// one connection may speak for several: for those that were forked. Who claims none speaks for the
/// process of the last claim that was not refused (GlusterFS signs in "B.rdma" with pid 0 right
/// after B), at first for the one that the kernel names. What a process is, is read once, when its
/// session is opened: a process signs thousands of bricks in. Where the number that the kernel
/// names is another process' by then, who speaks is not known. Used by one call at a time.
/// </remarks>
internal sealed class ConnectionSessions(ServerContext context, Peer peer, Action nobodyIsLeft) : IAsyncDisposable
{
    private readonly Dictionary<int, PortSession> _sessions = [];
    private readonly Dictionary<(string Owner, PortProtocol Protocol), PortSession> _owners = [];
    private OwnerShare? _share;
    private OwnerShare? _user;
    private int? _lastClaim;
    private int _living;

    /// <summary>Completes when the connection has ended; made with its first session.</summary>
    private TaskCompletionSource? _closed;

    /// <summary>
    /// Whether nobody has registered anything over the connection, or it was all given back.
    /// </summary>
    public bool IsEmpty => _owners.Count == 0;

    /// <summary>
    /// Acquires for whoever is at the other end: it and its user may use the lease.
    /// </summary>
    public ValueTask<PortLease> AcquireAsync(PortRequest request)
    {
        PortSession session = SessionOf(claimedProcessId: 0, request.Owner);
        return WithinSharesAsync(
            request.Owner, port: 0, request.Protocol, () => session.AcquireAsync(request, CancellationToken.None), static lease => (lease.Epoch, lease.Port, true));
    }

    /// <inheritdoc cref="AcquireAsync"/>
    public async ValueTask<IReadOnlyList<PortLease>> AcquireAllAsync(PortRequest[] requests, bool contiguous)
    {
        if (requests.Length == 0)
        {
            return [];
        }

        PortSession session = SessionOf(claimedProcessId: 0, requests[0].Owner);
        using SharedAsk ask = new(Share, User);
        for (int i = 0; i < requests.Length; i++)
        {
            ask.Begin(requests[i], i, requests.Length);
        }

        IReadOnlyList<PortLease> leases = await session.AcquireAllAsync(requests, contiguous, CancellationToken.None).ConfigureAwait(false);
        ask.Grant(leases);
        return leases;
    }

    public async ValueTask<PortEntry> RegisterAsync(PortClaimRequest request, int claimedProcessId)
    {
        PortSession session = SessionOf(claimedProcessId, request.Owner);

        // No token: a change that was begun is completed, whether somebody waits for the answer or
        // not.
        PortEntry entry = await WithinSharesAsync(
            request.Owner,
            request.Port ?? 0,
            request.Protocol,
            () => session.RegisterAsync(request, CancellationToken.None),
            static entry => (entry.Epoch ?? 0, entry.Port, false)).ConfigureAwait(false);
        _owners[(request.Owner, request.Protocol)] = session;
        NoteClaim(claimedProcessId, session);
        return entry;
    }

    public async ValueTask ReleaseAsync(PortClaimRequest request)
    {
        (string owner, PortProtocol protocol) = (request.Owner, request.Protocol);
        PortSession session = _owners.GetValueOrDefault((owner, protocol)) ?? SessionOf(claimedProcessId: 0, owner);
        await session.ReleaseAsync(request, CancellationToken.None).ConfigureAwait(false);
        if (!IsRegistered(owner, protocol, session))
        {
            _owners.Remove((owner, protocol));
        }

        foreach (PortProtocol one in SingleProtocols.Of(protocol))
        {
            Share.Look(owner, one);
            User?.Look(owner, one);
        }
    }

    /// <summary>The process that an owner was registered for over this connection; null when it was
    /// not, or was given back.</summary>
    public int? ProcessOf(string owner, PortProtocol protocol) => _owners.GetValueOrDefault((owner, protocol))?.ProcessId;

    public async ValueTask<PortLease> ReportBindFailureAsync(PortClaimRequest request, int claimedProcessId)
    {
        PortSession session = SessionOf(claimedProcessId, request.Owner);
        PortLease lease = await WithinSharesAsync(
            request.Owner,
            port: 0,
            request.Protocol,
            () => session.ReportBindFailureAsync(request, CancellationToken.None),
            static lease => (lease.Epoch, lease.Port, true)).ConfigureAwait(false);
        NoteClaim(claimedProcessId, session);
        return lease;
    }

    public async ValueTask<PortLease> ExtendAsync(PortClaimRequest request, int claimedProcessId, TimeSpan time)
    {
        PortClaimRequest either = request with { Protocol = SingleProtocols.Of(request.Protocol)[0] };   // a lease of one number on both protocols is found by either
        PortSession session = SessionOf(claimedProcessId, request.Owner);
        PortLease lease = await session.ExtendAsync(either, time, CancellationToken.None).ConfigureAwait(false);
        NoteClaim(claimedProcessId, session);
        return lease;
    }

    public async ValueTask DisposeAsync()
    {
        _closed?.TrySetResult();
        if (_user is not null)
        {
            NoteDisconnected(_user);
            context.Users.Leave(_user);
            _user = null;
        }

        foreach (PortSession session in _sessions.Values)
        {
            await session.DisposeAsync().ConfigureAwait(false);
        }

        _sessions.Clear();
        _owners.Clear();
    }

    // Before the sessions end: what was not noted could be asked for once more.
    private void NoteDisconnected(OwnerShare user)
    {
        foreach (((string owner, PortProtocol protocol), PortSession session) in _owners)
        {
            foreach (PortProtocol one in SingleProtocols.Of(protocol))
            {
                if (IsRegistered(owner, one, session))
                {
                    user.NoteDisconnected(owner, one, session.Ended);
                }
            }
        }
    }

    // What was released may have been something else, or over already.
    private bool IsRegistered(string owner, PortProtocol protocol, PortSession by) =>
        context.Registry.TryGetEntry(owner, out PortEntry entry, protocol) && entry.State == PortState.Bound && entry.ProcessId == by.ProcessId;

    /// <summary>
    /// What is held over this connection: owners that were registered, and leases that were
    /// acquired.
    /// </summary>
    private OwnerShare Share => _share ??= new OwnerShare(context.Registry, context.TimeProvider, new ShareLimits
    {
        Owners = context.Limits.OwnersPerSession,
        OwnersName = nameof(PortmapServerOptions.MaxOwnersPerSession),
        By = "over this connection",
        Remedy = "release one, or use another connection",
        Forgotten = (owner, protocol) => _owners.Remove((owner, protocol)),
    });

    /// <summary>What the peer's user holds over all its connections; null when it is not
    /// counted.</summary>
    private OwnerShare? User => _user ??= context.Users.Join(peer);

    // One that has a session was looked at then.
    private PortSession SessionOf(int claimedProcessId, string owner)
    {
        int process = claimedProcessId <= 0 ? _lastClaim ?? peer.ProcessId
            : _sessions.ContainsKey(claimedProcessId) ? claimedProcessId
            : peer.Resolve(claimedProcessId);
        if (process == peer.ProcessId && !_sessions.ContainsKey(process))
        {
            // By a guess it would be one process now and another one from the next call on.
            process = peer.HasItsNumber switch
            {
                true => process,
                false => 0,
                null => throw new PortRefusedException(new PortRefusal(
                    PortRefusalReason.LimitReached,
                    "The daemon has no descriptor left to look at the process that calls (ulimit -n, LimitNOFILE= of systemd). Try again, or give it more.")
                { Owner = owner }),
            };
        }

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

        PortSession session = context.Registry.OpenSession(process == 0 ? null : process, peer.UserId);
        _sessions.Add(process, session);
        Interlocked.Increment(ref _living);
        _closed ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _ = EndWithAsync(session, _closed.Task);
        return session;
    }

    /// <summary>
    /// When every process that spoke over the connection is dead, whoever holds its socket now, a
    /// child that was forked, is not known here: it has to connect anew.
    /// </summary>
    /// <remarks>
    /// A session lives on through its grace when the connection has ended. It must not keep the
    /// connection, with all its buffers, in memory that long.
    /// </remarks>
    private async Task EndWithAsync(PortSession session, Task closed)
    {
        Task ended = session.Ended;
        await Task.WhenAny(ended, closed).ConfigureAwait(false);
        if (ended.IsCompleted && Interlocked.Decrement(ref _living) == 0)
        {
            nobodyIsLeft();
        }
    }

    /// <summary>
    /// Makes a change that gives somebody an owner, if the shares of the connection and of its user
    /// have room for it.
    /// </summary>
    private async ValueTask<T> WithinSharesAsync<T>(string owner, int port, PortProtocol protocol, Func<ValueTask<T>> change, Func<T, (long Epoch, int Port, bool IsLease)> claim)
    {
        PortProtocol[] protocols = SingleProtocols.Of(protocol);
        OwnerShare? user = User;
        (long epoch, int given, bool isLease) = (0, 0, false);
        List<(OwnerShare Share, PortProtocol Protocol)> begun = new(4);
        try
        {
            foreach (PortProtocol one in protocols)
            {
                Begin(Share, one);
                if (user is not null)
                {
                    Begin(user, one);
                }
            }

            T result = await change().ConfigureAwait(false);
            (epoch, given, isLease) = claim(result);
            return result;
        }
        finally
        {
            foreach ((OwnerShare share, PortProtocol one) in begun)
            {
                share.End(owner, one, epoch, given, isLease);
            }
        }

        void Begin(OwnerShare share, PortProtocol one)
        {
            share.Begin(owner, port, one);
            begun.Add((share, one));
        }
    }

    private static PortRefusedException TooMany(string message, string owner) => new(new PortRefusal(PortRefusalReason.TooManyOwners, message) { Owner = owner });
}
