using Portmap.Guarding;
using Portmap.Operations;
using Portmap.Table;

namespace Portmap.Upkeep;

/// <summary>Notes which addresses registrations serve, as the kernel lists them.</summary>
internal static class AddressReview
{
    /// <summary>Notes those of new registrations, and tells of those whose port somebody else listens on too.</summary>
    public static void Look(RegistryParts parts, List<ClaimView> registrations)
    {
        ListenersNow now = new();
        foreach (ClaimView claim in registrations)
        {
            if (now.On(claim.Protocol, claim.Port) is not { } listeners)
            {
                continue;
            }

            byte addresses = listeners.Count == 0 ? ServedAddresses.Unknown : parts.Entries.Addresses.NumberOf(listeners);
            PortTable.NoteAddresses(claim, addresses);
            if (ServedFindings.Shared(parts.Entries.Of(claim), listeners) is { } shared)
            {
                parts.Log.Found(shared);
            }
        }
    }

    /// <summary>Notes what servers have opened or closed since they were looked at.</summary>
    public static void Refresh(RegistryParts parts)
    {
        ListenersNow now = new();
        foreach (OwnerView owner in parts.Table.Owners())
        {
            ClaimView claim = owner.Served;
            if (!claim.IsNone && claim.Addresses != ServedAddresses.NotLookedAt && now.On(claim.Protocol, claim.Port) is { Count: not 0 } listeners)
            {
                PortTable.NoteAddresses(claim, parts.Entries.Addresses.NumberOf(listeners));
            }
        }
    }
}
