namespace Portmap.Table;

internal sealed partial class PortTable
{
    private enum SlotOutcome
    {
        Taken,

        /// <summary>A living process of somebody else has the port.</summary>
        Held,

        /// <summary>A later claim has been on the port since its epoch was drawn.</summary>
        Outrun,

        /// <summary>Somebody else finished the registration meanwhile.</summary>
        Settled,

        /// <summary>Another registration has the port, and its fact is on the way to the disk.</summary>
        Waits,
    }

    /// <summary>Brings a pending claim that tops its cell to its end, whoever began it: after this it has taken effect or has ended, or it is still
    /// pending because a fact has yet to come to the disk (never without a store that confirms).</summary>
    /// <returns>Whether this call made it take effect; then its fact has been queued, as far as it is queued afterwards.</returns>
    public bool Settle(PortClaim claim, long now)
    {
        while (true)
        {
            ClaimWord word = claim.Word;
            if (word.Stage != ClaimStage.Taking)
            {
                return false;
            }

            if (!word.IsSeated)
            {
                SlotOutcome outcome = claim.IsLease ? SlotOutcome.Taken : TakeSlot(claim, now);
                if (outcome == SlotOutcome.Waits)
                {
                    return false;
                }

                if (outcome == SlotOutcome.Held)
                {
                    Refuse(claim, word, ClaimEnd.PortHeld, now);
                    continue;
                }

                if (outcome == SlotOutcome.Outrun)
                {
                    Refuse(claim, word, ClaimEnd.Withdrawn, now);   // whoever registers begins again, with a higher epoch
                    continue;
                }

                if (outcome == SlotOutcome.Settled || claim.Consumes is not null || (word.Waits && !claim.IsLease))
                {
                    claim.TrySeat(word);   // fails when somebody settled it; else nobody can refuse it for its port any more
                    continue;
                }
            }

            if (word.Waits)
            {
                Journal!.Queue(claim, word);   // does nothing when it is there
                return false;
            }

            // I4. A claim is used up by a seated one only, so none of the owner's is lost to one that is refused.
            if (claim.Consumes is { } used && !Consume(used, claim, now))
            {
                Refuse(claim, word, ClaimEnd.LeaseGone, now);
                continue;
            }

            if (claim.TryTakeEffect(word, now))
            {
                if (!claim.IsLease)
                {
                    EndBelow(claim, now);
                }

                if (Journal is { Confirms: false } journal)
                {
                    journal.Queue(claim, claim.Word);   // before anybody is told
                }

                _events.TookEffect(claim);
                Hook.At(Step.ForgetConsumes);
                claim.Consumes = null;
                return true;
            }
        }
    }

    /// <summary>As <see cref="Settle"/>, by whoever asked for the claim: where the store writes in the background, its fact is in the queue afterwards
    /// or the claim is late. A helper may have made it take effect and not have queued it yet.</summary>
    public void SettleOwn(PortClaim claim, long now)
    {
        if (!Settle(claim, now) && Journal is { Confirms: false } journal && claim.Word is { Stage: ClaimStage.Reserved or ClaimStage.Bound } word)
        {
            journal.Queue(claim, word);   // a fact may be there twice
        }
    }

    /// <summary>Settles what is pending on an owner and ends what is superseded, so that the cell shows claims in force only.</summary>
    /// <returns>The top that was settled, unless it waits for the disk. Who pushes, pushes on this one, so that below a top nothing is ever pending or superseded.</returns>
    public PortClaim Normalize(OwnerCell cell, long now)
    {
        PortClaim top = cell.Top;
        Settle(top, now);
        if (top.Word.WasBound)
        {
            EndBelow(top, now);
        }

        return top;
    }

    /// <summary>Ends the older registrations of the owner, which this one supersedes (OwnerCell I3), and unlinks what has ended.</summary>
    private void EndBelow(PortClaim claim, long now)
    {
        for (PortClaim? below = claim.Below; below is not null; below = below.Below)
        {
            ClaimWord word = below.Word;
            if (word.Stage == ClaimStage.Bound && below.TryEndFrom(word, ClaimEnd.Replaced, now))
            {
                AfterEnd(below, ClaimEnd.Replaced, now, winner: claim);
            }
        }

        Trim(claim);
    }

    /// <summary>Skips claims below that have ended.</summary>
    /// <remarks>A claim that was Bound and ended by itself hides what it had replaced; when it is skipped, what it hid must go with it, or a reader would
    /// take one that was replaced long ago for one that is being replaced now (<see cref="OwnerCell.Served"/>). A reader that walks there at this
    /// moment may find nothing, and rightly so: when the skipped claim ended, nobody was served.</remarks>
    private static void Trim(PortClaim claim)
    {
        bool hid = false;
        PortClaim? below = claim.Below;
        for (ClaimWord word; below is not null && (word = below.Word).Stage == ClaimStage.Ended; below = below.Below)
        {
            hid |= word.WasBound && word.Cause != ClaimEnd.Replaced;
        }

        if (!ReferenceEquals(below, claim.Below))
        {
            Hook.At(Step.SkipBelow);
            claim.Below = below;
        }

        for (PortClaim? lease = hid ? below : null; lease is not null; lease = lease.Below)
        {
            Trim(lease);
        }
    }

    /// <summary>Ends what a claim uses up: a lease by its registration, a lease by that of another port, a registration by its continuation over a new
    /// session. True too when a helper has done so.</summary>
    private bool Consume(PortClaim used, PortClaim by, long now)
    {
        ClaimEnd cause = by.IsLease ? ClaimEnd.BindFailed : used.IsLease ? ClaimEnd.Consumed : ClaimEnd.Replaced;
        while (true)
        {
            ClaimWord word = used.Word;
            if (!word.IsLive)
            {
                return word.Cause == cause;
            }

            // The fact of one that goes on with the same epoch on the same port tells that the older one is over; an end would be taken for its own.
            bool isTold = used.Port == by.Port && used.Epoch == by.Epoch;
            if (used.TryEndFrom(word, cause, now, isTold))
            {
                if (cause != ClaimEnd.Consumed)
                {
                    AfterEnd(used, cause, now, winner: by, isTold);
                }
                else if (!isTold)
                {
                    Journal?.Queue(used, used.Word);
                }

                return true;
            }
        }
    }

    private void Refuse(PortClaim claim, ClaimWord word, ClaimEnd cause, long now)
    {
        // It may have ended a lease on the port, and an acquisition may have dropped the port's bit because of it.
        if (TryEndPending(claim, word, cause, now) && Settings.HandsOut(claim.Port))
        {
            Space(claim.Protocol).Free.Add(claim.Port);
        }
    }

    /// <summary>Puts a pending registration into the slot of its port: "listening is proof", so only a living process of somebody else keeps it out.</summary>
    private SlotOutcome TakeSlot(PortClaim claim, long now)
    {
        PortSlots slots = Space(claim.Protocol).Slots;
        while (true)
        {
            object? slot = slots[claim.Port];
            bool again = false;
            ReadOnlySpan<PortClaim> claims = PortSlots.Claims(ref slot);
            if (PortSlots.HighestEpoch(claims) > claim.Epoch && !GoesOn(claim) && !claims.Contains(claim))
            {
                return SlotOutcome.Outrun;   // the highest only rises, so nobody else can have put it there
            }

            foreach (PortClaim other in claims)
            {
                if (ReferenceEquals(other, claim))
                {
                    return SlotOutcome.Taken;
                }

                switch (Displace(other, claim, now))
                {
                    case Displacement.Held:
                        return SlotOutcome.Held;
                    case Displacement.Waits:
                        return SlotOutcome.Waits;
                    case Displacement.Changed:
                        again = true;
                        break;
                }
            }

            if (claim.Word.Stage != ClaimStage.Taking)
            {
                return SlotOutcome.Settled;
            }

            if (!again && slots.TrySet(claim.Port, slot, Join(claims, claim)))
            {
                return SlotOutcome.Taken;
            }
        }
    }

    private enum Displacement
    {
        /// <summary>It has no claim in force on the port.</summary>
        Gone,

        /// <summary>The same process has it: they share the port.</summary>
        Shares,

        /// <summary>It was ended or helped just now: look again.</summary>
        Changed,

        /// <summary>A living process of somebody else.</summary>
        Held,

        /// <summary>Its fact is on the way to the disk.</summary>
        Waits,
    }

    private Displacement Displace(PortClaim other, PortClaim claim, long now)
    {
        ClaimWord word = other.Word;
        if (word.Stage == ClaimStage.Foreign)
        {
            return Displacement.Gone;
        }

        if (word.Stage == ClaimStage.Taking)
        {
            if (other.IsLease && !word.IsSeated)
            {
                // An acquisition still under way: its thread finds the word ended and tries another port.
                if (IsPending(claim))
                {
                    TryEndPending(other, word, ClaimEnd.Withdrawn, now);
                }

                return Displacement.Changed;
            }

            Settle(other, now);   // it is in its slot already, so this is at most three steps
            return other.Word.Stage == ClaimStage.Taking ? Displacement.Waits : Displacement.Changed;
        }

        if (word.Waits)
        {
            Journal!.Queue(other, word);   // before the fact of the claim that comes after it
        }

        OwnerCell? cell = other.Cell;
        if (cell is null || ReferenceEquals(cell, claim.Cell) || cell.InForceOn(claim.Port) is not { } holder)
        {
            return Displacement.Gone;
        }

        // One that is pending in that cell without having the slot is not looked at: it has yet to take the slot, and will meet this claim there.
        ClaimWord held = holder.Word;
        if (held.Stage == ClaimStage.Reserved)
        {
            if (IsPending(claim) && holder.TryEndFrom(held, ClaimEnd.Taken, now))
            {
                AfterEnd(holder, ClaimEnd.Taken, now, winner: claim);
            }

            return Displacement.Changed;
        }

        if (held.Stage != ClaimStage.Bound)
        {
            return Displacement.Changed;
        }

        if (cell.Served() is { } newer && !ReferenceEquals(newer, holder))
        {
            EndBelow(newer, now);   // superseded and not ended yet
            return Displacement.Changed;
        }

        if (holder.Session!.IsOver)
        {
            TryEnd(holder, holder.Session.EndCause, now);
            return Displacement.Changed;
        }

        return holder.Session.IsSameProcess(claim.Session!) ? Displacement.Shares : Displacement.Held;
    }

    /// <summary>Whether a helper still works for a claim that needs it. Read after the word of the one that stands in its way: as long as the claim is pending
    /// then, whoever settles it has to end that same one, so ending it is right; without this a helper that was suspended for long would end an innocent one.</summary>
    private static bool IsPending(PortClaim claim) => claim.Word.Stage == ClaimStage.Taking;

    /// <summary>A registration that goes on over another session, with its epoch and on its port, which others of the process may have joined since.</summary>
    private static bool GoesOn(PortClaim claim) => claim.Consumes is { IsLease: false } used && used.Epoch == claim.Epoch && used.Port == claim.Port;

    /// <summary>The new value of a slot: the claim, those that share the port, and the one that keeps the highest epoch.</summary>
    private static object Join(ReadOnlySpan<PortClaim> claims, PortClaim claim)
    {
        long highest = PortSlots.HighestEpoch(claims);
        List<PortClaim>? joined = null;
        foreach (PortClaim other in claims)
        {
            bool isKept = highest > claim.Epoch && other.Epoch == highest;
            if (isKept || (other.Cell is { } cell && !ReferenceEquals(cell, claim.Cell) && cell.HolderOf(claim.Port) is not null))
            {
                (joined ??= new(claims.Length + 1) { claim }).Add(other);
            }
        }

        return joined is null ? claim : joined.ToArray();
    }
}
