using System.Net;
using System.Net.Sockets;
using Portmap.Native;

namespace Portmap.Rpc.Working;

/// <summary>
/// The sockets by which a worker holds its port: a listening TCP one, a bound UDP one, or both on
/// one number.
/// </summary>
/// <remarks>
/// <para>TCP, as measured on Linux 6.18:</para>
/// <list type="bullet">
/// <item><description>.NET's Bind sets SO_REUSEADDR on a socket that it knows to be TCP, and any
/// number of such binds of one port succeed until one of them listens. So the socket is made with
/// <see cref="ProtocolType.Unspecified"/>, which Bind leaves alone: nobody gets in between our bind
/// and our listen.</description></item>
/// <item><description>A strict bind fails over TIME_WAIT leftovers too. Only for a number that is
/// insisted on a second attempt sets SO_REUSEADDR; it also gets through the open gate of a
/// placeholder that a daemon holds for us. Then Listen decides who has the
/// port.</description></item>
/// <item><description>Accepted connections inherit the option, and so do their TIME_WAIT leftovers:
/// those of a listener without it refuse every bind for 60 s, with or without the option, and a
/// restarted worker could not have its port back. So it is set after Listen has returned, when it
/// lets nobody in any more.</description></item>
/// </list>
/// <para>UDP: .NET sets nothing, and a bound UDP socket is the claim.</para>
/// </remarks>
internal sealed class ListeningSockets : IDisposable
{
    private ListeningSockets(Socket? tcp, Socket? udp)
    {
        Tcp = tcp;
        Udp = udp;
        Port = ((IPEndPoint)(tcp ?? udp!).LocalEndPoint!).Port;
    }

    public Socket? Tcp { get; }

    public Socket? Udp { get; }

    public int Port { get; }

    /// <summary>Binds and listens.</summary>
    /// <param name="settings">The address, the protocol, the backlog.</param>
    /// <param name="port">The number, or 0 for the kernel's choice.</param>
    /// <param name="isInsisted">Whether TIME_WAIT leftovers on the number must not be an
    /// obstacle.</param>
    /// <param name="beforeBind">Sets what the kernel's choice depends on.</param>
    /// <param name="inUse">Who was in the way, as far as the kernel says.</param>
    /// <returns>The sockets, or null when the number is in use.</returns>
    /// <exception cref="SocketException">It cannot be bound for another reason, which another
    /// number would not heal.</exception>
    public static ListeningSockets? TryOpen(WorkerSettings settings, int port, bool isInsisted, Action<Socket>? beforeBind, out SocketException? inUse)
    {
        Socket? tcp = null, udp = null;
        try
        {
            tcp = settings.Protocol == PortProtocol.Udp ? null : OpenTcp(settings, port, isInsisted, beforeBind);
            port = tcp is null ? port : ((IPEndPoint)tcp.LocalEndPoint!).Port;
            udp = settings.Protocol == PortProtocol.Tcp ? null : OpenUdp(settings.Address, port, tcp is null ? beforeBind : null);
            inUse = null;
            return new ListeningSockets(tcp, udp);
        }
        catch (SocketException e)
        {
            tcp?.Dispose();
            udp?.Dispose();
            if (e.SocketErrorCode != SocketError.AddressAlreadyInUse)
            {
                throw;
            }

            inUse = e;
            return null;
        }
    }

    public void Dispose()
    {
        Tcp?.Dispose();
        Udp?.Dispose();
    }

    private static Socket OpenTcp(WorkerSettings settings, int port, bool isInsisted, Action<Socket>? beforeBind)
    {
        try
        {
            return OpenTcp(settings, port, beforeBind, mayJoin: false);
        }
        catch (SocketException e) when (isInsisted && e.SocketErrorCode == SocketError.AddressAlreadyInUse && OperatingSystem.IsLinux())
        {
            return OpenTcp(settings, port, beforeBind, mayJoin: true);
        }
    }

    private static Socket OpenTcp(WorkerSettings settings, int port, Action<Socket>? beforeBind, bool mayJoin)
    {
        // Elsewhere than on Linux the numbers of the options differ and nothing was measured:
        // .NET's own Bind has to do.
        bool isLinux = OperatingSystem.IsLinux();
        Socket socket = Make(settings.Address, SocketType.Stream, isLinux ? ProtocolType.Unspecified : ProtocolType.Tcp);
        try
        {
            beforeBind?.Invoke(socket);
            if (isLinux && mayJoin)
            {
                SocketOptions.SetReuseAddress(socket, isOn: true);
            }

            socket.Bind(new IPEndPoint(settings.Address, port));
            socket.Listen(settings.Backlog);
            if (isLinux)
            {
                SocketOptions.SetReuseAddress(socket, isOn: true);
            }

            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static Socket OpenUdp(IPAddress address, int port, Action<Socket>? beforeBind)
    {
        Socket socket = Make(address, SocketType.Dgram, ProtocolType.Udp);
        try
        {
            beforeBind?.Invoke(socket);
            socket.Bind(new IPEndPoint(address, port));
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    // One dual-stack socket holds the number in both families; a 0.0.0.0 one would leave the other
    // to a stranger.
    private static Socket Make(IPAddress address, SocketType type, ProtocolType protocol)
    {
        var socket = new Socket(address.AddressFamily, type, protocol);
        if (address.Equals(IPAddress.IPv6Any))
        {
            socket.DualMode = true;
        }

        return socket;
    }
}
