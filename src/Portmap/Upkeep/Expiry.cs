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
        ListenTable? udp = tcp is not null && _expired.Exists(lease => lease.Protocol == PortProtocol.Udp || !OtherHalf(lease).IsNone) ? parts.Listeners.Read(PortProtocol.Udp) : null;
        foreach (ClaimView lease in _expired)
        {
            ClaimView other = OtherHalf(lease);
            bool isTaken = HasSomebody(lease, tcp, udp), isOtherTaken = other.IsLease && HasSomebody(other, tcp, udp);
            if (!LeaseTimes.TryClose(parts, lease, now) || !parts.Table.TryEnd(lease, ClaimEnd.Expired, now))
            {
                continue;
            }

            if (isTaken)
            {
                parts.Table.TryMarkForeign(lease.Protocol, lease.Port, now);
            }

            if (isOtherTaken && other.Now() is { Stage: ClaimStage.Ended, Cause: ClaimEnd.Expired })   // by the end of this one
            {
                parts.Table.TryMarkForeign(other.Protocol, other.Port, now);
            }
        }
    }

    /// <summary>Of a lease for both protocols the claim of the other one; else none.</summary>
    private static ClaimView OtherHalf(ClaimView lease) =>
        ILease.Of(lease) is { Twin: { } twin } both ? new ClaimView(ReferenceEquals(lease.Claim, twin) ? both.Claim : twin) : default;

    /// <summary>Whether somebody has the port of an open lease. Behind a gate that is closed nobody
    /// got in, and what UDP shows there is the placeholder.</summary>
    private static bool HasSomebody(ClaimView lease, ListenTable? tcp, ListenTable? udp) =>
        lease.Port != 0 && lease.Guarantee != PortGuarantee.Exclusive && (lease.Protocol == PortProtocol.Tcp ? tcp : udp)?.Listens(lease.Port) == true;
}
