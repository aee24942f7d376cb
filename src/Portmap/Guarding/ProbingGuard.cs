using System.Net;
using System.Net.Sockets;

namespace Portmap.Guarding;

/// <summary>Binds the port for a moment, on IPv4 and IPv6, and lets it go: it was free then.</summary>
/// <remarks>
/// A socket of <see cref="ProtocolType.Unspecified"/> is bound without SO_REUSEADDR (.NET sets it in Bind for TCP otherwise), so the bind fails when
/// anybody holds the port, listening or not; a wildcard dual-stack bind meets every address of both families. TIME_WAIT makes it fail
/// too: then a second bind with SO_REUSEADDR tells lingering connections from a listener.
/// Not verified: Windows, macOS.
/// </remarks>
internal sealed class ProbingGuard : IPortGuard
{
    public GuardOutcome Place(PortProtocol protocol, int port, bool insisted)
    {
        SocketError error = protocol == PortProtocol.Udp ? TryBind(SocketType.Dgram, ProtocolType.Udp, port) : TryBind(SocketType.Stream, ProtocolType.Unspecified, port);
        switch (error)
        {
            case SocketError.Success:
                return new GuardOutcome(GuardFinding.Free, PortGuarantee.ProbedOnly);
            case SocketError.AddressAlreadyInUse:
                // With SO_REUSEADDR a bind is refused only by a listener; UDP knows no TIME_WAIT.
                bool lingering = protocol == PortProtocol.Tcp && TryBind(SocketType.Stream, ProtocolType.Tcp, port) == SocketError.Success;
                return new GuardOutcome(lingering ? GuardFinding.Lingering : GuardFinding.InUse, PortGuarantee.ProbedOnly);
            case SocketError.AccessDenied:
                return new GuardOutcome(GuardFinding.InUse, PortGuarantee.ProbedOnly);   // a privileged port we may not bind cannot be handed out either
            default:
                return new GuardOutcome(GuardFinding.Free, PortGuarantee.LedgerOnly);   // no descriptors left, say: nobody could be asked, and the lease says so
        }
    }

    private static SocketError TryBind(SocketType type, ProtocolType protocol, int port)
    {
        bool dual = Socket.OSSupportsIPv6;
        try
        {
            using Socket socket = new(dual ? AddressFamily.InterNetworkV6 : AddressFamily.InterNetwork, type, protocol);
            if (dual)
            {
                socket.DualMode = true;
            }

            socket.Bind(new IPEndPoint(dual ? IPAddress.IPv6Any : IPAddress.Any, port));
            return SocketError.Success;
        }
        catch (SocketException exception)
        {
            return exception.SocketErrorCode;
        }
    }
}
