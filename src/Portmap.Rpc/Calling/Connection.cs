using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Portmap.Native;
using Portmap.Rpc.Protocol;

namespace Portmap.Rpc.Calling;

/// <summary>Opens connections to daemons, and says in words why one could not be had.</summary>
internal static class Connection
{
    private static readonly TimeSpan s_firstDelay = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan s_longestDelay = TimeSpan.FromSeconds(1);

    /// <summary>Half of a wait to all of it: those that lost a daemon at one moment do not come
    /// back at one.</summary>
    public static TimeSpan Spread(TimeSpan delay, Random random) => delay * (0.5 + (random.NextDouble() / 2));

    /// <summary>The wait before the next attempt: 50 ms, doubled up to 1 s.</summary>
    public static TimeSpan NextDelay(TimeSpan delay) =>
        delay == TimeSpan.Zero ? s_firstDelay : delay * 2 < s_longestDelay ? delay * 2 : s_longestDelay;

    /// <summary>Connects once; completes when the daemon has answered.</summary>
    /// <exception cref="PortmapUnreachableException">
    /// Nobody accepts connections there, no answer came in time, or it is no daemon that answers.
    /// </exception>
    public static async Task<RpcCaller> ConnectAsync(PortmapEndpoint endpoint, PortmapClientOptions options, CancellationToken cancellationToken)
    {
        using CancellationTokenSource limit = new(options.ConnectTimeout, options.TimeProvider);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        RpcCaller? caller = null;
        try
        {
            caller = new RpcCaller(await OpenAsync(endpoint, options, either.Token).ConfigureAwait(false), endpoint, options);
            await caller.FirstPingAsync(either.Token).ConfigureAwait(false);
            return caller;
        }
        catch (Exception e)
        {
            if (caller is not null)
            {
                await caller.DisposeAsync().ConfigureAwait(false);
            }

            cancellationToken.ThrowIfCancellationRequested();
            if (e is OperationCanceledException || Complaint(e, endpoint) is not null)
            {
                throw Unreachable(endpoint, e, caller is not null, options.ConnectTimeout);
            }

            throw;
        }
    }

    /// <summary>Connects, and waits for its turn where as many wait already as the kernel lets
    /// wait: of a Unix socket it says that at once (EAGAIN), of a TCP one it waits by
    /// itself.</summary>
    /// <exception cref="SocketException">Nobody accepts connections there.</exception>
    /// <exception cref="OperationCanceledException">The token fired first.</exception>
    private static async Task<Stream> OpenAsync(PortmapEndpoint endpoint, PortmapClientOptions options, CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                return await OpenOnceAsync(endpoint, options, cancellationToken).ConfigureAwait(false);
            }
            catch (SocketException e) when (e.SocketErrorCode == SocketError.WouldBlock && endpoint.Path is not null)
            {
                await Task.Delay(s_firstDelay, TimeProvider.System, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    private static async Task<Stream> OpenOnceAsync(PortmapEndpoint endpoint, PortmapClientOptions options, CancellationToken cancellationToken)
    {
        var socket = new Socket(endpoint.Family, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(endpoint.EndPoint, cancellationToken).ConfigureAwait(false);
            if (endpoint.Path is null)
            {
                TcpSocket.Prepare(socket, options.CallTimeout);
            }

            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>
    /// What stands between us and a daemon, or null for an exception that says nothing about that.
    /// </summary>
    public static string? Complaint(Exception exception, PortmapEndpoint endpoint) => exception switch
    {
        // The kernel's "no such file" arrives as "Cannot assign requested address", which helps
        // nobody.
        SocketException when endpoint.Path is { } path && IsNoSocket(path) => $"{path} is no socket",
        SocketException { SocketErrorCode: SocketError.AccessDenied } => "this user may not connect to it",   // before a look at the file: in a folder that it may not enter nothing is to be seen
        SocketException when endpoint.Path is { } path && !File.Exists(path) => $"there is no socket at {path}",
        SocketException { SocketErrorCode: SocketError.ConnectionRefused } when endpoint.Path is not null => "nobody listens on the socket that is there",
        SocketException e => e.Message,
        InvalidDataException e => $"what answers there is not a daemon of this version: {e.Message}",
        PortmapUnreachableException e => e.Message,
        IOException e => e.Message,
        _ => null,
    };

    /// <summary>What is wrong with a daemon that cannot be reached, and what to do: that, or look for
    /// it somewhere else.</summary>
    public static string Told(string complaint, string remedy) =>
        $"{complaint.TrimEnd('.')}. {remedy}, or set {PortmapVariables.Endpoint} to where it listens.";

    /// <summary>Whether something else is there. The kernel refuses a connection to it as it does
    /// to a socket that nobody listens on.</summary>
    private static bool IsNoSocket(string path)
    {
        try
        {
            return OperatingSystem.IsLinux() && Posix.Status(path, follow: true) is { IsSocket: false };
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;   // this user may not even look
        }
    }

    /// <param name="endpoint">Where a daemon was looked for.</param>
    /// <param name="cause">What came instead of an answer.</param>
    /// <param name="isConnected">Whether the connection was accepted.</param>
    /// <param name="within">How long was waited at most.</param>
    private static PortmapUnreachableException Unreachable(PortmapEndpoint endpoint, Exception cause, bool isConnected, TimeSpan within)
    {
        bool isLate = cause is OperationCanceledException;
        cause = cause is IOException { InnerException: InvalidDataException nonsense } ? nonsense : cause;   // which ended the connection
        bool isClosed = isConnected && !isLate && cause is IOException;
        string why = isClosed ? "it accepted the connection and closed it before it answered"
            : !isLate ? Complaint(cause, endpoint)!
            : string.Create(CultureInfo.InvariantCulture, $"{(isConnected ? "it accepted the connection, and its first answer" : "a connection")} did not come within {within.TotalSeconds:0.###} s (ConnectTimeout)");

        // On this host the kernel refuses at once where nobody listens.
        bool isOfThisHost = endpoint.Address is not { } address || IPAddress.IsLoopback(address.Address);
        string remedy = isLate && (isConnected || isOfThisHost) ? "The daemon is stopped or hangs: continue or restart it"
            : cause is SocketException { SocketErrorCode: SocketError.AccessDenied } ? "Allow this user (AllowedUserIds and SocketMode of the server, and the mode of the socket's folder)"
            : cause is SocketException { SocketErrorCode: SocketError.TooManyOpenSockets } ? "Raise the limit of open files (ulimit -n, LimitNOFILE= of systemd)"
            : isClosed ? "It is stopping, or has no connection left for this process or user (MaxConnections, MaxConnectionsPerPeer; its log says which): try again later or raise that limit"
            : cause is InvalidDataException ? "Stop what listens there and start the daemon"
            : cause is SocketException && endpoint.Path is { } path && IsNoSocket(path) ? "Start the daemon with another path"
            : "Start the daemon";
        return new(endpoint, Told($"No daemon answers at {endpoint}: {why}", remedy), isLate ? new TimeoutException(why) : cause);
    }
}
