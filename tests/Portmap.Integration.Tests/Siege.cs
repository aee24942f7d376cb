using System.Net;
using System.Net.Sockets;

namespace Portmap.Integration.Tests;

/// <summary>A stranger who tries to listen on one port, again and again, until it is
/// lifted.</summary>
internal sealed class Siege : IDisposable
{
    private const int SolSocket = 1, SoReuseAddr = 2;

    private static readonly IPAddress[] s_addresses = [IPAddress.Any, IPAddress.Loopback, IPAddress.IPv6Any];

    private readonly Thread _thread;
    private readonly TaskCompletionSource _begun = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile bool _isLifted;
    private int _attempts;
    private int _successes;

    public Siege(int port)
    {
        _thread = new Thread(() =>
        {
            while (!_isLifted)
            {
                _successes += Listens(port, reuse: true) ? 1 : 0;
                Interlocked.Increment(ref _attempts);
                _begun.TrySetResult();
            }
        })
        { IsBackground = true };
        _thread.Start();
        _begun.Task.Wait(Deadline.Default);
    }

    public int Attempts => Volatile.Read(ref _attempts);

    /// <summary>Tries once, on every kind of address.</summary>
    /// <returns>Whether a stranger listened on the port.</returns>
    public static bool Listens(int port, bool reuse, bool ipv4Only = false) =>
        s_addresses.Any(address => !(ipv4Only && address.AddressFamily == AddressFamily.InterNetworkV6) && Listens(address, port, reuse));

    /// <returns>How many attempts succeeded.</returns>
    public int Lift()
    {
        _isLifted = true;
        _thread.Join();
        return _successes;
    }

    public void Dispose() => Lift();

    private static bool Listens(IPAddress address, int port, bool reuse)
    {
        using Socket socket = new(address.AddressFamily, SocketType.Stream, ProtocolType.Unspecified);   // .NET sets nothing by itself on such a one
        try
        {
            socket.SetRawSocketOption(SolSocket, SoReuseAddr, [(byte)(reuse ? 1 : 0), 0, 0, 0]);
            socket.Bind(new IPEndPoint(address, port));
            socket.Listen();
            return true;
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.AddressAlreadyInUse)
        {
            return false;
        }
    }
}
