namespace Portmap.Table;

internal sealed partial class PortTable
{
    /// <summary>The port an owner has or had last, unless it was given to another owner since; 0 when there is none.</summary>
    /// <param name="protocol">The protocol.</param>
    /// <param name="owner">The owner.</param>
    /// <param name="hash">Its hash.</param>
    public int LastPort(PortProtocol protocol, string owner, int hash)
    {
        // A claim that ends is remembered before its cell dies, so a cell that lives and shows nothing is looked at first.
        for (PortClaim? claim = Index.Find(protocol, owner, hash)?.Top; claim is not null; claim = claim.Below)
        {
            if (claim.Port != 0 && HadIt(claim.Word))
            {
                return claim.Port;
            }
        }

        int port = Space(protocol).Last.Recall(owner, hash);
        return port == 0 || IsAnothers(protocol, port, owner) ? 0 : port;
    }

    /// <summary>Whether a process of this owner died on this port, which cools since: what a placeholder that is kept waits for.</summary>
    public bool CoolsAfterDeathOf(PortProtocol protocol, int port, string owner, long now)
    {
        PortSpace space = Space(protocol);
        object? slot = space.Slots[port];
        foreach (PortClaim claim in PortSlots.Claims(ref slot))
        {
            ClaimWord word = claim.Word;
            if (word.Stage == ClaimStage.Ended && word.Cause is ClaimEnd.Died or ClaimEnd.Disconnected && claim.Cell?.Owner == owner)
            {
                return space.CoolsForMs(word, now) > 0;
            }
        }

        return false;
    }

    private static bool HadIt(ClaimWord word) =>
        word.Stage is ClaimStage.Bound || (word.Stage == ClaimStage.Ended && word.WasBound && word.Cause != ClaimEnd.Replaced);

    private bool IsAnothers(PortProtocol protocol, int port, string owner)
    {
        object? slot = Space(protocol).Slots[port];
        foreach (PortClaim claim in PortSlots.Claims(ref slot))
        {
            if (claim.Cell is { } cell && cell.Owner != owner && cell.InForceOn(port) is not null)
            {
                return true;
            }
        }

        return false;
    }
}
