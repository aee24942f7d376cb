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
        SocketError strict = protocol == PortProtocol.Udp ? TryBind(SocketType.Dgram, ProtocolType.Udp, port) : TryBind(SocketType.Stream, ProtocolType.Unspecified, port);

        // With SO_REUSEADDR a bind is refused only by a listener; UDP knows no TIME_WAIT.
        bool lingering = strict == SocketError.AddressAlreadyInUse && protocol == PortProtocol.Tcp && TryBind(SocketType.Stream, ProtocolType.Tcp, port) == SocketError.Success;
        return Judge(strict, lingering);
    }

    /// <summary>What the answers of the two binds mean. Nobody could be asked (no descriptors left, say): the port is handed out, and the lease says that only
    /// the ledger knows.</summary>
    internal static GuardOutcome Judge(SocketError strict, bool lingering) => strict switch
    {
        SocketError.Success => new GuardOutcome(GuardFinding.Free, PortGuarantee.ProbedOnly),
        SocketError.AddressAlreadyInUse => new GuardOutcome(lingering ? GuardFinding.Lingering : GuardFinding.InUse, PortGuarantee.ProbedOnly),
        SocketError.AccessDenied => new GuardOutcome(GuardFinding.InUse, PortGuarantee.ProbedOnly),   // a privileged port we may not bind cannot be handed out
        _ => new GuardOutcome(GuardFinding.Free, PortGuarantee.LedgerOnly),
    };

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
