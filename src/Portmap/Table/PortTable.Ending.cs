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
                claim.Cell!.Remember(claim);
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
        WithdrawPending(claim, now);
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

    /// <summary>Ends a pending acquisition, if it is that still, and nothing else.</summary>
    public void WithdrawPending(PortClaim claim, long now)
    {
        for (ClaimWord word = claim.Word; word.IsLive && !TryEndPending(claim, word, ClaimEnd.Withdrawn, now); word = claim.Word)
        {
        }
    }

    /// <summary>Ends a pending claim, from the word the decision was made on. When its fact may be on disk, the end is written too.</summary>
    public bool TryEndPending(PortClaim claim, ClaimWord seen, ClaimEnd cause, long now)
    {
        if (!claim.TryEndFrom(seen, cause, now))
        {
            return false;
        }

        if (seen.IsQueued)
        {
            Journal?.Queue(claim, claim.Word);
        }

        return true;
    }

    /// <summary>Makes the port of an ended claim available, which for one that had to be written is when that is on disk.</summary>
    public void MakeAvailable(PortClaim claim, ClaimWord ended, long now)
    {
        PortSpace space = Space(claim.Protocol);
        if (claim.Port != 0 && space.CoolsForMs(ended, now) > 0)
        {
            space.Cool(claim.Port, ended.At);
        }
        else if (claim.Port != 0 && Settings.HandsOut(claim.Port))
        {
            space.Free.Add(claim.Port);
        }
    }

    /// <summary>Whether no claim of ours is in force or pending on a port.</summary>
    public bool MayBeForeign(PortProtocol protocol, int port) => !IsOurs(Space(protocol).Slots[port], port, except: null);

    private static bool IsOurs(object? slot, int port, PortClaim? except)
    {
        foreach (PortClaim claim in PortSlots.Claims(ref slot))
        {
            if (!ReferenceEquals(claim, except) && (claim.Word.Stage == ClaimStage.Taking || claim.Cell?.HolderOf(port) is not null))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Marks a port as a stranger's unless a claim of ours is in force on it.</summary>
    public bool TryMarkForeign(PortProtocol protocol, int port, long now, PortClaim? except = null)
    {
        PortSpace space = Space(protocol);
        while (true)
        {
            object? slot = space.Slots[port];
            if (IsOurs(slot, port, except))
            {
                return false;
            }

            PortClaim marker = PortClaim.ForForeign(protocol, port, PortSlots.HighestEpoch(PortSlots.Claims(ref slot)), now);
            if (space.Slots.TrySet(port, slot, marker))
            {
                space.LookAgainLater(port, now);
                _events.FoundForeign(marker);
                return true;
            }
        }
    }

    private void NoteLast(PortClaim claim, ClaimEnd cause)
    {
        LastPorts last = Space(claim.Protocol).Last;
        if (cause is ClaimEnd.Replaced or ClaimEnd.Taken or ClaimEnd.BindFailed)
        {
            last.Displace(claim.Cell!, claim.Port);   // the owner has another one now, or this one was never any use to it
        }
        else
        {
            last.Remember(claim.Cell!, claim.Port);
        }
    }

    /// <summary>What follows from an ending, done by the thread whose CAS it was. What the table has to do comes first, whoever is told of it next.</summary>
    private void AfterEnd(PortClaim claim, ClaimEnd cause, long now, PortClaim? winner = null, bool isTold = false)
    {
        if (!isTold)
        {
            Journal?.Queue(claim, claim.Word);   // before the port is offered, so that the fact of whoever gets it comes later
        }

        if (claim.Port != 0 && winner?.Port != claim.Port && Journal is not { Confirms: true })
        {
            Space(claim.Protocol).Cool(claim.Port, now);
        }

        if (claim.Port != 0)
        {
            NoteLast(claim, cause);   // before the cell may die, so that at any time one of the two knows the owner's port
        }

        Index.Retire(claim.Cell!);
        claim.Lease?.OnEnded(claim, cause, winner);
        _events.Ended(claim, cause, winner, now);
    }
}
