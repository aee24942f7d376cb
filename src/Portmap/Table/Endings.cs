namespace Portmap.Table;

/// <summary>How claims end, and what follows from it.</summary>
/// <remarks>The linearization point of each is the CAS of the claim's word
/// (<see cref="PortClaim.TryEndFrom"/>); whoever made it does what follows, and the table's part
/// comes before anybody is told. Progress: lock-free.</remarks>
internal sealed class Endings(TableParts parts, ClaimFacts facts)
{
    /// <summary>Ends a claim in force; false when it had ended already. Lookups stop at the CAS,
    /// the port becomes available after it.</summary>
    /// <param name="claim">The claim.</param>
    /// <param name="cause">Why.</param>
    /// <param name="now">The time.</param>
    /// <param name="unlessReliedOn">Not while another claim may rely on it
    /// (<see cref="RelyOn"/>).</param>
    public bool TryEnd(PortClaim claim, ClaimEnd cause, long now, bool unlessReliedOn = false)
    {
        while (true)
        {
            ClaimWord word = claim.Word;
            if (word.Stage is not (ClaimStage.Reserved or ClaimStage.Bound) || (unlessReliedOn && word.IsReliedOn))
            {
                return false;
            }

            if (word.Stage == ClaimStage.Bound)
            {
                if (claim.Below is not null)
                {
                    EndBelow(claim, now);   // OwnerCell I3: an older registration must not come back
                }

                claim.Cell!.Remember(claim);
            }

            if (TryEndFrom(claim, word, cause, now, winner: null))
            {
                return true;
            }
        }
    }

    /// <summary>Marks a registration that one above it relies on, which is about to take effect and
    /// to replace it: whoever is about to end it then finds its word changed. False when it has
    /// ended.</summary>
    public static bool RelyOn(PortClaim registration)
    {
        while (true)
        {
            ClaimWord word = registration.Word;
            if (word.Stage != ClaimStage.Bound || word.IsReliedOn || registration.TryMark(word, word.ReliedOn(true)))
            {
                return word.Stage == ClaimStage.Bound;
            }
        }
    }

    /// <summary>Ends a claim in force, from the word the decision was made on.</summary>
    public bool TryEndFrom(PortClaim claim, ClaimWord seen, ClaimEnd cause, long now, PortClaim? winner)
    {
        if (!claim.TryEndFrom(seen, cause, now))
        {
            return false;
        }

        AfterEnd(claim, cause, now, winner);
        return true;
    }

    /// <summary>Ends what a claim uses up: a lease by its registration, a lease by that of another
    /// port, a registration by its continuation over a new connection. True too when a helper has
    /// done so.</summary>
    public bool UseUp(PortClaim used, PortClaim by, long now)
    {
        ClaimEnd cause = by.IsLease ? ClaimEnd.Moved : used.IsLease ? ClaimEnd.UsedUp : ClaimEnd.Replaced;
        while (true)
        {
            ClaimWord word = used.Word;
            if (!word.IsLive)
            {
                return word.Cause == cause;
            }

            // The fact of one that goes on with the same epoch on the same port tells that the
            // older one is over; an end would be taken for its own.
            bool isTold = used.Port == by.Port && used.Epoch == by.Epoch;
            if (used.TryEndFrom(word, cause, now, isTold))
            {
                if (cause != ClaimEnd.UsedUp)
                {
                    AfterEnd(used, cause, now, winner: by, isTold);
                }
                else if (!isTold)
                {
                    facts.Queue(used, used.Word);
                }

                return true;
            }
        }
    }

    /// <summary>Ends a pending claim, from the word the decision was made on. When its fact may be
    /// on disk, the end is written too.</summary>
    public bool TryEndPending(PortClaim claim, ClaimWord seen, ClaimEnd cause, long now)
    {
        if (seen.IsJoined)
        {
            return claim.Group is { } group && TryEndGroup(group, group.Word, cause, now);
        }

        if (!claim.TryEndFrom(seen, cause, now))
        {
            return false;
        }

        if (seen.IsQueued)
        {
            facts.Queue(claim, claim.Word);
        }

        return true;
    }

    /// <summary>Ends a group that is not decided: none of its members ever takes effect. Ends of
    /// facts that may be on disk are written; whoever made the group takes back the
    /// rest.</summary>
    public bool TryEndGroup(ClaimGroup group, ClaimWord seen, ClaimEnd cause, long now)
    {
        if (!group.TryEnd(seen, cause, now))
        {
            return false;
        }

        foreach (PortClaim member in group.Members)
        {
            if (member.Word is { Stage: ClaimStage.Ended, Waits: true } ended)
            {
                facts.Queue(member, ended);
            }
        }

        return true;
    }

    /// <summary>Takes an acquisition back, whether it has taken effect or not: nothing was
    /// promised, so its port does not cool unless it did before.</summary>
    /// <param name="claim">The acquisition.</param>
    /// <param name="now">The time.</param>
    /// <param name="replaced">The claim whose place it was to take; null for none.</param>
    /// <returns>Whether that one had moved to it: then it is nowhere.</returns>
    public bool Withdraw(PortClaim claim, long now, PortClaim? replaced)
    {
        bool wasPushed = claim.Cell is not null;
        TryEnd(claim, ClaimEnd.Withdrawn, now);
        for (ClaimWord word = claim.Word; word.IsLive && !TryEndPending(claim, word, ClaimEnd.Withdrawn, now); word = claim.Word)
        {
        }

        if (claim.Group is not null)
        {
            claim.LeaveGroup();   // else the slot would keep all of it
        }

        parts.Events.Withdrew(new ClaimView(claim));
        parts.Offer(claim);
        parts.Index.NoteIdle();
        return wasPushed && replaced?.Word.Cause == ClaimEnd.Moved;
    }

    /// <summary>Ends the older registrations of the owner, which this one supersedes (OwnerCell
    /// I3), and unlinks what has ended.</summary>
    public void EndBelow(PortClaim claim, long now)
    {
        for (PortClaim? below = claim.Below; below is not null; below = below.Below)
        {
            ClaimWord word = below.Word;
            while (word.Stage == ClaimStage.Bound && !TryEndFrom(below, word, ClaimEnd.Replaced, now, claim))
            {
                word = below.Word;   // ended by somebody else, or only marked meanwhile
            }

            if (word.Stage == ClaimStage.Ended && word.Waits)
            {
                facts.Queue(below, word);   // whoever ended it may be stopped before that, and its fact comes before this one's end
            }
        }

        claim.SkipEnded();
    }

    /// <summary>Marks a port as a stranger's unless a claim of ours is in force on it.</summary>
    public bool TryMarkForeign(PortProtocol protocol, int port, long now, PortClaim? except = null)
    {
        PortSpace space = parts.Space(protocol);
        while (true)
        {
            object? slot = space.Slots[port];
            if (IsOurs(slot, port, except))
            {
                return false;
            }

            foreach (PortClaim claim in PortSlots.Claims(ref slot))
            {
                if (claim.Meant.Cell is { } cell && cell.LastPort == port)
                {
                    space.Last.Remember(cell, port);   // the slot told so, and tells it no more
                }
            }

            PortClaim marker = PortClaim.ForForeign(protocol, port, PortSlots.HighestEpoch(PortSlots.Claims(ref slot)), now);
            if (space.Slots.TrySet(port, slot, marker))
            {
                space.Hints.LookAgainLater(port, now);
                parts.Events.FoundForeign(new ClaimView(marker));
                return true;
            }
        }
    }

    /// <summary>Whether a claim of ours, but for one, is in force or pending on a port.</summary>
    public bool IsOurs(PortProtocol protocol, int port) => IsOurs(parts.Space(protocol).Slots[port], port, except: null);

    private static bool IsOurs(object? slot, int port, PortClaim? except)
    {
        foreach (PortClaim claim in PortSlots.Claims(ref slot))
        {
            if (!ReferenceEquals(claim, except) && (claim.Word.Stage == ClaimStage.Pending || claim.Cell?.HolderOf(port) is not null))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>What follows from an ending, done by the thread whose CAS it was. What the table
    /// has to do comes first, whoever is told of it next.</summary>
    private void AfterEnd(PortClaim claim, ClaimEnd cause, long now, PortClaim? winner, bool isTold = false)
    {
        if (!isTold && facts.Journal is not null)
        {
            facts.Queue(claim, claim.Word);   // before the port is offered, so that the fact of whoever gets it comes later
        }

        if (claim.Port != 0 && winner?.Port != claim.Port && !facts.Confirms)
        {
            parts.Space(claim.Protocol).Hints.Cool(claim.Port, now);
        }

        if (claim.Port != 0)
        {
            NoteLast(claim, cause);
        }

        parts.Index.NoteIdle();
        parts.Events.Ended(new ClaimView(claim), new ClaimView(winner), now);
    }

    private void NoteLast(PortClaim claim, ClaimEnd cause)
    {
        OwnerCell cell = claim.Cell!;
        if (cause is not (ClaimEnd.Replaced or ClaimEnd.LostToListener or ClaimEnd.BindFailed or ClaimEnd.Moved))
        {
            Hook.At(Step.NoteLastPort);
            cell.LastPort = claim.Port;   // else the owner has another one now, or this one was never any use to it
        }

        parts.Space(claim.Protocol).Last.Displace(cell, claim.Port);
    }
}
