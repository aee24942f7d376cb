using System.Collections.Immutable;
using Portmap.Rpc.Calling;
using Portmap.Rpc.Protocol;
using Portmap.Rpc.Xdr;

namespace Portmap.Rpc;

/// <summary>One connection to a daemon: the registry's verbs from another process.</summary>
/// <remarks>
/// <para>Safe for any thread; calls do not wait for each other's answers, and the daemon takes them up in the order they were sent. What is
/// registered over it belongs to it: when it is closed, the registry gives its registrations the grace of a connection that broke off. Release
/// first, or use <see cref="WorkerPort"/>, which does that and connects again by itself; this class does not.</para>
/// <para>A daemon closes a connection over which nothing was registered and nothing is said for its <see cref="PortmapServerOptions.IdleTimeout"/> (1 h by default).</para>
/// <para>A refusal is thrown as the registry itself throws it. A token cancels the wait for the answer, not what was asked for. No call waits longer
/// than <see cref="PortmapClientOptions.CallTimeout"/>: without an answer it throws <see cref="PortmapUnreachableException"/>, and whether it took effect is
/// not known. When the connection ends, calls under way throw <see cref="IOException"/>.</para>
/// </remarks>
public sealed class PortmapClient : IAsyncDisposable
{
    /// <summary>How long one long poll waits. Short, so that those whose reader has left do not fill the connection's share for long.</summary>
    private const uint PollMilliseconds = 10_000;

    private readonly RpcCaller _caller;
    private readonly Func<CancellationToken, Task<PortmapClient>> _connect;

    private PortmapClient(RpcCaller caller, PortmapEndpoint endpoint, Func<CancellationToken, Task<PortmapClient>> connect)
    {
        _caller = caller;
        _connect = connect;
        Endpoint = endpoint;
    }

    /// <summary>The daemon it is connected to.</summary>
    public PortmapEndpoint Endpoint { get; }

    /// <summary>Completes when the connection has ended.</summary>
    internal Task Ended => _caller.Ended;

    /// <summary>Connects once; completes when the daemon has answered.</summary>
    /// <param name="endpoint">The daemon; null takes PORTMAP_ENDPOINT, else <see cref="PortmapEndpoint.Default"/>.</param>
    /// <param name="options">How long to wait for it; null takes the defaults.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="PortmapUnreachableException">Nobody accepts connections there, no answer came in time, or it is no daemon that answers.</exception>
    /// <exception cref="FormatException">PORTMAP_ENDPOINT is not an endpoint.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A limit leaves its bounds.</exception>
    public static async Task<PortmapClient> ConnectAsync(
        PortmapEndpoint? endpoint = null, PortmapClientOptions? options = null, CancellationToken cancellationToken = default)
    {
        options ??= new PortmapClientOptions();
        options.Check();
        endpoint ??= PortmapEnvironment.Endpoint;
        using CancellationTokenSource limit = new(options.ConnectTimeout, options.TimeProvider);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        PortmapClient? client = null;
        try
        {
            client = Over(await Connection.OpenAsync(endpoint, either.Token).ConfigureAwait(false), endpoint, connect: null, options);
            await client.PingAsync(either.Token).ConfigureAwait(false);
            return client;
        }
        catch (Exception e)
        {
            if (client is not null)
            {
                await client.DisposeAsync().ConfigureAwait(false);
            }

            cancellationToken.ThrowIfCancellationRequested();
            if (e is OperationCanceledException || Connection.Complaint(e, endpoint) is not null)
            {
                throw Connection.Unreachable(endpoint, e, client is not null, options.ConnectTimeout);
            }

            throw;
        }
    }

    /// <summary>Asks for nothing; completes when the daemon has answered.</summary>
    /// <param name="cancellationToken">Cancels the wait.</param>
    public Task PingAsync(CancellationToken cancellationToken = default) =>
        _caller.CallAsync(PortmapProcedure.Null, static _ => { }, static (ref XdrReader _) => true, cancellationToken);

    /// <summary>Asks for a port for an owner.</summary>
    /// <param name="request">The owner, and what else matters.</param>
    /// <param name="cancellationToken">Cancels the wait.</param>
    /// <returns>The lease as the reserved entry it is; its port is 0 when the process brings its own, and its protocol may be both.</returns>
    /// <remarks>Who asks over the wire is about to bind, so the gate of a guarded port is open when this returns. How it is guarded is the daemon's option.</remarks>
    /// <exception cref="PortRefusedException">It was refused.</exception>
    /// <exception cref="ArgumentException">The request names a <see cref="PortRequest.Guard"/> or a <see cref="PortRequest.UserId"/>, which the wire does not carry.</exception>
    public Task<PortEntry> AcquireAsync(PortRequest request, CancellationToken cancellationToken = default)
    {
        request = request.Owner is null ? request with { Owner = string.Empty } : request; // default(PortRequest): the registry says what is wrong
        CheckOwner(request.Owner);
        if (request.Guard is { } guard)
        {
            throw new ArgumentException($"Guard is {guard}, but over the wire the daemon's option decides; leave it null and set it there.", nameof(request));
        }

        if (request.UserId is { } user)
        {
            throw new ArgumentException($"UserId is {user}, but over the wire a lease is for the user who asks; leave it null, or let the host acquire.", nameof(request));
        }

        return CallAsync(
            PortmapProcedure.Acquire,
            writer =>
            {
                writer.WriteString(request.Owner);
                writer.WriteInt32((int)request.Protocol);
                writer.WriteInt32(request.Reuse is { } reuse ? (int)reuse : PortmapProcedure.DefaultReuse);
                writer.WriteInt32(request.Previous);
                PortmapXdr.WriteOptional(writer, request.Strategy);
            },
            PortmapXdr.ReadEntry,
            cancellationToken);
    }

    /// <summary>Says that this process listens on a port for an owner.</summary>
    /// <param name="owner">The owner.</param>
    /// <param name="port">The port, 1 to 65535. TCP: after Listen has returned; UDP: after Bind.</param>
    /// <param name="epoch">The epoch of the lease, or 0 when nobody acquired for this process.</param>
    /// <param name="protocol">The protocol.</param>
    /// <param name="cancellationToken">Cancels the wait.</param>
    /// <exception cref="PortRefusedException">It was refused.</exception>
    public Task<PortEntry> RegisterAsync(
        string owner, int port, long epoch = 0, PortProtocol protocol = PortProtocol.Tcp, CancellationToken cancellationToken = default)
    {
        CheckOwner(owner);
        return CallAsync(PortmapProcedure.Register, writer => WriteOwnClaim(writer, owner, port, epoch, protocol), PortmapXdr.ReadEntry, cancellationToken);
    }

    /// <summary>Says that Bind or Listen failed with EADDRINUSE, and asks for another port.</summary>
    /// <param name="owner">The owner.</param>
    /// <param name="port">The port that could not be bound.</param>
    /// <param name="epoch">The epoch of the lease, or 0.</param>
    /// <param name="protocol">The protocol of the lease.</param>
    /// <param name="cancellationToken">Cancels the wait.</param>
    /// <returns>The new lease as a reserved entry; its port is 0 when the process brings its own.</returns>
    /// <exception cref="PortRefusedException">There is none, or too many failed in a row.</exception>
    public Task<PortEntry> ReportBindFailureAsync(
        string owner, int port, long epoch = 0, PortProtocol protocol = PortProtocol.Tcp, CancellationToken cancellationToken = default)
    {
        CheckOwner(owner);
        return CallAsync(
            PortmapProcedure.BindFailed,
            writer =>
            {
                WriteOwnClaim(writer, owner, port, epoch, protocol);
                writer.WriteInt32(0);
            },
            PortmapXdr.ReadEntry,
            cancellationToken);
    }

    /// <summary>Gives a port back. An owner that holds none is no error.</summary>
    /// <param name="owner">The owner.</param>
    /// <param name="port">The port, or 0 for whichever the owner has.</param>
    /// <param name="epoch">The epoch of the claim, or 0.</param>
    /// <param name="protocol">The protocol.</param>
    /// <param name="cancellationToken">Cancels the wait.</param>
    /// <exception cref="PortRefusedException">It is somebody else's.</exception>
    public Task ReleaseAsync(
        string owner, int port = 0, long epoch = 0, PortProtocol protocol = PortProtocol.Tcp, CancellationToken cancellationToken = default)
    {
        CheckOwner(owner);
        return CallAsync(
            PortmapProcedure.Release, writer => WriteClaim(writer, owner, port, epoch, protocol), static (ref XdrReader _) => true, cancellationToken);
    }

    /// <summary>Looks an owner up.</summary>
    /// <param name="owner">The owner.</param>
    /// <param name="protocol">The protocol.</param>
    /// <param name="cancellationToken">Cancels the wait.</param>
    /// <returns>The bound entry, else the reserved one, else null.</returns>
    public Task<PortEntry?> LookupAsync(string owner, PortProtocol protocol = PortProtocol.Tcp, CancellationToken cancellationToken = default)
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
            static (ref XdrReader reader) => reader.ReadBoolean() ? PortmapXdr.ReadEntry(ref reader) : null,
            cancellationToken);
    }

    /// <summary>Lists every entry as they were at one moment.</summary>
    /// <param name="cancellationToken">Cancels the wait.</param>
    /// <returns>The entries, and the revision to go on from with <see cref="WatchAsync"/>.</returns>
    /// <remarks>One listing at a time over one connection: another one that starts in between has this one refused.</remarks>
    public async Task<(ImmutableArray<PortEntry> Entries, long Revision)> ListAsync(CancellationToken cancellationToken = default)
    {
        ImmutableArray<PortEntry>.Builder entries = ImmutableArray.CreateBuilder<PortEntry>();
        long revision = 0;
        uint next = 0;
        do
        {
            (revision, next) = await ListPageAsync(entries, revision, next, cancellationToken).ConfigureAwait(false);
        }
        while (next != 0);

        return (entries.DrainToImmutable(), revision);
    }

    /// <summary>Follows the map: first all of it, then each change as it happens, without a gap.</summary>
    /// <param name="afterRevision">The last revision that is known: it begins with the change after it. -1, the default, begins with a snapshot.</param>
    /// <param name="cancellationToken">Ends it with <see cref="OperationCanceledException"/>. It also ends, quietly, when this client is disposed.</param>
    /// <returns>Snapshots and changes. A snapshot takes the place of all that came before it. It comes again whenever changes cannot be told without a
    /// gap: the reader fell behind what the daemon keeps (<see cref="PortRegistryOptions.WatchCapacity"/>), or the daemon was restarted. Changes that
    /// came after the snapshot's revision may already be part of it.</returns>
    /// <remarks>It has a connection of its own and makes another one when that breaks, for as long as it takes, with pauses of 50 ms to 1 s: a daemon
    /// that restarts is no error. A reader that is slow holds nobody up and costs the daemon nothing; what it has not taken is at most one answer here.
    /// Who mirrors the map keeps one entry for each owner, protocol and epoch, by the rule that <see cref="PortChange"/> states.</remarks>
    /// <exception cref="PortRefusedException">While enumerating: the daemon refuses for another reason than the revision.</exception>
    public IAsyncEnumerable<PortmapUpdate> WatchAsync(long afterRevision = -1, CancellationToken cancellationToken = default) =>
        new MapWatch(_connect, _caller.Closed).ReadAsync(afterRevision, cancellationToken);

    /// <summary>Closes the connection; calls under way fail.</summary>
    public ValueTask DisposeAsync() => _caller.DisposeAsync();

    /// <param name="stream">A connected stream, which is closed with the client.</param>
    /// <param name="endpoint">Where it leads to.</param>
    /// <param name="connect">Makes another connection to there; null connects to the endpoint.</param>
    /// <param name="options">How long calls may take; null takes the defaults.</param>
    internal static PortmapClient Over(
        Stream stream, PortmapEndpoint endpoint, Func<CancellationToken, Task<PortmapClient>>? connect = null, PortmapClientOptions? options = null)
    {
        PortmapClientOptions limits = options ?? new PortmapClientOptions();
        return new(new RpcCaller(stream, endpoint, limits), endpoint, connect ?? (token => ConnectAsync(endpoint, limits, token)));
    }

    /// <summary>Waits for what comes after a revision, at most for the length of one long poll.</summary>
    internal Task<(long Revision, List<PortChange> Changes)> WaitForChangeAsync(long after, CancellationToken cancellationToken) => CallAsync(
        PortmapProcedure.WaitForChange,
        writer =>
        {
            writer.WriteInt64(after);
            writer.WriteUInt32(PollMilliseconds);
        },
        static (ref XdrReader reader) =>
        {
            long revision = reader.ReadInt64();
            int count = reader.ReadInt32();
            List<PortChange> changes = [];
            for (int i = 0; i < count; i++)
            {
                changes.Add(PortmapXdr.ReadChange(ref reader));
            }

            return (revision, changes);
        },
        cancellationToken,
        TimeSpan.FromMilliseconds(PollMilliseconds));

    private Task<(long Revision, uint Next)> ListPageAsync(
        ImmutableArray<PortEntry>.Builder entries, long listing, uint start, CancellationToken cancellationToken) => CallAsync(
        PortmapProcedure.List,
        writer =>
        {
            writer.WriteInt64(listing);
            writer.WriteUInt32(start);
        },
        (ref XdrReader reader) =>
        {
            long revision = reader.ReadInt64();
            int count = reader.ReadInt32();
            for (int i = 0; i < count; i++)
            {
                entries.Add(PortmapXdr.ReadEntry(ref reader));
            }

            return (revision, reader.ReadUInt32());
        },
        cancellationToken);

    private Task<T> CallAsync<T>(
        uint procedure, Action<XdrWriter> arguments, Decode<T> decode, CancellationToken cancellationToken, TimeSpan longPoll = default) => _caller.CallAsync(
        procedure,
        arguments,
        (ref XdrReader reader) => reader.ReadInt32() switch
        {
            PortmapProcedure.Ok => decode(ref reader),
            PortmapProcedure.Refused => throw new PortRefusedException(PortmapXdr.ReadRefusal(ref reader)),
            int other => throw new InvalidDataException($"{other} is neither a result nor a refusal."),
        },
        cancellationToken,
        longPoll);

    private static void WriteOwnClaim(XdrWriter writer, string owner, int port, long epoch, PortProtocol protocol)
    {
        WriteClaim(writer, owner, port, epoch, protocol);
        writer.WriteInt32(Environment.ProcessId);
    }

    private static void WriteClaim(XdrWriter writer, string owner, int port, long epoch, PortProtocol protocol)
    {
        writer.WriteString(owner);
        writer.WriteInt32(port);
        writer.WriteInt64(epoch);
        writer.WriteInt32((int)protocol);
    }

    private static void CheckOwner(string owner)
    {
        ArgumentNullException.ThrowIfNull(owner);
        if (OwnerText.Complaint(owner) is { } refusal)
        {
            throw new PortRefusedException(refusal);
        }
    }
}
