namespace Portmap.Table;

/// <summary>How far the facts of claims have come: the marks in their words, and what follows when
/// a fact was written or not.</summary>
/// <remarks>
/// <code>
///   pending ──Queue──► fact ──► on disk: the claim may take effect      failed: it is withdrawn, and its end is written first
///   ended   ──Queue──► fact ──► on disk: the port becomes available     failed: it is tried again until it is there
///   either  ──Queue──► nothing is written any more: the claim is marked late, and whoever asked for the change is told
/// </code>
/// Whoever meets a claim that waits and is not queued puts its fact into the queue: the mark is set
/// afterwards, so a fact may be there twice, and nobody waits for a thread that was suspended. That
/// does no harm: the fact of a lease, a second time or told again, is not taken for that of the
/// registration which uses it up, though both have one epoch. Progress: Queue is lock-free.
/// </remarks>
internal sealed class ClaimFacts(TableParts parts)
{
    /// <summary>Where facts go; null without a store. Set before anything else is done with the
    /// table.</summary>
    public IClaimJournal? Journal { get; set; }

    /// <summary>Whether a claim counts only when its fact is on disk.</summary>
    public bool Confirms => Journal is { Confirms: true };

    /// <summary>Whether facts are written some time after they came about.</summary>
    public bool IsInBackground => Journal is { Confirms: false };

    /// <summary>What is to be told of a claim, and under which epoch: on disk the fact with the
    /// highest epoch is that of its owner on the port.</summary>
    /// <remarks>A registration that came to nothing may have lain above one in force on the same
    /// port, which goes on. On disk its end would be the end of both. So the one in force is told
    /// again, under the epoch of the one that failed; and so is everything that is told of it from
    /// then on, its end too. Which epoch that was the slot of the port knows, as it keeps the claim
    /// with the highest one. That of a lease that is still open is left to the registration that
    /// will use it up. And of a lease the end is told so, for nothing was told against a registration
    /// of it that failed.</remarks>
    public (ClaimView Claim, long Epoch) Told(ClaimView claim)
    {
        if (claim.IsPending || (claim.IsLease && claim.Stage != ClaimStage.Ended) || claim.Port == 0 || claim.Claim!.Cell is not { } cell)
        {
            return (claim, claim.Epoch);
        }

        if (claim is { IsLease: false, Stage: ClaimStage.Ended, WasBound: false })
        {
            return cell.InForceOn(claim.Port) is { IsLease: false } stands ? (new ClaimView(stands), Math.Max(claim.Epoch, stands.Epoch)) : (claim, claim.Epoch);
        }

        long epoch = claim.Epoch;
        if (claim.Stage == ClaimStage.Ended && cell.HolderOf(claim.Port) is not null)
        {
            return (claim, epoch);   // a later one holds the port, whose fact outweighs all
        }

        object? slot = parts.Space(claim.Protocol).Slots[claim.Port];
        foreach (PortClaim other in PortSlots.Claims(ref slot))
        {
            if (other.Epoch > epoch && other is { IsLease: false, Word: { Stage: ClaimStage.Ended, WasBound: false } } && other.Cell?.Owner == cell.Owner && cell.OpenLease()?.Epoch != other.Epoch)
            {
                epoch = other.Epoch;
            }
        }

        return (claim, epoch);
    }

    /// <summary>Puts the fact of a claim's stage into the queue, unless it is there or there is no
    /// store. One that comes too late is marked so (<see cref="ClaimWord.IsLate"/>).</summary>
    public void Queue(PortClaim claim, ClaimWord word)
    {
        if (Journal is not { } journal || word.IsQueued)
        {
            return;
        }

        if (word.Stage == ClaimStage.Pending && PendingTwin(claim) is { } twin)
        {
            QueueTogether([claim, twin]);
            return;
        }

        if (!journal.TryQueue(new ClaimView(claim, word)))
        {
            MarkLate(claim, word);
            return;
        }

        ClaimStage stage = word.Stage;
        MarkQueued(claim, word, stage);
        if (stage == ClaimStage.Pending)
        {
            QueueEndAgain(journal, claim);
        }
    }

    /// <summary>Marks the fact of a stage as queued; not that of a later one, which nobody has queued
    /// by this.</summary>
    private static void MarkQueued(PortClaim claim, ClaimWord word, ClaimStage stage)
    {
        while (word.Stage == stage && word is { Waits: true, IsQueued: false } && !claim.TryMark(word, word.Queued()))
        {
            word = claim.Word;
        }
    }

    private static void MarkLate(PortClaim claim, ClaimWord word)
    {
        while (!word.IsQueued && !word.IsLate && !claim.TryMark(word, word.Late()))
        {
            word = claim.Word;
        }
    }

    /// <summary>The other half of a pending lease for both protocols, once it tops its owner: a daemon
    /// that is killed between their facts would come back with one of them.</summary>
    private PortClaim? PendingTwin(PortClaim claim)
    {
        PortProtocol other = claim.Protocol == PortProtocol.Tcp ? PortProtocol.Udp : PortProtocol.Tcp;
        return claim.IsLease && parts.HasUdp && parts.Index.Find(other, claim.Cell!.Owner)?.Top is { IsLease: true, Word.Stage: ClaimStage.Pending } top
            && ReferenceEquals(top.Lease, claim.Lease) ? top : null;
    }

    /// <summary>Tells the end of a claim that ended while a fact of it was put into the queue: whoever
    /// ended it did not know of that fact, or has told the end before it, and the store may have
    /// forgotten the end by then. Not where the end would be that of what goes on with the same epoch:
    /// a registration that used up its lease, or that continues over another session.</summary>
    public static void QueueEndAgain(IClaimJournal journal, PortClaim claim)
    {
        ClaimWord word = claim.Word;
        bool isOver = word.CameToNothing ? !IsEndOfOthers(claim)
            : word.Stage == ClaimStage.Ended && word.Cause != ClaimEnd.Replaced && (word.Cause != ClaimEnd.UsedUp || claim.Port == 0);
        if (isOver)
        {
            journal.TryQueue(new ClaimView(claim, word));
        }
    }

    /// <summary>Whether the end of one that came to nothing would be that of its lease, which is open
    /// still, or of what has used that up since.</summary>
    private static bool IsEndOfOthers(PortClaim claim) =>
        claim.UsesUp is { IsLease: true } lease && HasFactOf(lease, claim) && lease.Word is { IsLive: true } or { Cause: ClaimEnd.UsedUp };

    /// <summary>Whether on disk the fact of a claim is that of the one it uses up too: of one epoch
    /// they cannot be told apart, and the fact of a lease lies below those of later claims of its
    /// owner on its port.</summary>
    private static bool HasFactOf(PortClaim used, PortClaim claim) => used.Epoch == claim.Epoch || (used.IsLease && used.Port == claim.Port);

    /// <summary>Puts the facts of several into the queue, to be on disk all or none: of a group, or of
    /// both halves of a lease for both protocols.</summary>
    public void QueueTogether(ReadOnlySpan<PortClaim> members)
    {
        bool isQueued = true;
        foreach (PortClaim member in members)
        {
            isQueued &= member.Word.IsQueued;
        }

        if (Journal is not { } journal || isQueued)
        {
            return;
        }

        bool isTaken = journal.TryQueue(members);
        foreach (PortClaim member in members)
        {
            ClaimWord word = member.Word;
            if (isTaken)
            {
                MarkQueued(member, word, ClaimStage.Pending);
                QueueEndAgain(journal, member);
            }
            else
            {
                MarkLate(member, word);
            }
        }
    }

    /// <summary>A fact is on disk.</summary>
    /// <param name="fact">The fact.</param>
    /// <param name="isClosing">Nobody is given anything any more: a lease that is pending is
    /// withdrawn.</param>
    /// <returns>The claims whose ends have to be written because of that.</returns>
    public ClaimView[] Written(in FactKey fact, bool isClosing)
    {
        if (fact.IsEnd)
        {
            WrittenEnd(fact);
            return [];
        }

        PortClaim? claim = FindPending(fact);
        if (isClosing && claim is { IsLease: true })
        {
            return Withdraw(claim, ClaimEnd.Withdrawn);
        }

        if (claim is not null)
        {
            TryMarkWritten(claim, ClaimStage.Pending);
        }
        else if (parts.Index.Find(fact.Protocol, fact.Owner)?.Served() is { } served && served.Epoch < fact.Epoch && IsInForce(served, fact))
        {
            WrittenEnd(fact);   // what came to nothing above it is over on disk too
        }

        return [];
    }

    /// <summary>A fact may be on disk or not: the pending claim it is of is withdrawn.</summary>
    /// <returns>The claims whose ends have to be written because of that; none when it was
    /// withdrawn before, and its end is queued.</returns>
    public ClaimView[] Failed(in FactKey fact) =>
        FindPending(fact) is { } claim ? Withdraw(claim, ClaimEnd.StoreFailed) : [];

    /// <summary>Whether a fact that was told again is of a claim in force: under its own epoch or
    /// a later one (<see cref="Told"/>), and nobody takes that back.</summary>
    public bool IsInForce(in FactKey fact) =>
        parts.Index.Find(fact.Protocol, fact.Owner) is { } cell && (IsInForce(cell.OpenLease(), fact) || IsInForce(cell.Served(), fact));

    private static bool IsInForce(PortClaim? claim, in FactKey fact) =>
        claim is { Word.Stage: ClaimStage.Reserved or ClaimStage.Bound } && claim.IsLease == fact.IsLease && claim.Port == fact.Port && (claim.Epoch == fact.Epoch || (!claim.IsLease && claim.Epoch < fact.Epoch));

    /// <summary>An end is on disk: all of the owner up to its epoch that have ended on the port wait
    /// no more. They may be several, registrations that came to nothing above what they were to go on
    /// from or to replace: on disk the latest end is that of all. A process that listens on the port
    /// may have taken it from them.</summary>
    private void WrittenEnd(in FactKey fact)
    {
        object? slot = parts.Space(fact.Protocol).Slots[fact.Port];
        foreach (PortClaim inSlot in PortSlots.Claims(ref slot))
        {
            if (inSlot.Cell?.Owner != fact.Owner)
            {
                continue;
            }

            for (PortClaim? claim = inSlot; claim is not null; claim = claim.Below)
            {
                if (claim.Epoch <= fact.Epoch && claim.Port == fact.Port && TryMarkWritten(claim, ClaimStage.Ended))
                {
                    parts.MakeAvailable(claim, claim.Word, parts.Clock.NowMs);
                }
            }
        }
    }

    /// <summary>Marks the fact of a claim's stage as written; false when the claim does not wait for
    /// it.</summary>
    private static bool TryMarkWritten(PortClaim claim, ClaimStage stage)
    {
        for (ClaimWord word = claim.Word; word.Waits && word.Stage == stage; word = claim.Word)
        {
            if (claim.TryMark(word, word.Written()))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Withdraws a pending claim whose fact may be on disk. Until its end is written its
    /// port is nobody's.</summary>
    private ClaimView[] Withdraw(PortClaim claim, ClaimEnd cause)
    {
        if (claim is { Word.IsJoined: true, Group: { } group })
        {
            return Withdraw(group, cause);
        }

        // No end when it would be that of what the claim was to use up as well, and that goes on.
        // What is on disk then waits for the same process to try again, or is found dead at the
        // next opening.
        bool goesOn = claim.UsesUp is { } used && HasFactOf(used, claim) && used.Word.IsLive;
        for (ClaimWord word = claim.Word; word.Waits && word.Stage == ClaimStage.Pending; word = claim.Word)
        {
            ClaimWord queued = word.Queued();
            if (claim.TryMark(word, queued) && claim.TryEndFrom(queued, cause, parts.Clock.NowMs, isTold: goesOn))
            {
                ClaimWord end = claim.Word;
                claim.TryMark(end, end.Queued());
                if (!goesOn)
                {
                    return [new ClaimView(claim, end)];
                }

                parts.MakeAvailable(claim, end, parts.Clock.NowMs);
            }
        }

        return [];
    }

    /// <summary>Once nothing comes to the disk any more: of a lease for both protocols that is there by
    /// halves the one that is alone is withdrawn. Of one that was to move that is the half on the new
    /// port, so that both are on the old one; unless a half of that is over on disk already: then the
    /// other is alone, too.</summary>
    /// <param name="owner">Its owner.</param>
    /// <param name="lease">The lease, which no process has used a half of, as far as it was
    /// told.</param>
    /// <returns>The claims whose ends have to be written.</returns>
    public List<ClaimView> WithdrawAlone(string owner, object lease)
    {
        List<ClaimView> ends = [];
        while (true)
        {
            PortClaim? tcp = OnDisk(PortProtocol.Tcp, owner, lease), udp = OnDisk(PortProtocol.Udp, owner, lease);
            if (tcp?.Origin == udp?.Origin || (tcp is null || udp?.Origin > tcp.Origin ? udp : tcp) is not { IsLease: true } alone)
            {
                return ends;
            }

            alone.TryEnd(ClaimEnd.Withdrawn, parts.Clock.NowMs);   // it may have ended just now, too late to be told
            ClaimWord end = alone.Word;
            if (alone.TryMark(end, end.Queued()))
            {
                ends.Add(new ClaimView(alone, end));
            }
        }
    }

    /// <summary>The newest claim of a lease, or that took the place of one, which stands on the disk;
    /// null when none does. One that has ended does as long as its end is in no queue.</summary>
    private PortClaim? OnDisk(PortProtocol protocol, string owner, object lease)
    {
        for (PortClaim? claim = parts.Index.Find(protocol, owner)?.Top; claim is not null; claim = claim.Below)
        {
            if (ReferenceEquals(claim.Lease ?? claim.UsesUp?.Lease, lease)
                && claim.Word is { Stage: ClaimStage.Pending, Waits: false } or { Stage: ClaimStage.Reserved or ClaimStage.Bound } or { Stage: ClaimStage.Ended, Waits: true, IsQueued: false })
            {
                return claim;
            }
        }

        return null;
    }

    /// <summary>As the other one, for all of a group: the facts of its members may be on
    /// disk.</summary>
    private ClaimView[] Withdraw(ClaimGroup group, ClaimEnd cause)
    {
        foreach (PortClaim member in group.Members)
        {
            for (ClaimWord word = member.Word; word is { IsJoined: true, IsQueued: false } && !member.TryMark(word, word.Queued()); word = member.Word)
            {
            }
        }

        if (!group.TryEnd(group.Word, cause, parts.Clock.NowMs))
        {
            return [];   // whoever ended it has queued the ends
        }

        List<ClaimView> ends = [];
        foreach (PortClaim member in group.Members)
        {
            ClaimWord end = member.Word;
            if (end is { Stage: ClaimStage.Ended, Waits: true })
            {
                member.TryMark(end, end.Queued());   // fails when somebody queued it: it may be there twice
                ends.Add(new ClaimView(member, end));
            }
        }

        return [.. ends];
    }

    /// <summary>The pending claim a fact is of. It tops its owner: nobody puts another one above it
    /// while it is pending.</summary>
    private PortClaim? FindPending(in FactKey fact) =>
        !fact.IsAgain && parts.Index.Find(fact.Protocol, fact.Owner)?.Top is { } top && top.Epoch == fact.Epoch && top.IsLease == fact.IsLease && top.Word.Stage == ClaimStage.Pending ? top : null;
}
