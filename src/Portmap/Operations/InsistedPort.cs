using System.Runtime.CompilerServices;
using Portmap.Table;

namespace Portmap.Operations;

/// <summary>What stands in the way of the port that a request insists on.</summary>
internal static class InsistedPort
{
    /// <summary>Why the port cannot be had, when no other one will do.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]   // seldom needed: its locals are not cleared on the way past it
    public static PortRefusal Refuse(RegistryParts parts, in PortRequest request, PortAvailability found)
    {
        if (!parts.HandsOut(request.PreviousPort, request))
        {
            return Refusals.NotHandedOut(request, parts.Settings);
        }

        if (found == PortAvailability.Denied)
        {
            return Refusals.Denied(request, request.PreviousPort);
        }

        return found is PortAvailability.Foreign or PortAvailability.FoundForeign
            ? Refusals.Foreign(request, parts.Settings, parts.Holders)
            : Refusals.InUse(request, FindHolder(parts, request), isCooling: found == PortAvailability.Cooling);
    }

    /// <summary>Ends the registrations of dead processes on the port, before it is refused because
    /// of them.</summary>
    /// <returns>Whether there was one.</returns>
    public static bool EndDeadHolders(RegistryParts parts, in PortRequest request, long now)
    {
        bool ended = false;
        foreach (PortProtocol protocol in Protocols(request))
        {
            foreach (ClaimView holder in parts.Table.Ports.Registrations(protocol, request.PreviousPort))
            {
                if (SessionHolder.Of(holder) is { } session && !session.CheckAlive())
                {
                    ended |= parts.Table.TryEnd(holder, session.EndCause, now);
                }
            }
        }

        return ended;
    }

    private static PortEntry FindHolder(RegistryParts parts, in PortRequest request)
    {
        foreach (PortProtocol protocol in Protocols(request))
        {
            ClaimView holder = parts.Table.Ports.Find(protocol, request.PreviousPort, out PortState state);
            if (!holder.IsNone)
            {
                return parts.Entries.Of(holder, state);
            }
        }

        return default;
    }

    private static ReadOnlySpan<PortProtocol> Protocols(in PortRequest request) => request.Protocol switch
    {
        PortProtocol.TcpAndUdp => [PortProtocol.Tcp, PortProtocol.Udp],
        PortProtocol.Udp => [PortProtocol.Udp],
        _ => [PortProtocol.Tcp],
    };
}
