using System.Net;
using System.Net.Sockets;
using Portmap.Native;

namespace Portmap.Guarding;

/// <summary>A socket that is bound to a port of every address and never listens.</summary>
/// <remarks>
/// A strict one is bound without SO_REUSEADDR (.NET sets it in Bind for TCP, unless the protocol is
/// <see cref="ProtocolType.Unspecified"/>). So the bind fails when anybody holds the port,
/// listening or not; a wildcard dual-stack bind meets every address of both families. TIME_WAIT
/// makes it fail too. On Linux it is a bare descriptor: .NET's Socket makes one call more and four
/// objects, two of them with finalizers. Elsewhere it is .NET's. Not verified: Windows, macOS.
/// <para>Used by one thread at a time, and disposed by who made it: nothing else closes it.</para>
/// </remarks>
internal sealed class BoundSocket : IDisposable
{
    // On Linux the kernel is asked, and it is false once that refused the family: .NET's answer may
    // be its own (DOTNET_SYSTEM_NET_DISABLEIPV6), and others bind both families all the same.
    private static bool s_isDual = OperatingSystem.IsLinux() || Socket.OSSupportsIPv6;

    /// <summary>Whether a socket of here is bound to both families: IPv6 is there.</summary>
    public static bool MeetsBoth => Volatile.Read(ref s_isDual);

    private const int None = -1;

    private int _descriptor = None;
    private Socket? _socket;

    private BoundSocket(int descriptor) => _descriptor = descriptor;

    private BoundSocket(Socket socket) => _socket = socket;

    /// <param name="protocol">TCP or UDP.</param>
    /// <param name="port">The port.</param>
    /// <param name="isStrict">Without SO_REUSEADDR.</param>
    /// <param name="socket">The socket, or null.</param>
    public static SocketError TryMake(PortProtocol protocol, int port, bool isStrict, out BoundSocket? socket)
    {
        bool isDual = MeetsBoth;
        SocketError error = TryMake(protocol, port, isStrict, isDual, out socket);
        if (isDual && error is SocketError.AddressFamilyNotSupported or SocketError.AddressNotAvailable)
        {
            // IPv6 is there and switched off: then IPv4 is all there is to hold.
            error = TryMake(protocol, port, isStrict, isDual: false, out socket);
            Volatile.Write(ref s_isDual, error == SocketError.AddressFamilyNotSupported);
        }

        return error;
    }

    /// <summary>Why none can hold a port; null when one can.</summary>
    public static string? WhyNoPlaceholder()
    {
        SocketError error = TryMake(PortProtocol.Tcp, port: 0, isStrict: true, out BoundSocket? socket);
        using (socket)
        {
            if (socket is null)
            {
                return $"a placeholder cannot be bound: {BindError.Explain(error, port: 0)}";
            }

            try
            {
                socket.SetReuseAddress(true);
                socket.SetReuseAddress(false);
                return null;
            }
            catch (SocketException exception)
            {
                return $"its gate cannot be opened: {exception.SocketErrorCode}";
            }
        }
    }

    /// <summary>SO_REUSEADDR: whether others that have it too may bind the port.</summary>
    /// <exception cref="SocketException">The kernel refuses.</exception>
    public void SetReuseAddress(bool isOn)
    {
        if (_socket is not null)
        {
            SocketOptions.SetReuseAddress(_socket, isOn);
        }
        else if (!Posix.TrySetReuseAddress(_descriptor, isOn))
        {
            throw new SocketException((int)Posix.LastSocketError);
        }
    }

    /// <summary>The same socket as one of .NET's, for who wants more of it than to be
    /// bound.</summary>
    /// <remarks>It is this one's still, and is disposed with it.</remarks>
    public Socket AsSocket()
    {
        if (_descriptor != None)
        {
            _socket = new Socket(new SafeSocketHandle(_descriptor, ownsHandle: true));   // which closes it
            _descriptor = None;
        }

        return _socket!;
    }

    public void Dispose()
    {
        if (_descriptor != None)
        {
            Posix.CloseDescriptor(_descriptor);
            _descriptor = None;
        }

        _socket?.Dispose();
    }

    private static SocketError TryMake(PortProtocol protocol, int port, bool isStrict, bool isDual, out BoundSocket? socket)
    {
        if (!OperatingSystem.IsLinux())
        {
            return TryMakeElsewhere(protocol, port, isStrict, isDual, out socket);
        }

        socket = null;
        int made = Posix.MakeInetSocket(isDual, isUdp: protocol == PortProtocol.Udp);
        if (made >= 0
            && (!isDual || Posix.TryMeetBoth(made))
            && (isStrict || Posix.TrySetReuseAddress(made, isOn: true))
            && Posix.TryBindEverywhere(made, isDual, port))
        {
            socket = new BoundSocket(made);
            return SocketError.Success;
        }

        SocketError error = Posix.LastSocketError;
        if (made >= 0)
        {
            Posix.CloseDescriptor(made);
        }

        return error;
    }

    private static SocketError TryMakeElsewhere(PortProtocol protocol, int port, bool isStrict, bool isDual, out BoundSocket? socket)
    {
        socket = null;
        Socket? made = null;
        try
        {
            bool isUdp = protocol == PortProtocol.Udp;
            made = new Socket(
                isDual ? AddressFamily.InterNetworkV6 : AddressFamily.InterNetwork,
                isUdp ? SocketType.Dgram : SocketType.Stream,
                isUdp ? ProtocolType.Udp : isStrict ? ProtocolType.Unspecified : ProtocolType.Tcp);
            if (isDual)
            {
                made.DualMode = true;
            }

            made.Bind(new IPEndPoint(isDual ? IPAddress.IPv6Any : IPAddress.Any, port));
            socket = new BoundSocket(made);
            return SocketError.Success;
        }
        catch (SocketException exception)
        {
            made?.Dispose();
            return exception.SocketErrorCode;
        }
    }
}
