using System.Net.Sockets;
using Portmap.Table;

namespace Portmap.Guarding;

/// <summary>Binds the port for a moment, on IPv4 and IPv6, and lets it go: it was free then. What there is on other systems than Linux.</summary>
internal sealed class ProbingGuard : IPortGuard
{
    public GuardOutcome Place(PortClaim claim, PortGuardMode mode, bool insisted)
    {
        GuardOutcome outcome = Ask(claim.Protocol, claim.Port, out Socket? socket, out _);
        socket?.Dispose();
        return outcome;
    }

    public bool IsTaken(PortProtocol protocol, int port)
    {
        GuardOutcome outcome = Ask(protocol, port, out Socket? socket, out _);
        socket?.Dispose();
        return outcome.Finding == GuardFinding.InUse;
    }

    public string? WhyUnavailable() => $"{System.Runtime.InteropServices.RuntimeInformation.OSDescription} is not Linux, where the placeholder was measured (not verified elsewhere)";

    public void Dispose()
    {
    }

    /// <summary>Binds the port strictly; when somebody has it, a second bind tells lingering connections from a listener.</summary>
    /// <param name="protocol">TCP or UDP.</param>
    /// <param name="port">The port.</param>
    /// <param name="socket">The bound socket, or null.</param>
    /// <param name="isShared">The second bind succeeded: another bound, silent socket may lie underneath.</param>
    public static GuardOutcome Ask(PortProtocol protocol, int port, out Socket? socket, out bool isShared)
    {
        isShared = false;
        SocketError strict = BoundSocket.TryMake(protocol, port, isStrict: true, out socket);
        if (strict == SocketError.AddressAlreadyInUse && protocol == PortProtocol.Tcp)
        {
            // With SO_REUSEADDR a bind is refused only by a listener, or by a socket that was bound without; UDP knows no TIME_WAIT.
            isShared = BoundSocket.TryMake(protocol, port, isStrict: false, out socket) == SocketError.Success;
        }

        return Judge(strict, isShared);
    }

    /// <summary>What the answers of the two binds mean. Nobody could be asked (no descriptors left, say): the port is handed out, and the lease says that only
    /// the ledger knows.</summary>
    internal static GuardOutcome Judge(SocketError strict, bool lingering) => strict switch
    {
        SocketError.Success => new GuardOutcome(GuardFinding.Free, PortGuarantee.ProbedOnly),
        SocketError.AddressAlreadyInUse => new GuardOutcome(lingering ? GuardFinding.Lingering : GuardFinding.InUse, PortGuarantee.ProbedOnly),
        SocketError.AccessDenied => new GuardOutcome(GuardFinding.Denied, PortGuarantee.ProbedOnly),   // nobody's, and cannot be handed out
        _ => new GuardOutcome(GuardFinding.Free, PortGuarantee.LedgerOnly),
    };
}
