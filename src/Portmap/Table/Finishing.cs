namespace Portmap.Table;

/// <summary>How a pending claim that tops its owner comes to its end, whoever began it.</summary>
/// <remarks>
/// <code>
///   lease          (has its slot)                      use up what it replaces ─► in force
///   registration   take the slot ─► seated ─► written ─► use up its lease ─► in force ─► what it supersedes ends
///                     └► refused: a living process of somebody else has the port, or its lease has ended
/// </code>
/// Each step is a CAS that succeeds once, so any number of threads may finish one claim, and none
/// waits for one that was suspended between two steps. Progress: lock-free: a step is repeated only
/// because somebody else's took effect.
/// </remarks>
internal sealed class Finishing(TableParts parts, ClaimFacts facts, Endings endings)
{
    private readonly GroupFinishing _groups = new(parts, facts, endings);

    private enum SlotOutcome
    {
        Won,

        /// <summary>A living process of somebody else has the port.</summary>
        Held,

        /// <summary>A later claim has been on the port since its epoch was drawn.</summary>
        Outrun,

        /// <summary>Somebody else finished the registration meanwhile.</summary>
        Finished,

        /// <summary>Another registration has the port, and its fact is on the way to the
        /// disk.</summary>
        Waits,
    }

    private enum Passage
    {
        /// <summary>It has no claim in force on the port.</summary>
        Clear,

        /// <summary>The same process has it: they share the port.</summary>
        Shared,

        /// <summary>It was ended or helped just now: look again.</summary>
        Changed,

        /// <summary>A living process of somebody else.</summary>
        Held,

        /// <summary>Its fact is on the way to the disk.</summary>
        Waits,
    }

    /// <summary>Brings a pending claim that tops its cell to its end: after this it has taken
    /// effect or has ended, or it is still pending because a fact has yet to come to the disk
    /// (never without a store that confirms).</summary>
    /// <returns>Whether this call made it take effect; then its fact has been queued, as far as it
    /// is queued afterwards.</returns>
    public bool Finish(PortClaim claim, long now)
    {
        while (true)
        {
            ClaimWord word = claim.Word;
            if (word.Stage != ClaimStage.Pending)
            {
                return false;
            }

            if (word.IsJoined)
            {
                if (claim.Group is { } group)
                {
                    _groups.Finish(group, now);
                }

                if (claim.Word.Stage == ClaimStage.Pending)
                {
                    return false;   // it waits for the disk
                }

                continue;
            }

            if (!word.IsSeated)
            {
                SlotOutcome outcome = claim.IsLease || parts.Space(claim.Protocol).TryTakePlain(claim, now) ? SlotOutcome.Won : TakeSlot(claim, now);
                if (outcome == SlotOutcome.Waits)
                {
                    return false;
                }

                if (outcome is SlotOutcome.Held or SlotOutcome.Outrun)
                {
                    // One that was outrun: whoever registers begins again, with a higher epoch.
                    Refuse(claim, word, outcome == SlotOutcome.Held ? ClaimEnd.PortHeld : ClaimEnd.Withdrawn, now);
                    continue;
                }

                if (outcome == SlotOutcome.Finished || claim.UsesUp is not null || (word.Waits && !claim.IsLease))
                {
                    claim.TrySeat(word);   // fails when somebody finished it; else nobody can refuse it for its port any more
                    continue;
                }
            }

            if (word.Waits)
            {
                facts.Queue(claim, word);   // does nothing when it is there
                return false;
            }

            // PortTable I4. A claim is used up by a seated one only, so none of the owner's is lost
            // to one that is refused.
            if (claim.UsesUp is { } used && !(claim.ReliesOn(used) ? Endings.RelyOn(used) : endings.UseUp(used, claim, now)))
            {
                Refuse(claim, word, ClaimEnd.LeaseGone, now);
                continue;
            }

            if (claim.TryTakeEffect(word, now))
            {
                AfterEffect(claim, now);
                return true;
            }
        }
    }

    /// <inheritdoc cref="GroupFinishing.FinishOwn"/>
    public ClaimWord FinishOwn(ClaimGroup group, long now) => _groups.FinishOwn(group, now);

    /// <summary>As <see cref="Finish"/>, by whoever asked for the claim: where the store writes in
    /// the background, its fact is in the queue afterwards or the claim is late. A helper may have
    /// made it take effect and not have queued it yet.</summary>
    /// <returns>Whether this call made it take effect.</returns>
    public bool FinishOwn(PortClaim claim, long now)
    {
        if (Finish(claim, now))
        {
            return true;
        }

        QueueIfInBackground(claim);   // a fact may be there twice
        return false;
    }

    // Not once it has ended: who ended it tells that, if it is to be told.
    private void QueueIfInBackground(PortClaim claim)
    {
        if (facts.IsInBackground && claim.Word is { Stage: ClaimStage.Reserved or ClaimStage.Bound } word)
        {
            facts.Queue(claim, word);
        }
    }

    /// <summary>Ends a claim in force; false when it had ended already.</summary>
    /// <remarks>One that is relied on may be about to be replaced: the mark goes, and what is
    /// pending above comes to its end, which puts the mark there again if it still relies on it and
    /// then replaces it. Where nothing did, nothing relies on the claim: whoever does so from here
    /// on changes the word from which it is ended.</remarks>
    public bool TryEnd(PortClaim claim, ClaimEnd cause, long now)
    {
        while (!endings.TryEnd(claim, cause, now, unlessReliedOn: true))
        {
            ClaimWord word = claim.Word;
            if (word.Stage is not (ClaimStage.Reserved or ClaimStage.Bound))
            {
                return false;
            }

            claim.TryMark(word, word.ReliedOn(false));
            Tidy(claim.Cell!, now);
        }

        return true;
    }

    /// <summary>Finishes what is pending on an owner and ends what is superseded, so that the cell
    /// shows claims in force only.</summary>
    /// <returns>The top that was finished, unless it waits for the disk. Who pushes, pushes on this
    /// one, so that below a top nothing is ever pending or superseded.</returns>
    public PortClaim Tidy(OwnerCell cell, long now)
    {
        PortClaim top = cell.Top;
        Finish(top, now);
        if (facts.Confirms)
        {
            QueueEnds(top);
        }

        if (top.Word.WasBound)
        {
            endings.EndBelow(top, now);
        }

        return top;
    }

    /// <summary>Whoever ended a claim may be suspended before he has told the store. Who finds the
    /// owner without it, and answers so, waits for what is in the queue: its end is, after
    /// this.</summary>
    private void QueueEnds(PortClaim top)
    {
        for (PortClaim? claim = top; claim is not null; claim = claim.Below)
        {
            if (claim.Word is { Stage: ClaimStage.Ended, Waits: true, IsQueued: false } ended)
            {
                facts.Queue(claim, ended);
            }
        }
    }

    private void AfterEffect(PortClaim claim, long now)
    {
        if (!claim.IsLease && claim.Below is not null)
        {
            endings.EndBelow(claim, now);
        }

        QueueIfInBackground(claim);   // before anybody is told

        parts.Events.TookEffect(new ClaimView(claim), new ClaimView(claim.UsesUp));
        Hook.At(Step.ForgetUsesUp);
        claim.UsesUp = null;
    }

    private void Refuse(PortClaim claim, ClaimWord word, ClaimEnd cause, long now)
    {
        // It may have ended a lease on the port, and an acquisition may have dropped the port's bit
        // because of it.
        if (endings.TryEndPending(claim, word, cause, now))
        {
            parts.Offer(claim);
        }
    }

    /// <summary>Puts a pending registration into the slot of its port: "listening is proof", so
    /// only a living process of somebody else keeps it out.</summary>
    private SlotOutcome TakeSlot(PortClaim claim, long now)
    {
        PortSlots slots = parts.Space(claim.Protocol).Slots;
        while (true)
        {
            object? slot = slots[claim.Port];
            bool again = false, isShared = false;
            ReadOnlySpan<PortClaim> claims = PortSlots.Claims(ref slot);
            if (PortSlots.HighestEpoch(claims) > claim.Epoch && !GoesOn(claim) && !claims.Contains(claim))
            {
                return SlotOutcome.Outrun;   // the highest only rises, so nobody else can have put it there
            }

            foreach (PortClaim other in claims)
            {
                if (ReferenceEquals(other, claim))
                {
                    return SlotOutcome.Won;
                }

                switch (MakeWay(other, claim, now))
                {
                    case Passage.Held:
                        return SlotOutcome.Held;
                    case Passage.Waits:
                        return SlotOutcome.Waits;
                    case Passage.Changed:
                        again = true;
                        break;
                    case Passage.Shared:
                        isShared = true;   // PortTable I2: so are all others, and only the first can be pending
                        break;
                }

                if (isShared || again)
                {
                    break;
                }
            }

            if (claim.Word.Stage != ClaimStage.Pending)
            {
                return SlotOutcome.Finished;
            }

            if (!again && slots.TrySet(claim.Port, slot, Join(claims, claim)))
            {
                return SlotOutcome.Won;
            }
        }
    }

    /// <summary>Ends or helps what is on the port of a registration, as far as it has to give
    /// way.</summary>
    private Passage MakeWay(PortClaim other, PortClaim claim, long now)
    {
        ClaimWord word = other.Word;
        if (word.Stage == ClaimStage.Foreign)
        {
            return Passage.Clear;
        }

        if (word.Stage == ClaimStage.Pending)
        {
            return MakePendingGiveWay(other, word, claim, now);
        }

        PortClaim meant = other.Meant;
        ClaimWord last = meant.Word;
        if (last is { Stage: ClaimStage.Ended, Waits: true })
        {
            facts.Queue(meant, last);   // before the fact of the claim that comes after it
        }

        if (parts.Space(claim.Protocol).Cools(meant, last, now))
        {
            claim.MarkTookCooling();
        }

        OwnerCell? cell = other.Cell;
        if (cell is null || ReferenceEquals(cell, claim.Cell))
        {
            return Passage.Clear;
        }

        if (cell.InForceOn(claim.Port) is not { } holder)
        {
            return LetMove(cell, claim.Port, now);
        }

        // One that is pending in that cell without having the slot is not looked at: it has yet to
        // take the slot, and will meet this claim there.
        ClaimWord held = holder.Word;
        if (held.Stage == ClaimStage.Reserved)
        {
            return TakeLease(holder, held, claim, now);
        }

        return held.Stage == ClaimStage.Bound ? MakeBoundGiveWay(holder, cell, claim, now) : Passage.Changed;
    }

    private Passage TakeLease(PortClaim lease, ClaimWord reserved, PortClaim claim, long now)
    {
        if (IsPending(claim))
        {
            endings.TryEndFrom(lease, reserved, ClaimEnd.LostToListener, now, claim);
        }

        return Passage.Changed;
    }

    /// <summary>A lease that moves to another port because this one could not be bound is shown on
    /// this one until it has.</summary>
    private Passage LetMove(OwnerCell cell, int port, long now)
    {
        if (cell.HolderOf(port) is not { Word.Stage: ClaimStage.Ended })
        {
            return Passage.Clear;
        }

        Finish(cell.Top, now);   // the lease above has its slot, and waits for nothing any more
        return Passage.Changed;
    }

    private Passage MakePendingGiveWay(PortClaim other, ClaimWord word, PortClaim claim, long now)
    {
        if (other.IsLease && !word.IsSeated)
        {
            // An acquisition still under way: its thread finds the word ended and tries another
            // port.
            if (IsPending(claim))
            {
                endings.TryEndPending(other, word, ClaimEnd.Withdrawn, now);
            }

            return Passage.Changed;
        }

        Finish(other, now);   // it is in its slot already, so this is at most three steps
        return other.Word.Stage == ClaimStage.Pending ? Passage.Waits : Passage.Changed;
    }

    private Passage MakeBoundGiveWay(PortClaim holder, OwnerCell cell, PortClaim claim, long now)
    {
        if (cell.Served() is { } newer && !ReferenceEquals(newer, holder))
        {
            endings.EndBelow(newer, now);   // superseded and not ended yet
            return Passage.Changed;
        }

        ClaimHolder process = holder.Holder!;
        if (process.IsOver)
        {
            endings.TryEnd(holder, process.EndCause, now);
            return Passage.Changed;
        }

        if (!process.IsSameProcess(claim.Holder!))
        {
            return Passage.Held;
        }

        // The process may share the port, but not with a lease that its owner has there beside the
        // registration.
        return cell.OpenLease() is { Word: { Stage: ClaimStage.Reserved } reserved } lease && lease.Port == claim.Port
            ? TakeLease(lease, reserved, claim, now)
            : Passage.Shared;
    }

    /// <summary>Whether a helper still works for a claim that needs it. Read after the word of the
    /// one that stands in its way: as long as the claim is pending then, whoever finishes it has to
    /// end that same one, so ending it is right; without this a helper that was suspended for long
    /// would end an innocent one.</summary>
    private static bool IsPending(PortClaim claim) => claim.Word.Stage == ClaimStage.Pending;

    /// <summary>A registration that goes on over another connection, with its epoch and on its
    /// port, which others of the process may have joined since.</summary>
    private static bool GoesOn(PortClaim claim) => claim.UsesUp is { IsLease: false } used && used.Epoch == claim.Epoch && used.Port == claim.Port;

    /// <summary>The new value of a slot: the claim, those that share the port, and the one that
    /// keeps the highest epoch.</summary>
    private static object Join(ReadOnlySpan<PortClaim> claims, PortClaim claim)
    {
        long highest = PortSlots.HighestEpoch(claims);
        PortClaim[]? joined = null;
        int count = 1;
        foreach (PortClaim other in claims)
        {
            bool isKept = highest > claim.Epoch && other.Epoch == highest;
            if (isKept || (other.Cell is { } cell && !ReferenceEquals(cell, claim.Cell) && (other.Word.IsLive || cell.HolderOf(claim.Port) is not null)))
            {
                joined ??= new PortClaim[claims.Length + 1];
                joined[count++] = other;
                other.MarkShared();
            }
        }

        if (joined is null)
        {
            return claim;
        }

        claim.MarkShared();
        joined[0] = claim;
        Array.Resize(ref joined, count);
        return joined;
    }
}
