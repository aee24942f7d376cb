using System.Globalization;
using System.Net.Sockets;
using Portmap.Rpc.Calling;
using Portmap.Rpc.Protocol;
using Portmap.Rpc.Xdr;

namespace Portmap.Rpc;

/// <summary>One connection to a daemon: the registry's verbs from another process.</summary>
/// <remarks>
/// <para>Safe for any thread; calls do not wait for each other's answers, and the daemon takes them
/// up in the order they were sent. What is registered over it belongs to it: when it is closed, the
/// registry gives its registrations the grace of a connection that broke off. Release first, or use
/// <see cref="WorkerPort"/>, which does that and connects again by itself; this class does
/// not.</para>
/// <para>A daemon closes a connection over which nothing was registered and nothing is said for its
/// <see cref="PortmapServerOptions.IdleTimeout"/> (1 h by default).</para>
/// <para>A refusal is thrown as the registry itself throws it. A token cancels the wait for the
/// answer, not what was asked for. No call waits longer than
/// <see cref="PortmapClientOptions.CallTimeout"/>: without an answer it throws
/// <see cref="PortmapUnreachableException"/>, and whether it took effect is not known. When the
/// connection ends, calls under way throw <see cref="IOException"/>; so does a call in which the
/// daemon failed, whose log says why.</para>
/// </remarks>
public sealed class PortmapClient : IAsyncDisposable
{
    private readonly RpcCaller _caller;
    private readonly Func<CancellationToken, Task<RpcCaller>> _connect;

    private PortmapClient(RpcCaller caller, PortmapEndpoint endpoint, Func<CancellationToken, Task<RpcCaller>> connect)
    {
        _caller = caller;
        _connect = connect;
        Endpoint = endpoint;
    }

    /// <summary>The daemon it is connected to.</summary>
    public PortmapEndpoint Endpoint { get; }

    /// <summary>The calls under it.</summary>
    internal RpcCaller Caller => _caller;

    /// <summary>Completes when the connection has ended.</summary>
    internal Task Ended => _caller.Ended;

    /// <summary>Connects once; completes when the daemon has answered.</summary>
    /// <param name="endpoint">The daemon; null takes PORTMAP_ENDPOINT, else
    /// <see cref="PortmapEndpoint.Default"/>.</param>
    /// <param name="options">How long to wait for it; null takes the defaults.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="PortmapUnreachableException">Nobody accepts connections there, no answer
    /// came in time, or it is no daemon that answers.</exception>
    /// <exception cref="FormatException">PORTMAP_ENDPOINT is not an endpoint.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A limit is outside its bounds.</exception>
    public static async Task<PortmapClient> ConnectAsync(
        PortmapEndpoint? endpoint = null, PortmapClientOptions? options = null, CancellationToken cancellationToken = default)
    {
        options = options?.Copy() ?? new PortmapClientOptions();   // each watch connects by them
        options.Check();
        endpoint ??= PortmapEnvironment.Endpoint;
        RpcCaller caller = await Connection.ConnectAsync(endpoint, options, cancellationToken).ConfigureAwait(false);
        return new PortmapClient(caller, endpoint, token => Connection.ConnectAsync(endpoint, options, token));
    }

    /// <summary>Asks for nothing; completes when the daemon has answered.</summary>
    /// <param name="cancellationToken">Cancels the wait.</param>
    public Task PingAsync(CancellationToken cancellationToken = default) =>
        _caller.PingAsync(cancellationToken);

    /// <summary>Asks for a port for an owner.</summary>
    /// <param name="request">The owner, and what else matters.</param>
    /// <param name="cancellationToken">Cancels the wait.</param>
    /// <returns>
    /// The lease as the reserved entry it is; its port is 0 when the process picks its own, and
    /// its protocol may be both.
    /// </returns>
    /// <remarks>
    /// Who asks over the wire is about to bind, so the gate of a guarded port is open when this
    /// returns. How it is guarded is the daemon's option.
    /// </remarks>
    /// <exception cref="PortRefusedException">It was refused. AlreadyServed, for a request with
    /// <see cref="PortRequest.UnlessServed"/>: <see cref="PortRefusal.Entry"/> is what stands, with
    /// its process.</exception>
    /// <exception cref="ArgumentException">The request names a <see cref="PortRequest.Guard"/> or a
    /// <see cref="PortRequest.UserId"/>, which the wire does not carry, or is of
    /// <see cref="PortScope.Fleet"/>: use <see cref="AcquireFleetAsync"/>.</exception>
    /// <exception cref="InvalidDataException">The request has
    /// <see cref="PortRequest.UnlessServed"/>, and the daemon is of a version before
    /// that.</exception>
    public Task<PortEntry> AcquireAsync(PortRequest request, CancellationToken cancellationToken = default)
    {
        request = Checked(request, nameof(request));
        return request.UnlessServed
            ? _caller.AskAsync(PortmapProcedure.AcquireUnlessServed, writer => PortmapXdr.WriteRequest(writer, request), ReadUnlessServed, cancellationToken)
            : _caller.AskAsync(PortmapProcedure.Acquire, writer => PortmapXdr.WriteRequest(writer, request), PortmapXdr.ReadEntry, cancellationToken);
    }

    /// <summary>Asks for a port for an owner that one host of a fleet holds at a time.</summary>
    /// <param name="request">The owner, and what else matters; its
    /// <see cref="PortRequest.Scope"/> makes no difference.</param>
    /// <param name="cancellationToken">Cancels the wait.</param>
    /// <returns>The lease, as <see cref="AcquireAsync"/> gives it, and the fencing epoch in the
    /// fleet: higher for each later holder, on whichever host.</returns>
    /// <remarks>When the host loses the owner, the lease and its registration end there:
    /// <see cref="WorkerPort.WhenLost"/> tells a worker, within
    /// <see cref="WorkerPortOptions.CheckInterval"/>.</remarks>
    /// <exception cref="PortRefusedException">NoFleet: the daemon is joined to none. Conflict:
    /// <see cref="PortRefusal.Holder"/> is the host that has the owner. Else as
    /// <see cref="PortRegistry.AcquireAsync"/> refuses.</exception>
    /// <exception cref="ArgumentException">The request names a <see cref="PortRequest.Guard"/> or a
    /// <see cref="PortRequest.UserId"/>, which the wire does not carry.</exception>
    /// <exception cref="InvalidDataException">The daemon is of a version before this
    /// call.</exception>
    public Task<(PortEntry Lease, long FleetEpoch)> AcquireFleetAsync(PortRequest request, CancellationToken cancellationToken = default)
    {
        request = Checked(request with { Scope = PortScope.Host }, nameof(request));
        return _caller.AskAsync(
            PortmapProcedure.AcquireFleet,
            writer => PortmapXdr.WriteRequest(writer, request),
            static (ref XdrReader reader) => (PortmapXdr.ReadEntry(ref reader), reader.ReadInt64()),
            cancellationToken);
    }

    /// <summary>Asks for ports for several owners, all or none.</summary>
    /// <param name="requests">What is asked for: at most 256 requests; they and the answer have to
    /// fit the daemon's <see cref="PortmapServerOptions.MaxRecordBytes"/>.</param>
    /// <param name="contiguous">Whether the ports are to lie in a row, in the order of the
    /// requests.</param>
    /// <param name="cancellationToken">Cancels the wait.</param>
    /// <returns>The leases in the order of the requests, as the reserved entries they are. The
    /// gates of guarded ports are open.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="requests"/> is null.</exception>
    /// <exception cref="PortRefusedException">One refusal for all, as
    /// <see cref="PortmapExtensions.TryAcquireAll"/> says; <see cref="PortRefusal.Request"/> tells
    /// which request it is about. LimitReached: too many requests, or the answer would be too
    /// long.</exception>
    /// <exception cref="ArgumentException">A request names a <see cref="PortRequest.Guard"/> or a
    /// <see cref="PortRequest.UserId"/>, has <see cref="PortRequest.UnlessServed"/>, or is of
    /// <see cref="PortScope.Fleet"/>, which the wire does not carry here.</exception>
    public Task<IReadOnlyList<PortEntry>> AcquireAllAsync(IReadOnlyList<PortRequest> requests, bool contiguous = false, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(requests);
        PortRequest[] wanted = [.. requests.Select(request => CheckedOfMany(request, nameof(requests)))];
        return wanted.Length <= PortmapProcedure.MaxTogether
            ? _caller.AskAllAsync(wanted, contiguous, cancellationToken)
            : Task.FromException<IReadOnlyList<PortEntry>>(new PortRefusedException(new PortRefusal(
                PortRefusalReason.LimitReached,
                string.Create(CultureInfo.InvariantCulture, $"{wanted.Length} requests are too many for one ask; the bound is {PortmapProcedure.MaxTogether}. Ask for fewer at once."))));
    }

    /// <summary>Says that this process listens on a port for an owner.</summary>
    /// <param name="request">
    /// The owner and the port, and the epoch of the lease when somebody acquired for this process.
    /// TCP: after Listen has returned; UDP: after Bind.
    /// </param>
    /// <param name="cancellationToken">Cancels the wait.</param>
    /// <returns>The Bound entry.</returns>
    /// <exception cref="PortRefusedException">
    /// As <see cref="PortSession.RegisterAsync"/> refuses; NotPermitted: the server does not let this
    /// caller change anything.
    /// </exception>
    public Task<PortEntry> RegisterAsync(PortClaimRequest request, CancellationToken cancellationToken = default)
    {
        CheckOwner(request.Owner);
        return _caller.AskAsync(PortmapProcedure.Register, writer => WriteOwnClaim(writer, request), PortmapXdr.ReadEntry, cancellationToken);
    }

    /// <summary>
    /// Says why Bind or Listen failed, and asks for another port if somebody else has this one.
    /// </summary>
    /// <param name="request">
    /// The owner and the port that could not be bound, and the epoch of the lease when somebody
    /// acquired. Its protocol is that of the lease, which may be both.
    /// </param>
    /// <param name="error">
    /// What the socket threw. Only AddressAlreadyInUse, the default, says that somebody has the
    /// port.
    /// </param>
    /// <param name="cancellationToken">Cancels the wait.</param>
    /// <returns>
    /// The new lease as the Reserved entry it is; its port is 0 when the process picks its own.
    /// </returns>
    /// <exception cref="PortRefusedException">
    /// There is none, or too many failed in a row. Of any other error it is PortDenied,
    /// AddressUnavailable, FamilyUnsupported, NoDescriptors or NoMemory, and the lease stays as it
    /// is.
    /// </exception>
    /// <exception cref="ArgumentException">Binding a socket has no such error.</exception>
    public Task<PortEntry> ReportBindFailureAsync(
        PortClaimRequest request, SocketError error = SocketError.AddressAlreadyInUse, CancellationToken cancellationToken = default)
    {
        CheckOwner(request.Owner);
        int errno = BindErrno.Of(error)
            ?? throw new ArgumentException($"{error} is no error of binding a socket; pass on what Bind or Listen threw.", nameof(error));
        return _caller.AskAsync(
            PortmapProcedure.BindFailed,
            writer =>
            {
                WriteOwnClaim(writer, request);
                writer.WriteInt32(errno);
                PortmapXdr.WriteOptional(writer, request.Ports);
            },
            PortmapXdr.ReadEntry,
            cancellationToken);
    }

    /// <summary>
    /// Gives an owner's open lease more time: it does not time out before this much time from now.
    /// </summary>
    /// <param name="request">The owner, and the epoch of the lease; null is whichever is
    /// open.</param>
    /// <param name="time">From now on, 100 ms to 24 h. Less than is left changes nothing.</param>
    /// <param name="cancellationToken">Cancels the wait.</param>
    /// <returns>When the lease ends now, by the daemon's clock.</returns>
    /// <exception cref="PortRefusedException">
    /// InvalidTime; LeaseEnded: there is no such open lease; NotOwner: it is not for this user.
    /// </exception>
    public Task<DateTimeOffset> ExtendAsync(PortClaimRequest request, TimeSpan time, CancellationToken cancellationToken = default)
    {
        CheckOwner(request.Owner);
        return _caller.AskAsync(
            PortmapProcedure.Extend,
            writer =>
            {
                writer.WriteString(request.Owner);
                writer.WriteInt64(request.Epoch ?? 0);
                writer.WriteInt32((int)request.Protocol);
                writer.WriteInt32(Environment.ProcessId);
                writer.WriteUInt32(PortmapXdr.Milliseconds(time));
            },
            PortmapXdr.ReadTime,
            cancellationToken);
    }

    /// <summary>Gives a port back. An owner that holds none is no error.</summary>
    /// <param name="request">
    /// The owner. With a port or an epoch only the claim on that port, or of that epoch, is given
    /// back.
    /// </param>
    /// <param name="cancellationToken">Cancels the wait.</param>
    /// <exception cref="PortRefusedException">
    /// As <see cref="PortSession.ReleaseAsync(PortClaimRequest, CancellationToken)"/> refuses: NotOwner,
    /// Stale, StoreFailed; NotPermitted: the server does not let this caller change anything.
    /// </exception>
    public Task ReleaseAsync(PortClaimRequest request, CancellationToken cancellationToken = default)
    {
        CheckOwner(request.Owner);
        return _caller.AskAsync(PortmapProcedure.Release, writer => WriteClaim(writer, request), static (ref XdrReader _) => true, cancellationToken);
    }

    /// <summary>
    /// Finds the entry of an owner: the registration that lookups serve, otherwise its open lease.
    /// </summary>
    /// <param name="owner">The owner.</param>
    /// <param name="protocol">TCP or UDP.</param>
    /// <param name="cancellationToken">Cancels the wait.</param>
    /// <returns>The entry, Bound or Reserved; null when the owner has neither.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="owner"/> is null.</exception>
#pragma warning disable RS0026 // the overloads differ in their first argument, so the optional protocol never makes a call ambiguous
    public Task<PortEntry?> GetEntryAsync(string owner, PortProtocol protocol = PortProtocol.Tcp, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(owner);
        if (OwnerText.Complaint(owner) is not null)
        {
            return Task.FromResult<PortEntry?>(null);
        }

        return _caller.CallAsync<PortEntry?>(
            PortmapProcedure.Lookup,
            writer =>
            {
                writer.WriteString(owner);
                writer.WriteInt32((int)protocol);
            },
            ReadFound,
            cancellationToken);
    }

    /// <summary>Finds the entry of a port.</summary>
    /// <param name="port">The port; a number that is not 1 to 65535 has no entry.</param>
    /// <param name="protocol">TCP or UDP.</param>
    /// <param name="cancellationToken">Cancels the wait.</param>
    /// <returns>
    /// The entry: Bound (one of the owners, where several share the port), Reserved, Recovered,
    /// Cooling or Foreign; null when the port is free as far as the registry knows.
    /// </returns>
    public Task<PortEntry?> GetEntryAsync(int port, PortProtocol protocol = PortProtocol.Tcp, CancellationToken cancellationToken = default) =>
        _caller.CallAsync<PortEntry?>(
            PortmapProcedure.LookupPort,
            writer =>
            {
                writer.WriteInt32(port);
                writer.WriteInt32((int)protocol);
            },
            ReadFound,
            cancellationToken);
#pragma warning restore RS0026

    /// <summary>
    /// Lists everything the registry knows: what is Reserved, Bound, Recovered, Cooling or Foreign.
    /// </summary>
    /// <param name="cancellationToken">Cancels the wait.</param>
    /// <returns>
    /// The entries, each as it was at some moment of the daemon's look, and the revision from which
    /// <see cref="WatchAsync"/> goes on without a gap.
    /// </returns>
    /// <remarks>
    /// A listing that the daemon drops is begun again, a few times and within
    /// <see cref="PortmapClientOptions.CallTimeout"/>. It drops one when too many others are read,
    /// and when another one is begun over the same connection.
    /// </remarks>
    /// <exception cref="PortRefusedException">RevisionTooOld: the daemon dropped each of them. List
    /// again when fewer programs do.</exception>
    public Task<PortSnapshot> SnapshotAsync(CancellationToken cancellationToken = default) => MapCalls.SnapshotAsync(_caller, cancellationToken);

    /// <summary>
    /// Follows the map: first all of it, then what changes, in batches and without a gap.
    /// </summary>
    /// <param name="afterRevision">
    /// The last revision the reader has seen: it begins with the change after that. null, the
    /// default, begins with a snapshot.
    /// </param>
    /// <param name="snapshots">
    /// Whether the reader wants snapshots. false is for one that keeps no copy of the map: where a
    /// snapshot would come, it is given an update without changes, and nothing is listed. Without a
    /// revision it begins with its first step.
    /// </param>
    /// <param name="cancellationToken">Ends it with <see cref="OperationCanceledException"/>. It
    /// also ends, quietly, when this client is disposed.</param>
    /// <returns>
    /// Updates, as <see cref="PortRegistry.WatchAsync"/> gives them. A snapshot comes again
    /// whenever changes cannot be told without a gap: the reader fell behind what the daemon keeps
    /// (<see cref="PortRegistryOptions.WatchCapacity"/>), or the daemon was restarted.
    /// </returns>
    /// <remarks>
    /// <para>It has a connection of its own and makes another one when that breaks, for as long as
    /// it takes, with pauses of 50 ms to 1 s: a daemon that restarts is no error. A reader that is
    /// slow holds nobody up and costs the daemon nothing; what it has not taken is at most one
    /// answer here.</para>
    /// <para>An enumerator may be disposed while it waits; that wait answers false.</para>
    /// </remarks>
    /// <exception cref="PortRefusedException">While enumerating: the daemon refuses for another
    /// reason than the revision.</exception>
    public IAsyncEnumerable<PortUpdate> WatchAsync(long? afterRevision = null, bool snapshots = true, CancellationToken cancellationToken = default) =>
        new StoppableSequence<PortUpdate>(token => new MapWatch(_connect, snapshots, _caller.Closed).ReadAsync(afterRevision, token), cancellationToken);

    /// <summary>Closes the connection; calls under way fail.</summary>
    public ValueTask DisposeAsync() => _caller.DisposeAsync();

    /// <param name="stream">A connected stream, which is closed with the client.</param>
    /// <param name="endpoint">Where it leads to.</param>
    /// <param name="connect">Makes another connection to there; null connects to the
    /// endpoint.</param>
    /// <param name="options">How long calls may take; null takes the defaults.</param>
    internal static PortmapClient Over(
        Stream stream, PortmapEndpoint endpoint, Func<CancellationToken, Task<RpcCaller>>? connect = null, PortmapClientOptions? options = null)
    {
        PortmapClientOptions limits = options ?? new PortmapClientOptions();
        return new(new RpcCaller(stream, endpoint, limits), endpoint, connect ?? (token => Connection.ConnectAsync(endpoint, limits, token)));
    }

    private static PortEntry ReadUnlessServed(ref XdrReader reader)
    {
        PortEntry entry = PortmapXdr.ReadEntry(ref reader);
        if (entry.State == PortState.Reserved)
        {
            return entry;
        }

        string port = FormattableString.Invariant($"{entry.Port}/{entry.Protocol}");
        string text = ServedAlready.Text(entry.Owner, entry.State == PortState.Recovered, port, entry.ProcessId, entry.Epoch, entry.Since);
        throw new PortRefusedException(new PortRefusal(PortRefusalReason.AlreadyServed, text)
        {
            Owner = entry.Owner,
            Port = entry.Port,
            Protocol = entry.Protocol,
            Holder = entry.Owner,
            HolderProcessId = entry.ProcessId,
            HolderEpoch = entry.Epoch,
            Entry = entry,
        });
    }

    private static PortEntry? ReadFound(ref XdrReader reader) => reader.ReadBoolean() ? PortmapXdr.ReadEntry(ref reader) : null;

    private static void WriteOwnClaim(XdrWriter writer, in PortClaimRequest request)
    {
        WriteClaim(writer, request);
        writer.WriteInt32(Environment.ProcessId);
    }

    // "None" is null here and 0 on the wire, as portmap.x says.
    private static void WriteClaim(XdrWriter writer, in PortClaimRequest request)
    {
        writer.WriteString(request.Owner);
        writer.WriteInt32(request.Port ?? 0);
        writer.WriteInt64(request.Epoch ?? 0);
        writer.WriteInt32((int)request.Protocol);
    }

    private static PortRequest Checked(PortRequest request, string argument)
    {
        request = request.Owner is null ? request with { Owner = string.Empty } : request; // default(PortRequest): the registry says what is wrong
        CheckOwner(request.Owner);
        if (request.Guard is { } guard)
        {
            throw new ArgumentException($"Guard is {guard}, but over the wire the daemon's option decides; leave it null and set it there.", argument);
        }

        if (request.Scope != PortScope.Host)
        {
            throw new ArgumentException($"Scope is {request.Scope}, which this call does not carry; ask for such an owner by {nameof(AcquireFleetAsync)}.", argument);
        }

        return request.UserId is { } user
            ? throw new ArgumentException($"UserId is {user}, but over the wire a lease is for the user who asks; leave it null, or let the host acquire.", argument)
            : request;
    }

    private static PortRequest CheckedOfMany(PortRequest request, string argument) => request.UnlessServed
        ? throw new ArgumentException($"UnlessServed is set for '{request.Owner}', which a call for several owners does not carry; ask for that one by {nameof(AcquireAsync)}.", argument)
        : Checked(request, argument);

    // That of default(PortClaimRequest) is null and goes as the empty name: the registry says what
    // is wrong.
    private static void CheckOwner(string? owner)
    {
        if (OwnerText.Complaint(owner ?? string.Empty) is { } refusal)
        {
            throw new PortRefusedException(refusal);
        }
    }
}
