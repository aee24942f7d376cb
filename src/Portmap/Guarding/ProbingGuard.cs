using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Portmap.Guarding;

/// <summary>
/// Binds the port for a moment, on IPv4 and IPv6, and lets it go: it was free then.
/// </summary>
/// <remarks>What there is on other systems than Linux.</remarks>
internal sealed class ProbingGuard : IPortGuard
{
    public GuardOutcome Place(in GuardedPort lease, string owner, PortGuardMode mode, bool insisted) =>
        Probe(lease.Protocol, lease.Port);

    public bool IsTaken(PortProtocol protocol, int port) => IsInUse(protocol, port);

    public string? WhyUnavailable() =>
        $"{RuntimeInformation.OSDescription} is not Linux, where the placeholder was measured (not verified elsewhere)";

    public void Dispose()
    {
    }

    /// <summary>Whether a stranger has the port, by a bind now; also where nobody could be
    /// asked.</summary>
    public static bool IsInUse(PortProtocol protocol, int port) =>
        Probe(protocol, port) is { Finding: GuardFinding.InUse } or { Guarantee: PortGuarantee.LedgerOnly };

    /// <summary>
    /// Binds the port strictly; when somebody has it, a second bind tells lingering connections
    /// from a listener.
    /// </summary>
    /// <param name="protocol">TCP or UDP.</param>
    /// <param name="port">The port.</param>
    /// <param name="socket">The bound socket, or null.</param>
    /// <param name="isShared">
    /// The second bind succeeded: another bound, silent socket may lie underneath.
    /// </param>
    public static GuardOutcome Ask(PortProtocol protocol, int port, out BoundSocket? socket, out bool isShared)
    {
        isShared = false;
        SocketError strict = BoundSocket.TryMake(protocol, port, isStrict: true, out socket);
        if (strict == SocketError.AddressAlreadyInUse && protocol == PortProtocol.Tcp)
        {
            // With SO_REUSEADDR a bind is refused only by a listener, or by a socket that was bound
            // without; UDP knows no TIME_WAIT.
            isShared = BoundSocket.TryMake(protocol, port, isStrict: false, out socket) == SocketError.Success;
        }

        return Judge(strict, isShared);
    }

    /// <summary>What the answers of the two binds mean.</summary>
    /// <remarks>
    /// Where nobody could be asked (no descriptors left, say), the port is handed out, and the
    /// lease says that only the ledger knows.
    /// </remarks>
    internal static GuardOutcome Judge(SocketError strict, bool lingering) => strict switch
    {
        SocketError.Success => new(GuardFinding.Free, PortGuarantee.ProbedOnly),
        SocketError.AddressAlreadyInUse when lingering => new(GuardFinding.Lingering, PortGuarantee.ProbedOnly),
        SocketError.AddressAlreadyInUse => new(GuardFinding.InUse, PortGuarantee.ProbedOnly),
        // Nobody's, and it cannot be handed out.
        SocketError.AccessDenied => new(GuardFinding.Denied, PortGuarantee.ProbedOnly),
        _ => new(GuardFinding.Free, PortGuarantee.LedgerOnly),
    };

    /// <summary>What it means that a bound socket cannot listen.</summary>
    internal static GuardFinding Unheard(SocketError listen) => listen switch
    {
        SocketError.AddressAlreadyInUse => GuardFinding.InUse,
        SocketError.AccessDenied => GuardFinding.Denied,
        _ => GuardFinding.Busy,   // for want of memory, say: that is over soon, and nobody has it
    };

    private static GuardOutcome Probe(PortProtocol protocol, int port)
    {
        GuardOutcome outcome = Ask(protocol, port, out BoundSocket? socket, out _);
        socket?.Dispose();
        return outcome;
    }
}
