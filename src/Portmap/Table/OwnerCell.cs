using System.Diagnostics;

namespace Portmap.Table;

/// <summary>One owner of one protocol that has something, or had a short while ago: the name and
/// the newest of its claims.</summary>
/// <remarks>
/// <code>
///   Top ──► newest ──Below──► older …        what lookups serve: the first Bound claim from Top down
///   Top ──► ended, and nothing below         idle: the next claim of the owner takes its place, unless somebody retires the cell before
///   Top ──► Dead                             nobody may push any more; the index drops the cell
/// </code>
/// <list type="bullet">
/// <item>I1. <see cref="Top"/> changes only by CAS, and once Dead it stays Dead: who wants the
/// owner again makes a new cell.</item>
/// <item>I2. Only the topmost claim can be pending; before anybody pushes another one, the pending
/// one is settled (helped).</item>
/// <item>I3. A Bound claim below a claim that took effect never counts again: before a claim that
/// is Bound ends, all Bound ones below it have ended.</item>
/// <item>I4. <see cref="Last"/> only moves to a later registration, and says the last one once no
/// claim is in force any more.</item>
/// </list>
/// </remarks>
[DebuggerDisplay("{Display,nq}")]
internal sealed class OwnerCell(string owner, PortProtocol protocol, int hash, PortClaim top)
{
    private readonly byte _protocol = (byte)protocol;
    private ushort _lastPort;
    private PortClaim _top = top;
    private PortClaim? _last;

    public string Owner { get; } = owner;

    public int Hash { get; } = hash;

    public PortProtocol Protocol => (PortProtocol)_protocol;

    public PortClaim Top
    {
        get
        {
            Hook.At(Step.ReadTop);
            return Volatile.Read(ref _top);
        }
    }

    /// <summary>The last registration of the owner that was over, also one of an earlier cell of
    /// it. It tells whether a worker that comes again is the last one.</summary>
    public PortClaim? Last
    {
        get
        {
            Hook.At(Step.ReadLast);
            return Volatile.Read(ref _last);
        }
    }

    /// <summary>The port of the last claim of this cell that is to be remembered; 0 when there was
    /// none. <see cref="LastPorts"/> is told when the cell is retired.</summary>
    public int LastPort
    {
        get => Volatile.Read(ref _lastPort);
        set => Volatile.Write(ref _lastPort, (ushort)value);
    }

    /// <summary>What a debugger shows.</summary>
    internal string Display => $"{Owner}/{Protocol}: {(ReferenceEquals(_top, PortClaim.Dead) ? "dead" : _top.Display)}";

    public bool IsDead => ReferenceEquals(Top, PortClaim.Dead);

    public bool Is(PortProtocol protocol, ReadOnlySpan<char> owner, int hash)
    {
        Hook.At(Step.CompareName);
        return Hash == hash && Protocol == protocol && owner.SequenceEqual(Owner);
    }

    /// <summary>Notes a registration before it ends: who sees that it has ended, sees what it was.
    /// The later one stays, whoever comes first.</summary>
    public void Remember(PortClaim registration)
    {
        for (PortClaim? last = Last; last is null || last.Epoch < registration.Epoch; last = Last)
        {
            Hook.At(Step.NoteLast);
            if (ReferenceEquals(Interlocked.CompareExchange(ref _last, registration, last), last))
            {
                return;
            }
        }
    }

    /// <summary>Puts a pending claim on top. The CAS publishes the claim and everything written to
    /// it before; it fails when anybody else moved <see cref="Top"/>.</summary>
    public bool TryPush(PortClaim expected, PortClaim claim)
    {
        if (expected.IsIdle && claim.Below is null)
        {
            return TryPushOnIdle(expected, claim);
        }

        claim.Cell = this;
        claim.Below = expected;
        claim.SkipEnded();
        return TryReplaceTop(expected, claim);
    }

    /// <summary>As <see cref="TryPush"/>, on a top that <see cref="PortClaim.IsIdle"/>: nothing
    /// that matters lies below.</summary>
    public bool TryPushOnIdle(PortClaim expected, PortClaim claim)
    {
        claim.Cell = this;
        return TryReplaceTop(expected, claim);
    }

    /// <summary>After this CAS nobody can push any more; it fails when anybody did since the top
    /// was read.</summary>
    public bool TryDie(PortClaim expected) => TryReplaceTop(expected, PortClaim.Dead);

    private bool TryReplaceTop(PortClaim expected, PortClaim claim)
    {
        Hook.At(Step.PushTop);
        return ReferenceEquals(Interlocked.CompareExchange(ref _top, claim, expected), expected);
    }

    /// <summary>What lookups serve: the newest claim in force. Wait-free: at most as many steps as
    /// the owner has claims that matter: one in force, one pending, the open lease, and those that
    /// ended since the last push.</summary>
    /// <remarks> Linearization. The claim returned was served at some moment of this call, and none
    /// is returned only if at some moment none was:
    /// <list type="bullet">
    /// <item>A Bound claim below none that took effect was served when <see cref="Top"/> was read,
    /// or became so since.</item>
    /// <item>A pending claim that has taken effect when the walk is over was served when it
    /// did.</item>
    /// <item>A claim that ended as Replaced, met below none that took effect, was replaced by one
    /// pushed after <see cref="Top"/> was read, or is being used up by the pending one that
    /// continues it; so it was served then. (Answering "none" there would be the gap that
    /// replacement must not have.)</item>
    /// </list>
    /// The claim returned may thus have ended when the caller looks at it.
    /// </remarks>
    public PortClaim? Served()
    {
        PortClaim top = Top;
        return top.Word.Stage == ClaimStage.Bound ? top : ServedFrom(top);   // nearly always the first one, and then without a call
    }

    /// <summary>What lookups answer: what is served, if its session is. Wait-free.</summary>
    /// <remarks> Linearization, when none is found. A session that serves no more never serves
    /// again. So when the same claim is found once more after its session was seen not to serve, it
    /// was what was served at that second look, and nobody was. When another one is found, the
    /// first was replaced meanwhile, and its process may have died after that: that one is looked
    /// at instead. <see cref="OwnerIndex.MaxProbes"/> replacements in one lookup are too many to be
    /// real.
    /// </remarks>
    public PortClaim? Serving()
    {
        PortClaim? served = Served();
        return served is null || served.Holder!.IsServing ? served : ServingAfter(served);
    }

    private PortClaim? ServingAfter(PortClaim served)
    {
        for (int look = 0; look < OwnerIndex.MaxProbes; look++)
        {
            PortClaim? next = Served();
            if (next is null || ReferenceEquals(next, served))
            {
                return null;
            }

            if (next.Holder!.IsServing)
            {
                return next;
            }

            served = next;
        }

        return null;
    }

    private static PortClaim? ServedFrom(PortClaim top)
    {
        PortClaim? pending = null, replaced = null;
        for (PortClaim? claim = top; claim is not null; claim = claim.Below)
        {
            ClaimWord word = claim.Word;
            if (word.Stage == ClaimStage.Bound)
            {
                return claim;
            }

            if (word.Stage == ClaimStage.Pending)
            {
                pending = claim;
            }
            else if (word.WasBound)
            {
                replaced = word.Cause == ClaimEnd.Replaced ? claim : null;
                break;   // whatever lies below was superseded by this one
            }
        }

        return pending is not null && pending.Word.WasBound ? pending : replaced;
    }

    /// <summary>The open lease, if there is one. Wait-free.</summary>
    /// <remarks>A lease that is used up by the pending claim above it counts as open until that one
    /// takes effect. So who reads this first and <see cref="Served"/> second sees the lease or what
    /// became of it.
    /// <para>Linearization, when none is found. A registration that came after the lease lies above
    /// it, and who tidies that one unlinks the lease as soon as it is used up. The pending claim
    /// still leads to it (<see cref="PortClaim.UsesUp"/>), but who had read <see cref="Top"/> before
    /// that was pushed finds neither. So there was none only if <see cref="Top"/> has not moved:
    /// then no lease came, and none was used up by a claim that was not looked at.
    /// <see cref="OwnerIndex.MaxProbes"/> pushes in one lookup are too many to be real.</para>
    /// </remarks>
    public PortClaim? OpenLease()
    {
        PortClaim top = Top;
        for (int look = 0; look < OwnerIndex.MaxProbes; look++)
        {
            if (OpenLeaseFrom(top) is { } lease)
            {
                return lease;
            }

            PortClaim before = top;
            top = Top;
            if (ReferenceEquals(top, before))
            {
                return null;
            }
        }

        return null;
    }

    /// <remarks>What the pending top uses up was open when that was seen pending: the reference is
    /// forgotten only after it took effect. A lease that ended by itself is over, though a
    /// registration that was to use it up is pending above it.</remarks>
    private static PortClaim? OpenLeaseFrom(PortClaim top)
    {
        bool isPending = top.Word.Stage == ClaimStage.Pending;
        if (isPending && top.UsesUp is { IsLease: true } used && used.Word is { Stage: ClaimStage.Reserved } or { Cause: ClaimEnd.UsedUp or ClaimEnd.Moved })
        {
            return used;
        }

        for (PortClaim? claim = top; claim is not null; claim = claim.Below)
        {
            if (claim.Word.Stage == ClaimStage.Reserved)
            {
                return claim;   // also the top, if it was pending before
            }
        }

        return isPending && top.Word.Stage == ClaimStage.Reserved ? top : null;
    }

    /// <summary>What a lookup of the owner finds: the registration that is served, otherwise the
    /// open lease.</summary>
    /// <remarks> Linearization, when neither is found: between the two looks a lease may have come
    /// and the registration gone. Unless <see cref="Top"/> moved or a pending claim took effect
    /// meanwhile, no lease came after the first look, so at the second one the owner had nothing. A
    /// claim that came meanwhile and took effect is an answer, though it may have ended when the
    /// caller looks at it; only one that was refused makes this look again, and then somebody else
    /// pushed another one: <see cref="OwnerIndex.MaxProbes"/> times in one lookup is once too often
    /// to be real.
    /// </remarks>
    public PortClaim? Current()
    {
        PortClaim top = Top;
        if (top.Word.Stage == ClaimStage.Bound && top.Holder!.IsServing)
        {
            return top;   // nearly always; the first of what Serving looks at
        }

        bool isNew = top.Word.Stage == ClaimStage.Pending;
        for (int look = 0; look < OwnerIndex.MaxProbes; look++)
        {
            PortClaim? lease = OpenLease();   // first: what it becomes meanwhile is found by the second look
            if (Serving() is { } served)
            {
                return served;
            }

            // Still open, so it was when nobody was served; else it was registered and that has
            // ended, or it was released.
            if (lease is not null && ReferenceEquals(OpenLease(), lease))
            {
                return lease;
            }

            PortClaim before = top;
            top = Top;
            isNew |= !ReferenceEquals(top, before);
            bool tookEffect = isNew && top.TookEffect;
            if (tookEffect && !top.IsLease)
            {
                return top;   // it was served when it took effect
            }

            if (!tookEffect && ReferenceEquals(top, before))
            {
                return null;
            }

            isNew = false;   // a lease that came meanwhile is found by the next look, under a registration or alone
        }

        return null;
    }

    /// <summary>The highest epoch of the claims from one down, but for one of them.</summary>
    public static long HighestEpoch(PortClaim? top, PortClaim? except)
    {
        long highest = 0;
        for (PortClaim? claim = top; claim is not null; claim = claim.Below)
        {
            highest = ReferenceEquals(claim, except) ? highest : Math.Max(highest, claim.Epoch);
        }

        return highest;
    }

    /// <summary>The newest claim, pending ones included, that keeps others off a port. A lease
    /// whose port could not be bound does so until the one in its place takes effect, as lookups of
    /// the owner show it until then (<see cref="OpenLease"/>, which tells why it need not be
    /// linked).</summary>
    public PortClaim? HolderOf(int port)
    {
        for (PortClaim? claim = Top; claim is not null; claim = claim.Below)
        {
            if (claim.Port == port && claim.Word.IsLive)
            {
                return claim;
            }
        }

        return Top is { Word.Stage: ClaimStage.Pending, UsesUp: { } failed } && failed.Port == port && failed.Word.Cause == ClaimEnd.Moved ? failed : null;
    }

    /// <summary>The newest claim in force on a port; it may be superseded by one that is in force
    /// on another port.</summary>
    public PortClaim? InForceOn(int port)
    {
        for (PortClaim? claim = Top; claim is not null; claim = claim.Below)
        {
            if (claim.Port == port && claim.Word.Stage is (ClaimStage.Reserved or ClaimStage.Bound))
            {
                return claim;
            }
        }

        return null;
    }

    /// <summary>Whether an epoch is that of a live claim.</summary>
    /// <param name="epoch">The epoch.</param>
    /// <param name="isOutrun">When not: a claim in force goes back to a later one.</param>
    public bool HasLive(long epoch, out bool isOutrun)
    {
        isOutrun = false;
        for (PortClaim? claim = Top; claim is not null; claim = claim.Below)
        {
            ClaimWord word = claim.Word;
            if (word.IsLive && claim.IsOf(epoch))
            {
                return true;
            }

            isOutrun |= word.Stage is (ClaimStage.Reserved or ClaimStage.Bound) && claim.Origin > epoch;
        }

        return false;
    }

    /// <summary>Whether a live claim is a lease's, or takes the place of one of its claims.</summary>
    public bool HasLive(object lease)
    {
        for (PortClaim? claim = Top; claim is not null; claim = claim.Below)
        {
            if (claim.Word.IsLive && (ReferenceEquals(claim.Lease, lease) || ReferenceEquals(claim.UsesUp?.Lease, lease)))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Whether anything has to be found by this cell: a claim that is pending or in force,
    /// or one whose end is in no queue of the store yet. Who ended that tells it, or whoever looks
    /// for the owner meanwhile; afterwards the cell is idle.</summary>
    public bool Matters()
    {
        for (PortClaim? claim = Top; claim is not null; claim = claim.Below)
        {
            if (claim.Word is { IsLive: true } or { Stage: ClaimStage.Ended, Waits: true, IsQueued: false, IsLate: false })
            {
                return true;
            }
        }

        return false;
    }
}
