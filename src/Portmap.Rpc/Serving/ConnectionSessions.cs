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
    private int _lastClaim;

    /// <summary>Whether nobody has changed anything over the connection yet.</summary>
    public bool IsEmpty => _books.Count == 0;

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
        SessionBook book = _books.Values.FirstOrDefault(one => one.Owners.Contains((owner, protocol))) ?? BookOf(claimedProcessId: 0);
        await book.Session.ReleaseAsync(owner, port, epoch, protocol, CancellationToken.None).ConfigureAwait(false);
        book.Owners.Remove((owner, protocol));
    }

    public ValueTask<PortLease> ReportBindFailureAsync(string owner, int port, long epoch, PortProtocol protocol, int claimedProcessId)
    {
        // A lease of one number on both protocols is found by either.
        PortProtocol either = protocol == PortProtocol.TcpAndUdp ? PortProtocol.Tcp : protocol;
        return BookOf(claimedProcessId).Session.ReportBindFailureAsync(owner, port, epoch, either, CancellationToken.None);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (SessionBook book in _books.Values)
        {
            await book.Session.DisposeAsync().ConfigureAwait(false);
        }

        _books.Clear();
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
