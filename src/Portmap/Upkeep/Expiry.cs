using Portmap.Guarding;
using Portmap.Operations;
using Portmap.Table;

namespace Portmap.Upkeep;

/// <summary>Ends the leases of one pass that have run out. Used by one thread.</summary>
internal sealed class Expiry(RegistryParts parts, long now)
{
    private List<ClaimView>? _expired;

    /// <summary>Notes the lease of an owner if it has run out. One whose registration is on the way
    /// to the disk is not late.</summary>
    public void Look(in OwnerView owner)
    {
        if (!owner.Lease.IsNone && now >= LeaseTimes.EndsAtMs(parts, owner.Lease) && !owner.IsPending())
        {
            (_expired ??= []).Add(owner.Lease);
        }
    }

    /// <summary>Ends what was noted. A port on which somebody listens is a stranger's then, not a
    /// cooling one.</summary>
    public void End()
    {
        if (_expired is null)
        {
            return;
        }

        // One read tells for all of them whether somebody listens there.
        ListenTable? tcp = parts.AsksTheKernel ? parts.Listeners.Read(PortProtocol.Tcp) : null;
        ListenTable? udp = tcp is not null && _expired.Exists(lease => lease.Protocol == PortProtocol.Udp) ? parts.Listeners.Read(PortProtocol.Udp) : null;
        foreach (ClaimView lease in _expired)
        {
            ListenTable? listeners = lease.Protocol == PortProtocol.Tcp ? tcp : udp;
            bool isClosed = lease.Guarantee == PortGuarantee.Exclusive;   // then nobody got in, and what UDP shows there is the placeholder
            if (LeaseTimes.TryClose(parts, lease, now) && parts.Table.TryEnd(lease, ClaimEnd.Expired, now) && lease.Port != 0 && !isClosed && listeners?.Listens(lease.Port) == true)
            {
                parts.Table.TryMarkForeign(lease.Protocol, lease.Port, now);
            }
        }
    }
}
