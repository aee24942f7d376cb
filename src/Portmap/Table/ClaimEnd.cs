namespace Portmap.Table;

/// <summary>Why a <see cref="PortClaim"/> ended.</summary>
internal enum ClaimEnd
{
    None = 0,

    /// <summary>It never took effect; nobody outside saw it.</summary>
    Withdrawn = 1,

    /// <summary>It never took effect because a living process of somebody else holds the
    /// port.</summary>
    PortHeld = 2,

    /// <summary>It never took effect because the lease it would have used up had ended.</summary>
    LeaseGone = 3,

    /// <summary>A lease that a registration has used up.</summary>
    UsedUp = 4,

    Released = 5,
    Expired = 6,
    Died = 7,
    Disconnected = 8,
    Replaced = 9,

    /// <summary>A lease on whose port another owner's process listens.</summary>
    LostToListener = 10,

    /// <summary>A lease whose port could not be bound, and that got no other port.</summary>
    BindFailed = 11,

    /// <summary>It never took effect because its fact could not be written.</summary>
    StoreFailed = 12,

    /// <summary>Its process lives and listens no more.</summary>
    StoppedListening = 13,

    /// <summary>A lease whose port could not be bound: the claim above it, on another port, takes its
    /// place.</summary>
    Moved = 14,
}
