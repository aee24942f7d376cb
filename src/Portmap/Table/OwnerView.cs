namespace Portmap.Table;

/// <summary>What an owner has, as it was at one moment, and the place to push on if nobody else did
/// since. <c>default</c> knows nothing.</summary>
/// <remarks>Leases are looked at before registrations: so a lease that is used up meanwhile is seen
/// as it was, or as what it became. Both were so at one moment, that of the second look, when
/// <see cref="IsStill"/> says so afterwards.</remarks>
internal readonly struct OwnerView
{
    internal OwnerView(OwnerCell cell, PortClaim top)
    {
        Cell = cell;
        Top = top;
        Lease = new ClaimView(cell.OpenLease());   // before Served, see there
        Served = new ClaimView(cell.Served());
    }

    private OwnerView(OwnerCell cell, PortClaim top, bool waits)
    {
        Cell = cell;
        Top = top;
        Waits = waits;
    }

    internal OwnerCell? Cell { get; }

    internal PortClaim? Top { get; }

    /// <summary>Nobody has pushed since <see cref="Top"/> was settled, so no lease came; and the one
    /// that was open is. Then it was when the registration was looked at.</summary>
    internal bool IsStill => ReferenceEquals(Cell!.Top, Top) && (Lease.IsNone || Lease.Now().Stage == ClaimStage.Reserved);

    /// <summary>Something is pending on the owner whose fact has yet to come to the disk: nothing
    /// else is known.</summary>
    public bool Waits { get; }

    /// <summary>The owner has nothing.</summary>
    public bool IsNone => Cell is null;

    /// <summary>The open lease, or none.</summary>
    public ClaimView Lease { get; }

    /// <summary>The registration in force, whether its holder is served or not; or none.</summary>
    public ClaimView Served { get; }

    /// <summary>The one of both with the higher epoch.</summary>
    public ClaimView Newest => Lease.Epoch > Served.Epoch ? Lease : Served;

    /// <summary>The registration that lookups serve now, or none.</summary>
    public ClaimView Serving() => new(Cell!.Serving());

    /// <summary>Whether something is pending on the owner now.</summary>
    public bool IsPending() => Cell!.Top.Word.Stage == ClaimStage.Pending;

    /// <summary>Whether an end of the owner came too late to be written: the registry was being
    /// disposed.</summary>
    public bool IsAnyLate()
    {
        for (PortClaim? claim = Top; claim is not null; claim = claim.Below)
        {
            if (claim.Word is { Stage: ClaimStage.Ended, IsLate: true })
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>The epoch of the newest claim of the owner.</summary>
    public long TopEpoch => Top!.Epoch;

    /// <summary>The highest epoch of what the owner has, but for one claim; 0 when it has
    /// nothing.</summary>
    public long HighestEpoch(PortClaim? except = null) => OwnerCell.HighestEpoch(Top, except);

    /// <summary>The place for its next claim, unless somebody else pushes one first.</summary>
    public OwnerPlace Place => new(Cell, Top);

    internal static OwnerView Waiting(OwnerCell cell, PortClaim top) => new(cell, top, waits: true);
}
