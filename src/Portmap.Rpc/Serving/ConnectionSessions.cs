using System.Globalization;

namespace Portmap.Rpc.Serving;

/// <summary>The registry's sessions of one connection: one for each process that speaks over it.</summary>
/// <remarks>
/// Over a Unix socket that is one, the process the kernel names. Over TCP a process id is a claim, and one connection might speak for several; who
/// claims none there speaks for the process that was claimed last (GlusterFS signs in "B.rdma" with pid 0 right after B). Used by one call at a time.
/// </remarks>
internal sealed class ConnectionSessions(ServerContext context, Peer peer) : IAsyncDisposable
{
    private readonly Dictionary<int, SessionBook> _books = [];
    private readonly Dictionary<(string Owner, PortProtocol Protocol), PortLease> _leases = [];
    private int _lastClaim;

    public async ValueTask<PortEntry> RegisterAsync(string owner, int port, long epoch, PortProtocol protocol, int claimedProcessId)
    {
        SessionBook book = BookOf(claimedProcessId);
        book.MakeRoomFor(owner, port, protocol);

        // No token: a change that was begun is completed, whether somebody waits for the answer or not.
        PortEntry entry = await book.Session.RegisterAsync(owner, port, epoch, protocol, CancellationToken.None).ConfigureAwait(false);
        book.Owners.Add((owner, protocol));
        return entry;
    }

    public async ValueTask ReleaseAsync(string owner, int port, long epoch, PortProtocol protocol)
    {
        if (_leases.TryGetValue((owner, protocol), out PortLease? lease) && epoch != 0 && lease.Epoch == epoch)
        {
            // The holder of a lease gives it back by that lease: the process that acquires need not be the one that listens.
            await lease.ReleaseAsync(CancellationToken.None).ConfigureAwait(false);
            _leases.Remove((owner, protocol));
            return;
        }

        SessionBook book = _books.Values.FirstOrDefault(one => one.Owners.Contains((owner, protocol))) ?? BookOf(claimedProcessId: 0);
        await book.Session.ReleaseAsync(owner, port, epoch, protocol, CancellationToken.None).ConfigureAwait(false);
        book.Owners.Remove((owner, protocol));
    }

    public async ValueTask<PortLease> AcquireAsync(PortRequest request)
    {
        PortLease lease = await context.Registry.AcquireAsync(request, CancellationToken.None).ConfigureAwait(false);
        Keep(lease);
        return lease;
    }

    public async ValueTask<PortLease> ReportBindFailureAsync(string owner, int port, long epoch, PortProtocol protocol, int claimedProcessId)
    {
        PortSession session = BookOf(claimedProcessId).Session;
        PortLease lease = await session.ReportBindFailureAsync(owner, port, epoch, protocol, CancellationToken.None).ConfigureAwait(false);
        if (_leases.ContainsKey((owner, protocol)))
        {
            Keep(lease);
        }

        return lease;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (SessionBook book in _books.Values)
        {
            await book.Session.DisposeAsync().ConfigureAwait(false);
        }

        _books.Clear();
        _leases.Clear();
    }

    private SessionBook BookOf(int claimedProcessId)
    {
        int process = peer.Resolve(claimedProcessId);
        process = process == 0 ? _lastClaim : process;
        _lastClaim = process;
        if (!_books.TryGetValue(process, out SessionBook? book))
        {
            book = new SessionBook(context.Registry.OpenSession(process), context);
            _books.Add(process, book);
        }

        return book;
    }

    // Remembered so that this connection may give it back; one that has ended is of no use, and forgetting any costs only that right.
    private void Keep(PortLease lease)
    {
        if (_leases.Count >= context.Limits.OwnersPerSession)
        {
            foreach ((string Owner, PortProtocol Protocol) key in _leases.Where(pair => pair.Value.WhenBound.IsCompleted).Select(pair => pair.Key).ToList())
            {
                _leases.Remove(key);
            }
        }

        if (_leases.Count < context.Limits.OwnersPerSession)
        {
            _leases[(lease.Owner, lease.Protocol)] = lease;
        }
    }

    /// <summary>One session and the owners that were registered over it.</summary>
    private sealed class SessionBook(PortSession session, ServerContext context)
    {
        public PortSession Session => session;

        public HashSet<(string Owner, PortProtocol Protocol)> Owners { get; } = [];

        public void MakeRoomFor(string owner, int port, PortProtocol protocol)
        {
            int limit = context.Limits.OwnersPerSession;
            if (Owners.Count < limit || Owners.Contains((owner, protocol)))
            {
                return;
            }

            // Registrations also end without a word over this connection; only those that still stand count.
            Owners.RemoveWhere(one => !context.Registry.TryGetEntry(one.Owner, out _, one.Protocol));
            if (Owners.Count >= limit)
            {
                throw new PortRefusedException(PortRefusal.Create(
                    PortRefusalReason.TooManyOwners,
                    string.Create(CultureInfo.InvariantCulture, $"{limit} owners are registered over this session, which is its limit (MaxOwnersPerSession); release one, or sign in over another connection."),
                    owner,
                    port,
                    protocol));
            }
        }
    }
}
