using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using Portmap.Rpc.Diagnostics;
using Portmap.Rpc.Working;

namespace Portmap.Rpc;

/// <summary>
/// A port that this process listens on and is signed in for, as long as this object lives.
/// </summary>
/// <remarks>
/// Safe for any thread. When the daemon goes away the sockets keep serving, and the worker signs in
/// again as soon as a daemon answers at the endpoint. Dispose it to sign out; a process that ends
/// without is noticed by the daemon.
/// </remarks>
public sealed class WorkerPort : IAsyncDisposable
{
    private readonly SignIn _signIn;
    private readonly ListeningSockets? _sockets;
    private readonly Lazy<Task> _leaving;

    private WorkerPort(WorkerSettings settings, SignIn signIn, ListeningSockets sockets)
        : this(settings, signIn, (sockets.Tcp ?? sockets.Udp)!, sockets.Port)
    {
        _sockets = sockets;
        UdpSocket = sockets.Udp;
    }

    private WorkerPort(WorkerSettings settings, SignIn signIn, Socket socket, int port)
    {
        _signIn = signIn;
        _leaving = new Lazy<Task>(LeaveAsync);
        Socket = socket;
        UdpSocket = socket.SocketType == SocketType.Dgram ? socket : null;
        Owner = settings.Owner;
        Port = port;
    }

    /// <summary>
    /// The listening TCP socket; the bound UDP socket when the protocol is UDP alone.
    /// </summary>
    public Socket Socket { get; }

    /// <summary>The bound UDP socket when the protocol is UDP or both, else null.</summary>
    public Socket? UdpSocket { get; }

    /// <summary>The name the port is held under.</summary>
    public string Owner { get; }

    /// <summary>The port.</summary>
    public int Port { get; }

    /// <summary>
    /// The fencing token of the claim. A daemon that was restarted without a store gives another
    /// one.
    /// </summary>
    public long Epoch => _signIn.Epoch;

    /// <summary>
    /// Completes when lookups do not find this process any more and will not find it again: a newer
    /// claim of the owner took its place, or the registration was ended. The program is to stop
    /// then.
    /// </summary>
    /// <value>
    /// The reason: Stale with the newer holder, or LeaseEnded. It is cancelled when this object is
    /// disposed first. It never faults.
    /// </value>
    /// <remarks>
    /// The worker asks the daemon every <see cref="WorkerPortOptions.CheckInterval"/>, and learns
    /// it also when it signs in again after the daemon was away. A daemon that is away is no loss:
    /// the worker goes on trying. The sockets stay open until this object is disposed.
    /// </remarks>
    public Task<PortRefusal> WhenLost => _signIn.WhenLost;

    /// <summary>
    /// Listens on the port that the daemon gave, or on one of the range that this process picks,
    /// then signs in.
    /// </summary>
    /// <param name="options">
    /// What differs from the environment; null takes everything from there.
    /// </param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <remarks>
    /// A port that is in use is reported to the daemon, which answers with another one; the process
    /// is not restarted for that. A connection that breaks meanwhile is made again within
    /// <see cref="WorkerPortOptions.ConnectTimeout"/>. A process that was told neither a port nor a
    /// range asks the daemon for a port.
    /// </remarks>
    /// <exception cref="PortmapUnreachableException">
    /// No daemon answers in time; the message names the endpoint, what was waited for and what was
    /// tried.
    /// </exception>
    /// <exception cref="PortRefusedException">
    /// Signing in was refused, or too many ports in a row were in use, which the message lists.
    /// </exception>
    /// <exception cref="InvalidOperationException">Nobody said whose port this is.</exception>
    /// <exception cref="FormatException">
    /// A variable or an option cannot be read, or Port, Epoch or BindAttempts is outside its bounds;
    /// the message names it.
    /// </exception>
    /// <exception cref="ArgumentOutOfRangeException">
    /// A time or the backlog of the options is outside its bounds.
    /// </exception>
    /// <exception cref="ArgumentException">
    /// The name of the port cannot stand in a variable.
    /// </exception>
    /// <exception cref="SocketException">
    /// Binding failed for a reason that has no name in <see cref="PortRefusalReason"/>.
    /// </exception>
    public static async Task<WorkerPort> ListenAsync(WorkerPortOptions? options = null, CancellationToken cancellationToken = default)
    {
        var settings = WorkerSettings.Resolve(options);
        using Activity? trace = WorkerTrace.Begin(settings.Owner);
        DaemonLink link = new(settings);
        await using ConfiguredAsyncDisposable closing = link.ConfigureAwait(false);
        (ListeningSockets sockets, SignIn signIn) = await new Listener(settings, link).ListenAsync(cancellationToken).ConfigureAwait(false);
        trace?.SetTag("portmap.port", sockets.Port).SetTag("portmap.epoch", signIn.Epoch);
        return new WorkerPort(settings, signIn, sockets);
    }

    /// <summary>
    /// Signs in for a socket that the server made itself. It stays the caller's: disposing signs
    /// out and leaves it open.
    /// </summary>
    /// <param name="listening">A TCP socket that listens, or a UDP socket that is bound.</param>
    /// <param name="options">
    /// What differs from the environment; port, protocol and range are the socket's.
    /// </param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>The worker's port, signed in.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="listening"/> is null.</exception>
    /// <exception cref="ArgumentException">
    /// The socket does not listen, a time or the backlog of the options is outside its bounds, or the
    /// name of the port cannot stand in a variable.
    /// </exception>
    /// <exception cref="PortmapUnreachableException">
    /// No daemon answers in time; the message names the endpoint, what was waited for and what was
    /// tried.
    /// </exception>
    /// <exception cref="PortRefusedException">Signing in was refused.</exception>
    /// <exception cref="InvalidOperationException">Nobody said whose port this is.</exception>
    /// <exception cref="FormatException">
    /// A variable or an option cannot be read, or Port, Epoch or BindAttempts is outside its bounds;
    /// the message names it.
    /// </exception>
    public static async Task<WorkerPort> SignInAsync(Socket listening, WorkerPortOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(listening);
        if (listening.LocalEndPoint is not IPEndPoint { Port: > 0 } local || !IsOpenToClients(listening))
        {
            throw new ArgumentException("The socket does not listen: Bind it, and a TCP socket must also Listen, before it is signed in.", nameof(listening));
        }

        WorkerSettings settings = WorkerSettings.Resolve(options) with
        {
            Protocol = listening.SocketType == SocketType.Dgram ? PortProtocol.Udp : PortProtocol.Tcp,
        };
        using Activity? trace = WorkerTrace.Begin(settings.Owner);
        DaemonLink link = new(settings);
        await using ConfiguredAsyncDisposable closing = link.ConfigureAwait(false);
        SignIn signIn = await SignIn.StartAsync(settings, link, local.Port, settings.Epoch, cancellationToken).ConfigureAwait(false);
        trace?.SetTag("portmap.port", local.Port).SetTag("portmap.epoch", signIn.Epoch);
        return new WorkerPort(settings, signIn, listening, local.Port);
    }

    /// <summary>
    /// Signs out, then closes the sockets that it made: a lookup must not find a port that nobody
    /// serves. It does so once, and each caller waits for that: at most 2 s for the daemon's answer.
    /// </summary>
    public ValueTask DisposeAsync() => new(_leaving.Value);

    private async Task LeaveAsync()
    {
        await _signIn.DisposeAsync().ConfigureAwait(false);
        _sockets?.Dispose();
    }

    // Only Linux is known to answer the question; elsewhere a bound socket is taken at its word.
    private static bool IsOpenToClients(Socket socket) =>
        socket.SocketType == SocketType.Dgram || !OperatingSystem.IsLinux()
        || (int)socket.GetSocketOption(SocketOptionLevel.Socket, SocketOptionName.AcceptConnection)! != 0;
}
