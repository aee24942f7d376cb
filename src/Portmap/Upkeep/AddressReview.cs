using Portmap.Guarding;
using Portmap.Operations;
using Portmap.Table;

namespace Portmap.Upkeep;

/// <summary>Notes which addresses registrations serve, as the kernel lists them.</summary>
internal static class AddressReview
{
    /// <summary>Notes those of new registrations, and tells of those whose port somebody else
    /// listens on too.</summary>
    public static void Look(RegistryParts parts, List<ClaimView> registrations)
    {
        ListenersNow now = new(parts.Settings.Host);
        foreach (ClaimView claim in registrations)
        {
            ArraySegment<PortSocket>? listeners = now.On(claim.Protocol, claim.Port);
            PortTable.NoteAddresses(claim, parts.Entries.Addresses.NumberOf(listeners, claim.Addresses));
            if (listeners is { Count: > 1 } several && ServedFindings.Shared(parts.Entries.Of(claim), several) is { } shared)
            {
                parts.Log.FoundShared(claim.Protocol, claim.Port, shared);
            }
        }
    }

    /// <summary>Notes what the server of a registration has opened or closed since it was looked
    /// at.</summary>
    public static void Refresh(RegistryParts parts, ClaimView claim, ListenersNow now)
    {
        if (claim.Addresses != ServedAddresses.NotLookedAt)
        {
            PortTable.NoteAddresses(claim, parts.Entries.Addresses.NumberOf(now.On(claim.Protocol, claim.Port), claim.Addresses));
        }
    }
}
