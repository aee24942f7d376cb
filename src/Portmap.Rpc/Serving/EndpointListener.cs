using System.Net;
using System.Net.Sockets;

namespace Portmap.Rpc.Serving;

/// <summary>One listening socket of a server, and for a Unix socket the file and the lock beside it.</summary>
internal sealed class EndpointListener : IDisposable
{
    private const int Backlog = 512;

    private readonly FileStream? _lock;

    private EndpointListener(Socket socket, PortmapEndpoint endpoint, FileStream? fileLock)
    {
        Socket = socket;
        Endpoint = endpoint;
        _lock = fileLock;
    }

    public Socket Socket { get; }

    /// <summary>Where it really listens: with the port that the kernel chose.</summary>
    public PortmapEndpoint Endpoint { get; }

    /// <exception cref="IOException">It is taken or cannot be listened on; the message says which and what to do.</exception>
    public static EndpointListener Open(PortmapEndpoint endpoint, UnixFileMode socketMode, Action<string> leftoverReplaced) =>
        endpoint.Path is { } path ? OpenUnix(endpoint, path, socketMode, leftoverReplaced) : OpenTcp(endpoint, endpoint.Address!);

    public void Dispose()
    {
        Socket.Dispose(); // which deletes the socket file that it made
        _lock?.Dispose();
    }

    private static EndpointListener OpenUnix(PortmapEndpoint endpoint, string path, UnixFileMode socketMode, Action<string> leftoverReplaced)
    {
        SocketFile.CheckFolder(endpoint, path);
        FileStream fileLock = SocketFile.Lock(endpoint, path);
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            if (SocketFile.RemoveLeftover(endpoint, path))
            {
                leftoverReplaced(path);
            }

            // Nobody can connect before Listen, so there is no moment at which others could get in by a wider mode.
            socket.Bind(endpoint.EndPoint);
            SocketFile.SetMode(path, socketMode);
            socket.Listen(Backlog);
            return new EndpointListener(socket, endpoint, fileLock);
        }
        catch (Exception e)
        {
            socket.Dispose();
            fileLock.Dispose();
            if (e is SocketException or UnauthorizedAccessException)
            {
                throw new IOException($"Cannot listen on {endpoint}: {e.Message}. Choose a folder that exists and that this user may write to.", e);
            }

            throw;
        }
    }

    private static EndpointListener OpenTcp(PortmapEndpoint endpoint, IPEndPoint address)
    {
        var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Bind(address);
            socket.Listen(Backlog);
            return new EndpointListener(socket, PortmapEndpoint.Tcp((IPEndPoint)socket.LocalEndPoint!), fileLock: null);
        }
        catch (SocketException e)
        {
            socket.Dispose();
            throw e.SocketErrorCode == SocketError.AddressAlreadyInUse
                ? new IOException($"Somebody listens on {endpoint} already, perhaps another daemon; stop it or choose another port.", e)
                : new IOException($"Cannot listen on {endpoint}: {e.Message}.", e);
        }
    }
}
