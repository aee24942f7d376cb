namespace Portmap.Table;

/// <summary>Pending leases that take effect together or not at all.</summary>
/// <remarks>
/// <code>
///   word of the group:  Pending ──Seal──► Pending, seated ──► Reserved      all take effect: the linearization point of all of them
///                          └─────────────────┴──────────────► Ended         none ever does
///   word of a member:   Pending, joined ─────────────────────► what the group says, written by whoever reads it next
/// </code>
/// <list type="bullet">
/// <item>G1. While a claim is joined nothing but the word of its group decides it. So all members
/// change at one CAS, for every reader.</item>
/// <item>G2. A group is sealed when all members top their owners. Whoever meets a member of one
/// that is not sealed ends the group, so nobody waits for a thread that was suspended; who made it
/// begins again. A sealed one waits for nothing but the disk, and anybody can queue its facts and
/// let it take effect.</item>
/// <item>G3. Whoever decided it does what follows from it.</item>
/// </list>
/// Progress: each member of the class is one step.
/// </remarks>
internal sealed class ClaimGroup(PortClaim[] members)
{
    private long _word = ClaimWord.Pending(confirmed: false).Bits;

    /// <summary>The leases; those of one owner and both protocols are two.</summary>
    public ReadOnlySpan<PortClaim> Members => members;

    /// <summary>Pending, with s once it is sealed; Reserved; or Ended with its cause.</summary>
    public ClaimWord Word
    {
        get
        {
            Hook.At(Step.ReadGroup);
            return new(Volatile.Read(ref _word));
        }
    }

    /// <summary>All members top their owners; false when somebody ended the group before.</summary>
    public bool TrySeal() => TryMove(ClaimWord.Pending(confirmed: false), ClaimWord.Pending(confirmed: false).Seated());

    /// <summary>The CAS by which all members take effect.</summary>
    public bool TryTakeEffect(ClaimWord seen, long now) => seen.Stage == ClaimStage.Pending && TryMove(seen, ClaimWord.Make(ClaimStage.Reserved, now));

    /// <summary>The CAS by which all members end, from the word the decision was made on.</summary>
    public bool TryEnd(ClaimWord seen, ClaimEnd cause, long now) => seen.Stage == ClaimStage.Pending && TryMove(seen, seen.End(cause, now));

    private bool TryMove(ClaimWord seen, ClaimWord next)
    {
        Hook.At(Step.DecideGroup);
        return Interlocked.CompareExchange(ref _word, next.Bits, seen.Bits) == seen.Bits;
    }
}
