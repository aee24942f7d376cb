namespace Portmap.Table;

internal sealed partial class PortTable
{
    /// <summary>Ends a claim in force; false when it had ended already. Lookups stop at the CAS, the port becomes available after it.</summary>
    public bool TryEnd(PortClaim claim, ClaimEnd cause, long now, PortClaim? winner = null)
    {
        while (true)
        {
            ClaimWord word = claim.Word;
            if (word.Stage is not (ClaimStage.Reserved or ClaimStage.Bound))
            {
                return false;
            }

            if (word.Stage == ClaimStage.Bound)
            {
                EndBelow(claim, now);   // OwnerCell I3: an older registration must not come back
            }

            if (claim.TryEndFrom(word, cause, now))
            {
                AfterEnd(claim, cause, now, winner);
                return true;
            }
        }
    }

    /// <summary>Withdraws a pending acquisition: nothing was promised, so its port does not cool.</summary>
    public void Withdraw(PortClaim claim, long now)
    {
        claim.TryEnd(ClaimEnd.Withdrawn, now);
        _events.Withdrew(claim);
        if (claim.Port != 0 && Settings.HandsOut(claim.Port))
        {
            Space(claim.Protocol).Free.Add(claim.Port);
        }

        if (claim.Cell is { } cell)
        {
            Index.Retire(cell);
        }
    }

    /// <summary>Marks a port as a stranger's unless a claim of ours is in force on it.</summary>
    public bool TryMarkForeign(PortProtocol protocol, int port, long now, PortClaim? except = null)
    {
        PortSpace space = Space(protocol);
        while (true)
        {
            object? slot = space.Slots[port];
            foreach (PortClaim claim in PortSlots.Claims(ref slot))
            {
                if (!ReferenceEquals(claim, except) && (claim.Word.Stage == ClaimStage.Taking || claim.Cell?.HolderOf(port) is not null))
                {
                    return false;
                }
            }

            PortClaim marker = PortClaim.ForForeign(protocol, port, now);
            if (space.Slots.TrySet(port, slot, marker))
            {
                space.LookAgainLater(port, now);
                _events.FoundForeign(marker);
                return true;
            }
        }
    }

    /// <summary>What follows from an ending, done by the thread whose CAS it was.</summary>
    private void AfterEnd(PortClaim claim, ClaimEnd cause, long now, PortClaim? winner = null)
    {
        if (claim.Port != 0 && winner?.Port != claim.Port)
        {
            Space(claim.Protocol).Cool(claim.Port, now);
        }

        claim.Lease?.OnEnded(claim, cause, winner);
        _events.Ended(claim, cause, winner, now);
        Index.Retire(claim.Cell!);
    }
}
