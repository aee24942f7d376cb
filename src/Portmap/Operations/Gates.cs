using Portmap.Table;

namespace Portmap.Operations;

/// <summary>Opens the gate of a lease, so that its process can bind the port.</summary>
internal sealed class Gates(RegistryParts parts)
{
    public void Open(ILease lease)
    {
        lease.Announce(Announcement.Opened);
        Open(new ClaimView(lease.Claim));
        if (lease.Twin is { } twin)
        {
            Open(new ClaimView(twin));
        }
    }

    private void Open(ClaimView claim)
    {
        if (claim.IsLease && parts.Guard.Open(claim.Guarded) && parts.Changes.IsRecording)
        {
            parts.Changes.Append(PortChangeKind.GuaranteeChanged, parts.Entries.FactsOf(claim), living: claim);
        }
    }
}
