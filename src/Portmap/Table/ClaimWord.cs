namespace Portmap.Table;

/// <summary>The one mutable word of a claim.</summary>
/// <remarks><code>
///  63                                   16 15       10  9  8  7     3 2     0
/// ┌───────────────────────────────────────┬───────────┬──┬──┬───────┬───────┐
/// │ milliseconds since the registry began │  unused   │ s│ b│ cause │ stage │
/// └───────────────────────────────────────┴───────────┴──┴──┴───────┴───────┘
///  b: the claim was Bound once (kept when it ends, so that a reader that saw it pending can tell that it took effect)
///  s: seated: a pending registration that has its slot, so that only the end of its lease can still refuse it
/// </code></remarks>
internal readonly struct ClaimWord(long bits) : IEquatable<ClaimWord>
{
    private const int CauseShift = 3, TimeShift = 16;
    private const long StageMask = 7, CauseMask = 31, BoundFlag = 1 << 8, SeatedFlag = 1 << 9;

    public long Bits { get; } = bits;

    public ClaimStage Stage => (ClaimStage)(Bits & StageMask);

    public ClaimEnd Cause => (ClaimEnd)((Bits >> CauseShift) & CauseMask);

    /// <summary>When the claim came to this stage, in milliseconds of <see cref="RegistryClock"/>.</summary>
    public long At => Bits >>> TimeShift;

    public bool WasBound => (Bits & BoundFlag) != 0;

    public bool IsSeated => (Bits & SeatedFlag) != 0;

    /// <summary>Pending or in force: it keeps others off its port.</summary>
    public bool IsLive => Stage is ClaimStage.Taking or ClaimStage.Reserved or ClaimStage.Bound;

    public static ClaimWord Make(ClaimStage stage, long at) =>
        new((long)stage | (stage == ClaimStage.Bound ? BoundFlag : 0) | (at << TimeShift));

    public ClaimWord Seated() => new(Bits | SeatedFlag);

    public ClaimWord End(ClaimEnd cause, long at) =>
        new((long)ClaimStage.Ended | ((long)cause << CauseShift) | (Bits & BoundFlag) | (at << TimeShift));

    public bool Equals(ClaimWord other) => Bits == other.Bits;

    public override bool Equals(object? obj) => obj is ClaimWord other && Equals(other);

    public override int GetHashCode() => Bits.GetHashCode();
}
