using Portmap.Guarding;
using Portmap.Operations;
using Portmap.Table;

namespace Portmap.Upkeep;

/// <summary>Ends the leases of one pass that have run out. Used by one thread.</summary>
internal sealed class Expiry(RegistryParts parts, long now)
{
    private List<ClaimView>? _expired, _passed;

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
    /// cooling one; where that cannot be seen for want of a descriptor, the lease is left to the next
    /// pass.</summary>
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
            if (IsUnseen(lease, tcp, udp) || (other.IsLease && IsUnseen(other, tcp, udp)))
            {
                continue;
            }

            bool? isTaken = HasSomebody(lease, tcp, udp), isOtherTaken = other.IsLease ? HasSomebody(other, tcp, udp) : false;
            if (!LeaseTimes.TryClose(parts, lease, now) || !parts.Table.TryEnd(lease, ClaimEnd.Expired, now))
            {
                continue;
            }

            Mark(lease, isTaken);
            if (other.Now() is { Stage: ClaimStage.Ended, Cause: ClaimEnd.Expired })   // by the end of this one
            {
                Mark(other, isOtherTaken);
            }
        }

        MarkPassed();
    }

    private void Mark(ClaimView ended, bool? isTaken)
    {
        if (isTaken is null)
        {
            (_passed ??= []).Add(ended);
        }
        else if (isTaken == true)
        {
            parts.Table.TryMarkForeign(ended.Protocol, ended.Port, now);
        }
    }

    /// <summary>Whether a program goes on with the socket that it was passed is seen once the registry
    /// has closed its own copy.</summary>
    private void MarkPassed()
    {
        foreach (IGrouping<PortProtocol, ClaimView> ended in (_passed ?? []).GroupBy(lease => lease.Protocol))
        {
            ListenTable listeners = parts.Listeners.Read(ended.Key);
            foreach (ClaimView lease in ended.Where(lease => listeners.Listens(lease.Port)))
            {
                parts.Table.TryMarkForeign(lease.Protocol, lease.Port, now);
            }
        }
    }

    /// <summary>Of a lease for both protocols the claim of the other one; else none.</summary>
    private static ClaimView OtherHalf(ClaimView lease) =>
        ILease.Of(lease) is { Twin: { } twin } both ? new ClaimView(ReferenceEquals(lease.Claim, twin) ? both.Claim : twin) : default;

    /// <summary>Whether somebody has the port of an open lease; null where that is seen
    /// later.</summary>
    private bool? HasSomebody(ClaimView lease, ListenTable? tcp, ListenTable? udp) =>
        tcp is not null && parts.Guard.Passed(lease.Claim!.Guarded) is not null ? null
        : MayHaveSomebody(lease) && TableOf(lease, tcp, udp)?.Listens(lease.Port) == true;

    private static bool IsUnseen(ClaimView lease, ListenTable? tcp, ListenTable? udp) =>
        MayHaveSomebody(lease) && TableOf(lease, tcp, udp) is { IsComplete: false, IsUnreadable: false } table && !table.Listens(lease.Port);

    /// <summary>Behind a gate that is closed nobody got in, and what UDP shows there is the
    /// placeholder.</summary>
    private static bool MayHaveSomebody(ClaimView lease) => lease.Port != 0 && lease.Guarantee != PortGuarantee.Exclusive;

    private static ListenTable? TableOf(ClaimView lease, ListenTable? tcp, ListenTable? udp) => lease.Protocol == PortProtocol.Tcp ? tcp : udp;
}
