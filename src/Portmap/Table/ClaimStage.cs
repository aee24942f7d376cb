namespace Portmap.Table;

/// <summary>Where a <see cref="PortClaim"/> stands. A claim only ever moves to the right: Pending,
/// then Reserved or Bound, then Ended.</summary>
internal enum ClaimStage
{
    /// <summary>It excludes others from the port and is invisible to lookups.</summary>
    Pending = 0,

    /// <summary>An open lease.</summary>
    Reserved = 1,

    /// <summary>A registration. Served unless a newer one of the same owner lies above
    /// it.</summary>
    Bound = 2,

    /// <summary>Over, for the cause in the word.</summary>
    Ended = 3,

    /// <summary>Not a claim of ours: the marker of a stranger's port. Never in a cell.</summary>
    Foreign = 4,
}
