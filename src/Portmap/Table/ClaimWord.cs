using System.Diagnostics;

namespace Portmap.Table;

/// <summary>The one mutable word of a claim.</summary>
/// <remarks><code>
///  63                                   16 15 14 13 12 11 10  9  8  7     3 2     0
/// ┌───────────────────────────────────────┬──┬──┬──┬──┬──┬──┬──┬──┬───────┬───────┐
/// │ milliseconds since the registry began │ r│ g│ l│ w│ q│ c│ s│ b│ cause │ stage │
/// └───────────────────────────────────────┴──┴──┴──┴──┴──┴──┴──┴──┴───────┴───────┘
///  b: the claim was Bound once (kept when it ends, so that a reader that saw it pending can tell that it took effect)
///  s: seated: a pending registration that has its slot, so that only the end of its lease can still refuse it
///  c: confirmed: what this stage says counts only when its fact is on disk. Pending and not written it cannot take effect; ended and not
///     written, its port cannot be taken. Never set without a store, or when the store writes in the background
///  q: the fact is in the queue of the store (set after it was put there: who does not see q puts it there himself, twice does no harm)
///  w: the fact is on disk
///  l: the fact of this stage came too late: the registry was disposed before it was in the queue, so it will never be on disk
///  g: a pending lease of a group: what becomes of it is decided by the word of the group (ClaimGroup), for all of them at once
///  r: a registration in force that a pending one relied on: who ends it lets that one come to its end first (Finishing.TryEnd)
/// </code></remarks>
[DebuggerDisplay("{Display,nq}")]
internal readonly struct ClaimWord(long bits) : IEquatable<ClaimWord>
{
    private const int CauseShift = 3, TimeShift = 16;
    private const long StageMask = 7, CauseMask = 31, BoundFlag = 1 << 8, SeatedFlag = 1 << 9, ConfirmedFlag = 1 << 10, QueuedFlag = 1 << 11, WrittenFlag = 1 << 12, LateFlag = 1 << 13, GroupFlag = 1 << 14, ReliedFlag = 1 << 15;

    public long Bits { get; } = bits;

    public ClaimStage Stage => (ClaimStage)(Bits & StageMask);

    public ClaimEnd Cause => (ClaimEnd)((Bits >> CauseShift) & CauseMask);

    /// <summary>When the claim came to this stage, in milliseconds of
    /// <see cref="RegistryClock"/>.</summary>
    public long At => Bits >>> TimeShift;

    public bool WasBound => (Bits & BoundFlag) != 0;

    public bool IsSeated => (Bits & SeatedFlag) != 0;

    /// <summary>Pending or in force: it keeps others off its port.</summary>
    public bool IsLive => Stage is ClaimStage.Pending or ClaimStage.Reserved or ClaimStage.Bound;

    public bool IsQueued => (Bits & QueuedFlag) != 0;

    public bool IsLate => (Bits & LateFlag) != 0;

    /// <summary>Pending, and decided by its group.</summary>
    public bool IsJoined => (Bits & GroupFlag) != 0;

    /// <summary>In force, and a pending claim that is to replace it counts on that.</summary>
    public bool IsReliedOn => (Bits & ReliedFlag) != 0;

    /// <summary>It never took effect, and nothing of it has to be written.</summary>
    public bool CameToNothing =>
        Stage == ClaimStage.Ended && !Waits && Cause is ClaimEnd.Withdrawn or ClaimEnd.PortHeld or ClaimEnd.LeaseGone or ClaimEnd.StoreFailed;

    /// <summary>Its fact has yet to come to the disk.</summary>
    public bool Waits => (Bits & (ConfirmedFlag | WrittenFlag)) == ConfirmedFlag;

    public static ClaimWord Pending(bool confirmed) => new((long)ClaimStage.Pending | (confirmed ? ConfirmedFlag : 0));

    public static ClaimWord Make(ClaimStage stage, long at) =>
        new((long)stage | (stage == ClaimStage.Bound ? BoundFlag : 0) | (at << TimeShift));

    public ClaimWord Seated() => new(Bits | SeatedFlag);

    public ClaimWord Queued() => new(Bits | QueuedFlag);

    public ClaimWord Written() => new(Bits | QueuedFlag | WrittenFlag);

    public ClaimWord Late() => new(Bits | LateFlag);

    public ClaimWord Joined() => new(Bits | GroupFlag);

    public ClaimWord ReliedOn(bool isReliedOn) => new(isReliedOn ? Bits | ReliedFlag : Bits & ~ReliedFlag);

    /// <summary>The word of a joined claim once its group is decided.</summary>
    public ClaimWord Decided(ClaimWord group) =>
        group.Stage == ClaimStage.Ended ? End(group.Cause, group.At) : TakeEffect(group.Stage, group.At);

    public ClaimWord TakeEffect(ClaimStage stage, long at) => new(Make(stage, at).Bits | (Bits & (ConfirmedFlag | QueuedFlag | WrittenFlag)));

    /// <summary>The word of the ended claim. Its end has to be written when the claim may be on
    /// disk and nothing else tells that it is over.</summary>
    public ClaimWord End(ClaimEnd cause, long at, bool isTold = false) =>
        new((long)ClaimStage.Ended | ((long)cause << CauseShift) | (Bits & BoundFlag) | (at << TimeShift)
            | (isTold || (Stage == ClaimStage.Pending && !IsQueued) ? 0 : Bits & ConfirmedFlag));

    /// <summary>What a debugger shows.</summary>
    internal string Display =>
        $"{Stage}{(Stage == ClaimStage.Ended ? $" ({Cause})" : string.Empty)} at {At} ms{Flag(SeatedFlag, "seated")}{Flag(ConfirmedFlag, "confirmed")}{Flag(QueuedFlag, "queued")}{Flag(WrittenFlag, "written")}{Flag(LateFlag, "late")}{Flag(GroupFlag, "of a group")}{Flag(ReliedFlag, "relied on")}";

    public bool Equals(ClaimWord other) => Bits == other.Bits;

    public override bool Equals(object? obj) => obj is ClaimWord other && Equals(other);

    public override int GetHashCode() => Bits.GetHashCode();

    private string Flag(long flag, string name) => (Bits & flag) != 0 ? $", {name}" : string.Empty;
}
