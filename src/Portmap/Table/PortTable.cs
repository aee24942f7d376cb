using System.Runtime.CompilerServices;

namespace Portmap.Table;

/// <summary>The claims of all ports and owners, and every step by which one takes effect or
/// ends.</summary>
/// <remarks>
/// <code>
///   by port    slot[port] ──► claim ─┐
///                                    ├─► cell ──Top──► claim ──Below──► claim        a claim counts when its cell serves it
///   by owner   index[owner] ─────────┘
/// </code>
/// It is closed: what goes in are its verbs, what comes out are values (<see cref="ClaimView"/>,
/// <see cref="OwnerView"/>, <see cref="PortView"/>). A view is of one moment; a verb that takes one
/// does nothing unless it is still so.
/// <para>One authority: the word of a claim together with its place below
/// <see cref="OwnerCell.Top"/>. The slot only leads to cells, so a reader that comes by port asks
/// the same cell as one that comes by owner, and both see a change at the same CAS.</para>
/// <para>States of a claim and who moves it:</para>
/// <code>
///             lease:  Pending ──(3)──► Reserved ──┐
///                       │                         ├──(5)──► Ended      (5) release, expiry, lost to a listener, used up by a
///      registration:  Pending ──(4)──► Bound ─────┘                        registration, death, disconnect, replaced
///                       └──────(1,2: withdrawn)──────────► Ended
/// </code>
/// <para>Invariants</para>
/// <list type="bullet">
/// <item>I1. A claim with a port is put into its slot before it takes effect, and the slot keeps
/// leading to its cell while it is in force: who wants the slot first looks for a claim in force on
/// that port in every cell the slot leads to, and every change of a slot is a fresh object.</item>
/// <item>I2. Claims in force on one port belong to one process, or there is one of them.</item>
/// <item>I3. An owner has at most one Reserved claim, and lookups serve at most one Bound claim of
/// it (OwnerCell I3).</item>
/// <item>I4. A lease is used up by the CAS that ends it as UsedUp (by its registration) or
/// BindFailed (by the lease of another port that takes its place), and by one of them only.</item>
/// <item>I5. A pending registration that tops its cell can be finished by anybody
/// (<see cref="Finishing"/>); a pending acquisition that a listening process collides with is ended
/// by that process. So nobody waits for a thread that was suspended.</item>
/// </list>
/// <para>Linearization points: acquire (3), register (4) = <see cref="PortClaim.TryTakeEffect"/>;
/// every ending (5) = <see cref="PortClaim.TryEndFrom"/>; lookups: the read of
/// <see cref="OwnerCell.Top"/> or the effect of the claim they return
/// (<see cref="OwnerCell.Served"/>).</para>
/// <para>Progress: lookups are wait-free, everything else is lock-free: a step is repeated only
/// because somebody else's took effect.</para>
/// </remarks>
internal sealed class PortTable
{
    private readonly TableParts _parts;
    private readonly OwnerIndex _index;
    private readonly Endings _endings;
    private readonly Finishing _finishing;

    public PortTable(PortLimits limits, RegistryClock clock, IClaimEvents events, int processors, ulong seed)
    {
        _parts = new TableParts(limits, clock, events, processors, seed);
        _index = _parts.Index;
        Facts = new ClaimFacts(_parts);
        _endings = new Endings(_parts, Facts);
        _finishing = new Finishing(_parts, Facts, _endings);
        Ports = new PortLookup(_parts, Facts);
        Memory = new OwnerMemory(_parts);
    }

    public PortLimits Limits => _parts.Limits;

    /// <summary>What comes of facts that are written.</summary>
    public ClaimFacts Facts { get; }

    /// <summary>What is found by port.</summary>
    public PortLookup Ports { get; }

    /// <summary>What owners had last.</summary>
    public OwnerMemory Memory { get; }

    /// <summary>Whether a claim counts only when its fact is on disk.</summary>
    public bool Confirms => Facts.Confirms;

    public bool HasUdp => _parts.HasUdp;

    /// <summary>How many owners have anything; exact when nothing else runs.</summary>
    public int EstimatedOwners
    {
        get
        {
            _index.TryRetireIdle();
            return _index.EstimatedCount;
        }
    }

    internal TableParts Parts => _parts;

    /// <summary>Where ports to hand out may be found.</summary>
    public PortHints Hints(PortProtocol protocol) => _parts.Space(protocol).Hints;

    public OwnerKey Key(PortProtocol protocol, string owner) => new(protocol, owner, _index.Hash(protocol, owner));

    /// <summary>The port that lookups serve for an owner, or 0. Wait-free; allocates
    /// nothing.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int PortOf(PortProtocol protocol, ReadOnlySpan<char> owner) =>
        _index.FindAny(protocol, owner, _index.Hash(protocol, owner))?.Serving()?.Port ?? 0;

    /// <summary>The registration that lookups serve for an owner, else its open lease, else none.
    /// Wait-free; allocates nothing.</summary>
    public ClaimView Find(PortProtocol protocol, ReadOnlySpan<char> owner) => new(_index.Find(protocol, owner)?.Current());

    /// <summary>The registration in force of an owner, whether its holder is served or not; or
    /// none.</summary>
    public ClaimView FindServed(PortProtocol protocol, string owner) => new(_index.Find(protocol, owner)?.Served());

    /// <summary>What each living owner has, each met at most once; one that comes or goes meanwhile
    /// may be missing.</summary>
    public IEnumerable<OwnerView> Owners()
    {
        foreach (OwnerCell cell in _index.Cells())
        {
            yield return new OwnerView(cell, cell.Top);
        }
    }

    /// <summary>Whether an owner has nothing, as one look at its cell tells; if that is not enough,
    /// <see cref="Look"/> tells.</summary>
    /// <param name="owner">The owner.</param>
    /// <param name="place">The place for its next claim, if it has nothing.</param>
    /// <param name="epoch">Its next claim lies above this one, as far as is known.</param>
    public bool HasNothing(OwnerKey owner, out OwnerPlace place, out long epoch)
    {
        OwnerCell? cell = _index.FindAny(owner.Protocol, owner.Owner, owner.Hash);
        PortClaim top = cell?.Top ?? PortClaim.Dead;
        place = ReferenceEquals(top, PortClaim.Dead) ? default : new OwnerPlace(cell, top);
        epoch = Math.Max(top.Epoch, _index.Marks.Of(owner.Hash));   // after the top: who makes it dead raises the mark before
        return top.IsIdle;
    }

    /// <summary>Takes the places and the credits of owners that have nothing any more.</summary>
    public void RetireIdle() => _index.TryRetireIdle();

    /// <summary>What an owner has, once what is pending on it is finished, as it was at one moment:
    /// who refuses because of it does nothing that would fail when something came between.</summary>
    public OwnerView Look(OwnerKey owner, long now)
    {
        while (_index.Find(owner.Protocol, owner.Owner, owner.Hash) is { } cell)
        {
            PortClaim top = _finishing.Tidy(cell, now);
            if (!ReferenceEquals(top, PortClaim.Dead) && ViewOf(cell, top) is var view && (view.Waits || view.IsStill))
            {
                return view;
            }
        }

        return default;
    }

    /// <summary>The open lease in the cell of a claim, once what is pending there is finished; or
    /// none.</summary>
    /// <param name="claim">The claim.</param>
    /// <param name="now">The time.</param>
    /// <param name="waits">Something is pending there whose fact has yet to come to the disk:
    /// nothing is known.</param>
    public ClaimView FindLeaseBeside(PortClaim claim, long now, out bool waits)
    {
        OwnerCell cell = claim.Cell!;
        waits = _finishing.Tidy(cell, now).Word.Stage == ClaimStage.Pending;
        return waits ? default : new ClaimView(cell.OpenLease());
    }

    /// <summary>Whether an epoch is that of a live claim of the owner.</summary>
    /// <param name="owner">The owner.</param>
    /// <param name="epoch">The epoch.</param>
    /// <param name="isOutrun">When not: a claim in force goes back to a later one.</param>
    public bool HasLive(OwnerKey owner, long epoch, out bool isOutrun)
    {
        isOutrun = false;
        return _index.FindAny(owner.Protocol, owner.Owner, owner.Hash)?.HasLive(epoch, out isOutrun) == true;
    }

    /// <summary>Whether a live claim of an owner is a lease's, or takes the place of one; also where
    /// the lease was not told of it yet.</summary>
    public bool HasLive(OwnerKey owner, object lease) =>
        _index.FindAny(owner.Protocol, owner.Owner, owner.Hash)?.HasLive(lease) == true;

    /// <summary>Whether a claim is live, or its owner has one that goes back to the same
    /// acquisition. The owner may have come to another cell since.</summary>
    public bool Matters(PortClaim claim) =>
        claim.Word.IsLive
        || (claim.Cell is { } before && _index.Find(before.Protocol, before.Owner, before.Hash) is { } cell
            && (cell.Served()?.Origin == claim.Origin || cell.OpenLease()?.Origin == claim.Origin));

    /// <summary>An epoch that no claim of an owner that has none now has outrun.</summary>
    public long MarkOf(OwnerKey owner) => _index.Marks.Of(owner.Hash);

    /// <summary>Has the next claim of an owner that has none begin above an epoch.</summary>
    public void RaiseMark(OwnerKey owner, long epoch) => _index.Marks.Raise(owner.Hash, epoch);

    /// <summary>Frees the ports that have cooled and that their hint holds back; true when there
    /// was one.</summary>
    public bool FreeCooled(PortProtocol protocol, long now) =>
        Hints(protocol).DrainCooled(now, port => Ports.Look(protocol, port, asksFor: null, takeCooling: false, now).Availability == PortAvailability.Free);

    /// <summary>Makes a pending lease, above what cools there, and puts it into the slot of its port,
    /// unless anybody did since the port was looked at.</summary>
    /// <returns>The lease, or null.</returns>
    public PortClaim? TryTake(in PortView seen, in NewClaim lease, PortClaim? cooling = null)
    {
        PortClaim claim = PortClaim.Pending(lease, Confirms, cooling);
        return _parts.Space(lease.Protocol).Slots.TrySet(lease.Port, seen.Slot, claim) ? claim : null;
    }

    /// <summary>Makes a pending lease whose process picks the port.</summary>
    public PortClaim Make(in NewClaim lease)
    {
        PortClaim claim = PortClaim.Pending(lease, Confirms);
        claim.Guarantee = PortGuarantee.HeldByProcess;
        return claim;
    }

    /// <summary>Puts a pending lease on top of its owner and makes it take effect, or leaves it
    /// pending there while its fact is on the way to the disk: then <see cref="FinishLease"/> tells
    /// what became of it.</summary>
    /// <param name="claim">The pending lease; in its slot already if it has a port.</param>
    /// <param name="owner">The owner.</param>
    /// <param name="unlessServed">Not if the owner is served. Looked at below the top that the push
    /// is made on, so that no registration comes between.</param>
    /// <param name="now">The time.</param>
    /// <param name="standing">The lease that stands in the way, for
    /// <see cref="Publication.AlreadyReserved"/>.</param>
    public Publication Publish(PortClaim claim, OwnerKey owner, bool unlessServed, long now, out ClaimView standing)
    {
        Publication pushed = Push(claim, owner, unlessServed, now, out standing);
        return pushed == Publication.Done ? FinishLease(claim, now) : pushed;
    }

    /// <summary>Puts a pending lease on top of its owner and leaves it pending.</summary>
    /// <inheritdoc cref="Publish"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]   // on the path of every acquisition
    public Publication Push(PortClaim claim, OwnerKey owner, bool unlessServed, long now, out ClaimView standing)
    {
        standing = default;
        while (true)
        {
            Publication pushed = _index.Find(owner.Protocol, owner.Owner, owner.Hash) is { } cell
                ? PushLease(cell, claim, unlessServed, now, ref standing)
                : claim.UsesUp is null ? PushFirst(claim, owner) : Publication.LeaseGone;   // what it was to replace is over, and its owner forgotten
            if (pushed != Publication.Raced)
            {
                if (pushed != Publication.Done)
                {
                    claim.Cell = null;
                }

                return pushed;
            }
        }
    }

    /// <summary>As <see cref="Publish"/>, where the owner had nothing. Raced when anybody pushed
    /// since, and then nothing has happened.</summary>
    public Publication PublishOnIdle(OwnerPlace place, OwnerKey owner, PortClaim lease, long now)
    {
        Publication pushed = place.Cell is not { } cell ? PushFirst(lease, owner)
            : cell.TryPushOnIdle(place.Top!, lease) ? Publication.Done
            : Publication.Raced;
        if (pushed == Publication.Done)
        {
            return FinishLease(lease, now);
        }

        lease.Cell = null;
        return pushed;
    }

    /// <summary>What has become of a lease that tops its owner, by one look at it: one that is
    /// pending may end at any moment.</summary>
    public Publication FinishLease(PortClaim claim, long now)
    {
        if (_finishing.FinishOwn(claim, now))
        {
            return Publication.Done;
        }

        Publication outcome = claim.Word switch
        {
            { Stage: ClaimStage.Pending } => Publication.Pending,
            { Cause: ClaimEnd.Withdrawn } => Publication.Lost,   // a process that listens on the port was faster
            { Cause: ClaimEnd.LeaseGone } => Publication.LeaseGone,
            { Cause: ClaimEnd.StoreFailed } => Publication.StoreFailed,
            _ => Publication.Done,
        };
        if (outcome is not (Publication.Done or Publication.Pending))
        {
            _index.NoteIdle();
        }

        return outcome;
    }

    /// <summary>Lets a group take effect whose members all top their owners; or it waits for the
    /// disk, or has ended.</summary>
    /// <returns>Done, Pending, StoreFailed, or Lost: somebody's change came between.</returns>
    public Publication FinishGroup(ClaimGroup group, long now) => _finishing.FinishOwn(group, now) switch
    {
        { Stage: ClaimStage.Reserved } => Publication.Done,
        { Stage: ClaimStage.Pending } => Publication.Pending,
        { Cause: ClaimEnd.StoreFailed } => Publication.StoreFailed,
        _ => Publication.Lost,
    };

    /// <summary>Makes a pending registration and puts it on top of its owner, unless anybody else
    /// did since that was looked at; on one that <paramref name="isIdle"/> without another look.</summary>
    /// <returns>Done, Raced or TooManyOwners.</returns>
    public Publication TryPush(OwnerPlace place, OwnerKey owner, in NewClaim registration, bool isIdle, out PortClaim claim)
    {
        claim = PortClaim.Pending(registration, Confirms);
        if (place.Cell is { } cell)
        {
            return (isIdle ? cell.TryPushOnIdle(place.Top!, claim) : cell.TryPush(place.Top!, claim)) ? Publication.Done : Publication.Raced;
        }

        Publication pushed = PushFirst(claim, owner);
        return pushed == Publication.Lost ? Publication.Raced : pushed;   // it gets a higher epoch the next time
    }

    /// <summary>Brings a registration that tops its owner as far as it comes now; one that is
    /// refused leaves its owner.</summary>
    public ClaimView FinishRegistration(PortClaim claim, long now)
    {
        _finishing.FinishOwn(claim, now);
        ClaimView view = new(claim);
        if (!view.WasBound && !view.IsPending)
        {
            _index.NoteIdle();
        }

        return view;
    }

    /// <inheritdoc cref="PortClaim.DrawBelow"/>
    public static long DrawBelow(PortClaim lease) => lease.DrawBelow();

    /// <summary>Ends a claim in force; false when it had ended already. Lookups stop with it, the
    /// port becomes available after it.</summary>
    public bool TryEnd(ClaimView claim, ClaimEnd cause, long now) => _finishing.TryEnd(claim.Claim!, cause, now);

    /// <summary>Ends an open lease that tops its owner, as it nearly always does. False when
    /// anything is otherwise: nothing has happened then.</summary>
    public bool TryRelease(PortClaim lease, long now) =>
        lease.Word is { Stage: ClaimStage.Reserved } word
        && ReferenceEquals(lease.Cell!.Top, lease)
        && _endings.TryEndFrom(lease, word, ClaimEnd.Released, now, winner: null);

    /// <summary>Ends the registration that tops an owner, as it nearly always does, if a holder has
    /// it. False when anything is otherwise: nothing has happened then.</summary>
    /// <param name="owner">The owner.</param>
    /// <param name="port">Its port; 0 for any.</param>
    /// <param name="holder">Whose it is to be.</param>
    /// <param name="now">The time.</param>
    public bool TryRelease(OwnerKey owner, int port, ClaimHolder holder, long now) =>
        _index.FindAny(owner.Protocol, owner.Owner, owner.Hash)?.Top is { IsLease: false, Word.Stage: ClaimStage.Bound } top
        && ReferenceEquals(top.Holder, holder)
        && (port == 0 || top.Port == port)
        && _finishing.TryEnd(top, ClaimEnd.Released, now);

    /// <inheritdoc cref="Endings.Withdraw"/>
    public bool Withdraw(PortClaim lease, long now, PortClaim? replaced = null) => _endings.Withdraw(lease, now, replaced);

    /// <summary>Ends a pending acquisition that has nothing but its slot; its port is not offered:
    /// the caller knows why it is no good.</summary>
    public static void GiveUp(PortClaim lease, long now) => lease.TryEnd(ClaimEnd.Withdrawn, now);

    /// <summary>Whether a claim of ours is in force or pending on a port.</summary>
    public bool IsOurs(PortProtocol protocol, int port) => _endings.IsOurs(protocol, port);

    /// <summary>Marks a port as a stranger's unless a claim of ours, but for one, is in force or
    /// pending on it.</summary>
    public bool TryMarkForeign(PortProtocol protocol, int port, long now, PortClaim? except = null) =>
        _endings.TryMarkForeign(protocol, port, now, except);

    /// <summary>Notes how strongly the port of a claim is held; under the lock of its placeholder
    /// once the claim took effect.</summary>
    public static void NoteGuarantee(PortClaim claim, PortGuarantee guarantee) => claim.Guarantee = guarantee;

    /// <summary>Notes the number of the addresses that the process of a registration listens on. By
    /// passes, one at a time.</summary>
    public static void NoteAddresses(ClaimView registration, byte addresses) => registration.Claim!.Served = addresses;

    /// <summary>Brings ports whose time has come back into play.</summary>
    public void DrainDue(long now)
    {
        Hints(PortProtocol.Tcp).DrainDue(now);
        if (HasUdp)
        {
            Hints(PortProtocol.Udp).DrainDue(now);
        }
    }

    private static OwnerView ViewOf(OwnerCell cell, PortClaim top) =>
        top.Word.Stage == ClaimStage.Pending ? OwnerView.Waiting(cell, top) : new OwnerView(cell, top);

    private Publication PushLease(OwnerCell cell, PortClaim claim, bool unlessServed, long now, ref ClaimView standing)
    {
        PortClaim top = _finishing.Tidy(cell, now);
        if (ReferenceEquals(top, PortClaim.Dead))
        {
            return Publication.Raced;
        }

        if (top.Word.Stage == ClaimStage.Pending)
        {
            return Publication.Waits;
        }

        PortClaim? lease = cell.OpenLease();
        if (lease is not null && !ReferenceEquals(lease, claim.UsesUp))
        {
            standing = new ClaimView(lease);
            return Publication.AlreadyReserved;
        }

        if (lease is null && claim.UsesUp is not null)
        {
            return Publication.LeaseGone;   // it moved by another claim, which ended since; or it ended otherwise
        }

        if (Math.Max(top.Epoch, lease?.Epoch ?? 0) >= claim.Epoch || (unlessServed && cell.Served() is not null))
        {
            return Publication.Lost;
        }

        return cell.TryPush(top, claim) ? Publication.Done : Publication.Raced;
    }

    private Publication PushFirst(PortClaim claim, OwnerKey owner)
    {
        OwnerCell cell = new(owner.Owner, owner.Protocol, owner.Hash, claim);
        if (claim.Below is not null)
        {
            claim.Below = null;   // it was to go on top of a cell that has died
        }

        claim.Cell = cell;
        return _index.TryInsert(cell) switch
        {
            OwnerInsertion.Inserted => Publication.Done,
            OwnerInsertion.Outrun => Publication.Lost,
            OwnerInsertion.Full => Publication.TooManyOwners,
            _ => Publication.Raced,
        };
    }
}
