using System.Net;
using System.Net.Sockets;

namespace Portmap.Guarding;

/// <summary>A socket that is bound to a port of every address and never listens.</summary>
/// <remarks>
/// One of <see cref="ProtocolType.Unspecified"/> is bound without SO_REUSEADDR (.NET sets it in
/// Bind for TCP otherwise). So the bind fails when anybody holds the port, listening or not; a
/// wildcard dual-stack bind meets every address of both families. TIME_WAIT makes it fail too. Not
/// verified: Windows, macOS.
/// </remarks>
internal static class BoundSocket
{
    private static bool s_isDual = Socket.OSSupportsIPv6;   // false once the kernel refused the family all the same

    /// <param name="protocol">TCP or UDP.</param>
    /// <param name="port">The port.</param>
    /// <param name="isStrict">Without SO_REUSEADDR.</param>
    /// <param name="socket">The socket, or null.</param>
    public static SocketError TryMake(PortProtocol protocol, int port, bool isStrict, out Socket? socket)
    {
        bool isDual = Volatile.Read(ref s_isDual);
        SocketError error = TryMake(protocol, port, isStrict, isDual, out socket);
        if (isDual && error is SocketError.AddressFamilyNotSupported or SocketError.AddressNotAvailable)
        {
            // IPv6 is there and switched off: then IPv4 is all there is to hold.
            error = TryMake(protocol, port, isStrict, isDual: false, out socket);
            Volatile.Write(ref s_isDual, error == SocketError.AddressFamilyNotSupported);
        }

        return error;
    }

    private static SocketError TryMake(PortProtocol protocol, int port, bool isStrict, bool isDual, out Socket? socket)
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
            socket = made;
            return SocketError.Success;
        }
        catch (SocketException exception)
        {
            made?.Dispose();
            return exception.SocketErrorCode;
        }
    }
}
