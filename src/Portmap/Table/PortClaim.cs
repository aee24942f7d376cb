using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace Portmap.Table;

/// <summary>One acquisition or one registration: immutable but for its <see cref="ClaimWord"/>, and
/// reached from the slot of its port and from the cell of its owner.</summary>
/// <remarks>
/// <code>
///   slot[port] ──► claim ──► cell ──► Top ──► claim (newest) ──Below──► claim ──Below──► …
/// </code>
/// A lease goes Pending → Reserved → Ended, a registration Pending → Bound → Ended; a registration
/// never becomes a lease or the other way round.
/// <list type="bullet">
/// <item>C1. The word moves only by CAS and only to the right (see <see cref="ClaimStage"/>); each
/// move happens once and whoever made it does what follows from it.</item>
/// <item>C2. Everything else is written before the claim is published in a slot or a cell, except
/// <see cref="Below"/>, which later only skips claims that have ended, <see cref="UsesUp"/>, which
/// is forgotten, <see cref="Guarantee"/>, which only who is at its placeholder changes,
/// <see cref="Served"/>, <see cref="IsShared"/> and <see cref="TookCooling"/>.</item>
/// </list>
/// Progress: every member is wait-free; DrawBelow takes at most 16 steps.
/// </remarks>
[DebuggerDisplay("{Display,nq}")]
internal sealed class PortClaim : IGuaranteed
{
    private const byte LeaseFlag = 128, CoolingFlag = 64;

    private long _word;
    private PortClaim? _below;
    private object? _usesUp;   // a PortClaim, or the ClaimGroup of one that is joined
    private OwnerCell? _cell;

    // Who stands behind it: what a lease is to its users, the holder of a registration. One field,
    // and bytes for what an enum would take four of: an acquisition and its release may cost 200
    // bytes together.
    private readonly object? _party;
    private readonly ushort _port;
    private byte _kind;   // the protocol, whether it is a lease, and whether its port cooled
    private byte _guarantee;
    private byte _drawnBelow;
    private byte _served;
    private bool _isShared;

    private PortClaim(in NewClaim claim, ClaimWord word)
    {
        _kind = (byte)((byte)claim.Protocol | (claim.Lease is not null ? LeaseFlag : 0));
        _port = (ushort)claim.Port;
        Epoch = claim.Epoch;
        Origin = claim.Origin != 0 ? claim.Origin : claim.Epoch;
        Strategy = claim.Strategy;
        _party = claim.Lease ?? claim.Holder;
        _word = word.Bits;
        UsesUp = claim.UsesUp;   // by which no null is written
        _guarantee = (byte)(IsLease ? PortGuarantee.LedgerOnly : PortGuarantee.HeldByProcess);
    }

    /// <summary>What <see cref="OwnerCell.Top"/> points to once the cell is dead.</summary>
    public static PortClaim Dead { get; } = new(new NewClaim { Protocol = PortProtocol.Tcp, Epoch = 0 }, ClaimWord.Make(ClaimStage.Ended, 0));

    /// <summary>The rank of its fact: of two claims of one owner, or on one port, the later one has
    /// the higher.</summary>
    public long Epoch { get; }

    /// <summary>The epoch of the acquisition it goes back to, by which its worker proves itself;
    /// its own epoch where there was none. They differ where the lease was given a number before
    /// the port was known, and where a process was started again with the environment of its
    /// predecessor.</summary>
    public long Origin { get; }

    /// <summary>Whether a worker that carries an epoch means this claim.</summary>
    public bool IsOf(long epoch) => epoch == Epoch || epoch == Origin;

    /// <summary>0 for a lease whose process picks the port.</summary>
    public int Port => _port;

    public PortProtocol Protocol => (PortProtocol)(_kind & ~(LeaseFlag | CoolingFlag));

    public bool IsLease => (_kind & LeaseFlag) != 0;

    /// <summary>Whether it ever had its slot together with others; who has not has its port
    /// alone.</summary>
    public bool IsShared
    {
        get
        {
            Hook.At(Step.ReadShared);
            return Volatile.Read(ref _isShared);
        }
    }

    /// <summary>Whether its port cooled when it took the port; said before it has its slot. Should
    /// it come to nothing, the port cools on.</summary>
    public bool TookCooling => (Volatile.Read(ref _kind) & CoolingFlag) != 0;

    /// <summary>Index of the strategy in the registry's list.</summary>
    public byte Strategy { get; }

    public PortGuarantee Guarantee
    {
        get => (PortGuarantee)Volatile.Read(ref _guarantee);
        set => Volatile.Write(ref _guarantee, (byte)value);
    }

    bool IGuaranteed.IsOver => !Word.IsLive;

    string? IGuaranteed.Owner => Cell?.Owner;

    /// <summary>What its guard is told of it.</summary>
    public GuardedPort Guarded => new(Protocol, Port, Epoch, IsLease, this);

    /// <summary>The number of the set of addresses that the process of a registration listens on;
    /// written by the passes.</summary>
    public byte Served
    {
        get => Volatile.Read(ref _served);
        set => Volatile.Write(ref _served, value);
    }

    /// <summary>The process and connection of a registration; null for a lease.</summary>
    public ClaimHolder? Holder => IsLease ? null : Unsafe.As<ClaimHolder>(_party);

    /// <summary>What the lease is to its users; null for a registration, which knows its lease by
    /// what it <see cref="UsesUp"/>.</summary>
    public object? Lease => IsLease ? _party : null;

    /// <summary>The lease, or the registration it continues, that this claim uses up when it takes
    /// effect, or the registration it relies on (<see cref="ReliesOn"/>); forgotten then, so that
    /// no chain of old claims is kept, nor the lease by its registration (64 bytes a
    /// port).</summary>
    public PortClaim? UsesUp
    {
        get
        {
            Hook.At(Step.ReadUsesUp);
            return Volatile.Read(ref _usesUp) as PortClaim;
        }

        set
        {
            if (value is not null || _usesUp is not null)   // each write of a reference is told to the collector
            {
                Volatile.Write(ref _usesUp, value);
            }
        }
    }

    /// <summary>Whether this registration may only be because an older one of its owner, which it
    /// replaces, is in force; not when it goes on with its epoch.</summary>
    public bool ReliesOn(PortClaim used) => !IsLease && !used.IsLease && used.Epoch != Epoch;

    /// <summary>Whether a lease goes on with a later one, on another port.</summary>
    public bool IsHealedBy(PortClaim later) => IsLease && later.Epoch > Epoch;

    /// <summary>The group it is decided by, while it is joined; never of a claim that uses up
    /// another.</summary>
    public ClaimGroup? Group
    {
        get
        {
            Hook.At(Step.ReadUsesUp);
            return Volatile.Read(ref _usesUp) as ClaimGroup;
        }
    }

    /// <summary>The owner's cell. Null while an acquisition has only its slot.</summary>
    public OwnerCell? Cell
    {
        get
        {
            Hook.At(Step.ReadCell);
            return Volatile.Read(ref _cell);   // pairs with the write before the cell or slot publishes the claim
        }

        set => Volatile.Write(ref _cell, value);
    }

    /// <summary>The owner's next older claim that may still matter. Of an acquisition that has only
    /// its slot the claim that cools on the port, if one does: it is forgotten when the acquisition is
    /// pushed.</summary>
    public PortClaim? Below
    {
        get
        {
            Hook.At(Step.ReadBelow);
            return Volatile.Read(ref _below);
        }

        set => Volatile.Write(ref _below, value);
    }

    /// <summary>What a slot that leads to this claim keeps its port for: this claim; or, when it came
    /// to nothing, the one below it on the port, to which the slot leads no more. That is what it was
    /// to go on from, or what cooled there when it took the port.</summary>
    public PortClaim Meant
    {
        get
        {
            PortClaim? cooled = null;   // by one that came to nothing as well, and has an owner
            for (PortClaim? claim = Below is null ? null : this; claim is not null; claim = claim.Below)
            {
                if (claim.Port == Port)
                {
                    if (!claim.Word.CameToNothing)
                    {
                        return claim;
                    }

                    cooled ??= claim.TookCooling && claim.Cell is not null ? claim : null;
                }
            }

            return cooled ?? this;
        }
    }

    public ClaimWord Word
    {
        get
        {
            Hook.At(Step.ReadWord);
            ClaimWord word = new(Volatile.Read(ref _word));
            return word.IsJoined ? Settle(word) : word;
        }
    }

    /// <summary>It has ended, and nothing of its owner lies below: if it is the top, its owner has
    /// nothing. Not when it made way for another claim, which then lies above it.</summary>
    public bool IsIdle =>
        Word is { Stage: ClaimStage.Ended, Cause: not (ClaimEnd.UsedUp or ClaimEnd.Moved or ClaimEnd.Replaced) } && Below is null;

    /// <summary>It was in force once, however it ended; false for a registration whose process is
    /// gone from sight.</summary>
    public bool TookEffect
    {
        get
        {
            ClaimWord word = Word;
            return IsLease
                ? word.Stage == ClaimStage.Reserved || (word.Stage == ClaimStage.Ended && word.Cause is not (ClaimEnd.None or ClaimEnd.Withdrawn or ClaimEnd.LeaseGone or ClaimEnd.StoreFailed))
                : word.WasBound && Holder!.IsServing;
        }
    }

    /// <summary>What a debugger shows. Reads the fields, so that no step of a test is taken by
    /// it.</summary>
    internal string Display =>
        $"{(IsLease ? "lease" : "registration")} of {_cell?.Owner ?? "nobody"} on {Port}/{Protocol}, epoch {Epoch}: {new ClaimWord(_word).Display}";

    /// <summary>Makes a claim that is pending.</summary>
    /// <param name="claim">What it is to be.</param>
    /// <param name="confirmed">It counts only when its fact is on disk.</param>
    /// <param name="cooling">What cools on its port, and cools on should this come to
    /// nothing.</param>
    public static PortClaim Pending(in NewClaim claim, bool confirmed, PortClaim? cooling = null)
    {
        PortClaim made = new(claim, ClaimWord.Pending(confirmed));
        if (cooling is not null)
        {
            made._below = cooling;
            made._kind |= CoolingFlag;
        }

        return made;
    }

    /// <param name="protocol">The protocol.</param>
    /// <param name="port">The port.</param>
    /// <param name="highest">The highest epoch the port has seen: who has the port after the
    /// stranger is given a higher one.</param>
    /// <param name="at">When it was found.</param>
    public static PortClaim ForForeign(PortProtocol protocol, int port, long highest, long at) =>
        new(new NewClaim { Protocol = protocol, Port = port, Epoch = highest }, ClaimWord.Make(ClaimStage.Foreign, at)) { Guarantee = PortGuarantee.LedgerOnly };

    /// <summary>What keeps a port cool that was released in an earlier run; its owner has no cell
    /// in the index.</summary>
    public static PortClaim ForCooling(in NewClaim claim, OwnerCell owner, ClaimEnd cause, long endedAt) =>
        new(claim, ClaimWord.Pending(confirmed: false).End(cause, endedAt)) { Cell = owner };

    /// <summary>Draws an epoch below this lease's and above every older one, or 0 when all 15 are
    /// used up.</summary>
    public long DrawBelow()
    {
        while (true)
        {
            Hook.At(Step.DrawBelow);
            byte drawn = Volatile.Read(ref _drawnBelow);
            if (drawn == EpochSource.Spacing - 1)
            {
                return 0;
            }

            // Gives the number to one caller only.
            if (Interlocked.CompareExchange(ref _drawnBelow, (byte)(drawn + 1), drawn) == drawn)
            {
                return Epoch - EpochSource.Spacing + drawn + 1;
            }
        }
    }

    /// <summary>Whether its port cools after it ended so: not if it never took effect on a port that
    /// did not cool, or goes on as a registration.</summary>
    public bool Cools(ClaimEnd cause) =>
        cause != ClaimEnd.UsedUp && (TookCooling || cause is not (ClaimEnd.Withdrawn or ClaimEnd.PortHeld or ClaimEnd.LeaseGone or ClaimEnd.StoreFailed));

    /// <summary>It came to nothing, and no port cools after it.</summary>
    public bool HasLeftNothing => Word.CameToNothing && !TookCooling;

    /// <summary>A registration takes a port that cools; said before it is in its slot, by all who
    /// help it.</summary>
    public void MarkTookCooling() => Volatile.Write(ref _kind, (byte)(_kind | CoolingFlag));   // the only bit that ever changes

    /// <summary>It is put into its slot together with others; said before it is there.</summary>
    public void MarkShared()
    {
        Hook.At(Step.MarkShared);
        Volatile.Write(ref _isShared, true);
    }

    /// <summary>Skips claims below that have ended.</summary>
    /// <remarks>A claim that was Bound and ended by itself hides what it had replaced; when it is
    /// skipped, what it hid must go with it, or a reader would take one that was replaced long ago
    /// for one that is being replaced now (<see cref="OwnerCell.Served"/>). A reader that walks
    /// there at this moment may find nothing, and rightly so: when the skipped claim ended, nobody
    /// was served.</remarks>
    public void SkipEnded()
    {
        bool hid = false;
        PortClaim? below = Below;
        for (ClaimWord word; below is not null && (word = below.Word).Stage == ClaimStage.Ended; below = below.Below)
        {
            hid |= word.WasBound && word.Cause != ClaimEnd.Replaced;
        }

        if (!ReferenceEquals(below, Below))
        {
            Hook.At(Step.SkipBelow);
            Below = below;
        }

        for (PortClaim? lease = hid ? below : null; lease is not null; lease = lease.Below)
        {
            lease.SkipEnded();
        }
    }

    /// <summary>Lets a group decide a pending lease from now on; false when it has ended.</summary>
    public bool TryJoin(ClaimGroup group)
    {
        ClaimWord word = Word;
        if (word.Stage != ClaimStage.Pending)
        {
            return false;
        }

        Volatile.Write(ref _usesUp, group);   // before the word says that there is one
        Hook.At(Step.JoinGroup);
        return Interlocked.CompareExchange(ref _word, word.Joined().Bits, word.Bits) == word.Bits;
    }

    /// <summary>Forgets a group that is decided.</summary>
    public void LeaveGroup()
    {
        _ = Word;   // so that it says itself what was decided
        Hook.At(Step.ForgetUsesUp);
        Volatile.Write(ref _usesUp, null);
    }

    /// <summary>The CAS by which a pending claim takes effect: the linearization point of acquire
    /// and register. Publishes the claim to lookups.</summary>
    public bool TryTakeEffect(ClaimWord pending, long now)
    {
        ClaimWord next = pending.TakeEffect(IsLease ? ClaimStage.Reserved : ClaimStage.Bound, now);
        Hook.At(Step.TakeEffect);
        return Interlocked.CompareExchange(ref _word, next.Bits, pending.Bits) == pending.Bits;
    }

    /// <summary>The CAS by which a pending registration that is in its slot can no longer be
    /// refused for the port.</summary>
    public bool TrySeat(ClaimWord pending)
    {
        Hook.At(Step.Seat);
        return Interlocked.CompareExchange(ref _word, pending.Seated().Bits, pending.Bits) == pending.Bits;
    }

    /// <summary>The CAS by which a claim ends: the linearization point of release, expiry, death
    /// and of losing a port. False when it had ended already.</summary>
    public bool TryEnd(ClaimEnd cause, long now)
    {
        while (true)
        {
            ClaimWord word = Word;
            if (!word.IsLive)
            {
                return false;
            }

            if (TryEndFrom(word, cause, now))
            {
                return true;
            }
        }
    }

    /// <summary>As <see cref="TryEnd"/>, but only from the word the decision was made on.</summary>
    /// <param name="seen">That word.</param>
    /// <param name="cause">Why.</param>
    /// <param name="now">The time.</param>
    /// <param name="isTold">The fact of another claim tells it, so its own end is not
    /// written.</param>
    public bool TryEndFrom(ClaimWord seen, ClaimEnd cause, long now, bool isTold = false)
    {
        Hook.At(Step.EndClaim);
        return Interlocked.CompareExchange(ref _word, seen.End(cause, now, isTold).Bits, seen.Bits) == seen.Bits;
    }

    /// <summary>The CAS after a fact of this claim came into the queue, or onto the disk, or
    /// another claim relies on it; false when the claim has come further meanwhile.</summary>
    public bool TryMark(ClaimWord seen, ClaimWord marked)
    {
        Hook.At(Step.MarkFact);
        return Interlocked.CompareExchange(ref _word, marked.Bits, seen.Bits) == seen.Bits;
    }

    /// <summary>Writes what its group has decided into the word of a joined claim. By anybody who
    /// reads it, so that nobody sees one member of a group decided and another not. At most four
    /// steps: the marks of a word only come.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]   // seldom needed, and kept out of every read
    private ClaimWord Settle(ClaimWord word)
    {
        while (word.IsJoined)
        {
            if (Group is not { } group)
            {
                word = new(Volatile.Read(ref _word));   // it has left the group, and so says itself what was decided
                continue;
            }

            ClaimWord decision = group.Word;
            if (decision.Stage == ClaimStage.Pending)
            {
                return word;
            }

            Hook.At(Step.SettleClaim);
            long seen = Interlocked.CompareExchange(ref _word, word.Decided(decision).Bits, word.Bits);
            word = seen == word.Bits ? word.Decided(decision) : new(seen);
        }

        return word;
    }
}
