using System.Net;
using System.Net.Sockets;
using Portmap.Native;
using Portmap.Rpc.Diagnostics;

namespace Portmap.Rpc.Serving;

/// <summary>
/// One listening socket of a server, and for a Unix socket the file and the lock beside it.
/// </summary>
/// <remarks>
/// The file is how workers find the socket. When it is gone (a cleaner of /run, an installation),
/// it is made again with another socket: none can be put at a second path. Safe for any thread.
/// </remarks>
internal sealed class EndpointListener : IDisposable
{
    private const int Backlog = 512;

    private readonly Lock _gate = new();
    private readonly SocketFileOptions _options;
    private readonly FileStream? _lock;
    private readonly bool _isInherited;   // the file, its mode and its end are the business of who made the socket
    private Socket _socket;
    private PosixFile? _file;
    private bool _isDisposed;

    private EndpointListener(Socket socket, PortmapEndpoint endpoint, SocketFileOptions options = default, FileStream? fileLock = null, bool isInherited = false)
    {
        _socket = socket;
        Endpoint = endpoint;
        _options = options;
        _lock = fileLock;
        _isInherited = isInherited;
        _file = isInherited ? null : Look(endpoint);
    }

    /// <summary>Where to accept; another one after the file was made again.</summary>
    public Socket Socket => Volatile.Read(ref _socket);

    /// <summary>Where it really listens: with the port that the kernel chose.</summary>
    public PortmapEndpoint Endpoint { get; }

    /// <exception cref="IOException">It is taken or cannot be listened on; the message says which
    /// and what to do.</exception>
    public static EndpointListener Open(PortmapEndpoint endpoint, SocketFileOptions options, Action<string> leftoverReplaced) =>
        InheritedSockets.TryTake(endpoint) is { } inherited ? new EndpointListener(inherited, endpoint, isInherited: true)
        : endpoint.Path is { } path ? OpenUnix(endpoint, path, options, leftoverReplaced) : OpenTcp(endpoint, endpoint.Address!);

    /// <summary>
    /// Makes the socket file again when it is gone, or says that another one is in its place. For
    /// the server's timer.
    /// </summary>
    public void LookAfterFile(ServerContext context)
    {
        if (Endpoint.Path is not { } path || _file is null || !_gate.TryEnter())
        {
            return; // TCP, or not Linux; a look that takes long is the only one
        }

        try
        {
            if (_isDisposed || IsOurs())
            {
                return;
            }

            Socket made = Listen(Endpoint, path, _options, _ => { });
            _file = Look(Endpoint);
            Socket old = Interlocked.Exchange(ref _socket, made);
            old.Dispose();
            Log.SocketFileMadeAgain(context.Logger, Endpoint);
        }
        catch (IOException e)
        {
            context.LimitLog.SocketFileLost(Endpoint, e);
        }
        catch (Exception)
        {
            // A logger of the host's that throws; the timer must go on.
        }
        finally
        {
            _gate.Exit();
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _isDisposed = true;
            if (!_isInherited && Endpoint.Path is { } path && IsOurs())
            {
                SocketFile.TryDelete(path);
            }

            Socket.Dispose();
            _lock?.Dispose();
        }
    }

    private static EndpointListener OpenUnix(PortmapEndpoint endpoint, string path, SocketFileOptions options, Action<string> leftoverReplaced)
    {
        SocketFolder.Check(endpoint, path, options.AllowGroupFolder);
        FileStream fileLock = SocketFile.Lock(endpoint, path);
        try
        {
            return new EndpointListener(Listen(endpoint, path, options, leftoverReplaced), endpoint, options, fileLock);
        }
        catch
        {
            fileLock.Dispose();
            throw;
        }
    }

    /// <exception cref="IOException">Somebody else listens there, or something of another user's is
    /// there.</exception>
    private static Socket Listen(PortmapEndpoint endpoint, string path, SocketFileOptions options, Action<string> leftoverReplaced)
    {
        Socket? socket = null;
        try
        {
            socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            SocketFolder.Check(endpoint, path, options.AllowGroupFolder);
            if (SocketFile.RemoveLeftover(endpoint, path))
            {
                leftoverReplaced(path);
            }

            // Nobody can connect before Listen, so there is no moment at which others could get in
            // by a wider mode.
            socket.Bind(endpoint.EndPoint);
            SocketFile.SetMode(path, options.Mode);
            socket.Listen(Backlog);
            return WithoutFile(socket);
        }
        catch (Exception e)
        {
            socket?.Dispose();
            if (e is SocketException or UnauthorizedAccessException)
            {
                throw SocketFile.CannotListen(endpoint, e);
            }

            throw;
        }
    }

    /// <summary>
    /// The same socket, but one that does not delete the file at its path when it is disposed: that
    /// may be another's by then.
    /// </summary>
    private static Socket WithoutFile(Socket bound)
    {
        if (OperatingSystem.IsWindows())
        {
            return bound;
        }

        var handle = new SafeSocketHandle(bound.SafeHandle.DangerousGetHandle(), ownsHandle: true);
        bound.SafeHandle.SetHandleAsInvalid();
#pragma warning disable CA1816 // its finalizer deletes the file as well
        GC.SuppressFinalize(bound);
#pragma warning restore CA1816
        return new Socket(handle);
    }

    private static EndpointListener OpenTcp(PortmapEndpoint endpoint, IPEndPoint address)
    {
        Socket? socket = null;
        try
        {
            socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            socket.Bind(address);
            socket.Listen(Backlog);
            return new EndpointListener(socket, PortmapEndpoint.Tcp((IPEndPoint)socket.LocalEndPoint!));
        }
        catch (SocketException e)
        {
            socket?.Dispose();
            throw e.SocketErrorCode == SocketError.AddressAlreadyInUse
                ? new IOException($"Somebody listens on {endpoint} already, perhaps another daemon; stop it or choose another port.", e)
                : new IOException($"Cannot listen on {endpoint}: {PortRefusal.CreateForBind(e, owner: null, address.Port, PortProtocol.Tcp, address.Address)?.Message ?? $"{e.Message}."}", e);
        }
    }

    private static PosixFile? Look(PortmapEndpoint endpoint) =>
        endpoint.Path is { } path && OperatingSystem.IsLinux() ? PosixFile.At(path, follow: false) : null;

    /// <summary>
    /// Whether the file at the path is the one this socket was bound to. Elsewhere than on Linux
    /// that cannot be told, and is believed.
    /// </summary>
    private bool IsOurs() => _file is not { } made || (Look(Endpoint) is { } now && now.IsSameAs(made));
}
