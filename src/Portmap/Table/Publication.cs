namespace Portmap.Table;

/// <summary>What became of a claim that was to be put on top of its owner.</summary>
internal enum Publication
{
    /// <summary>It is there, and took effect if it was to.</summary>
    Done,

    /// <summary>It is there, and waits for the disk.</summary>
    Pending,

    /// <summary>Something came between: look at the owner again.</summary>
    Raced,

    /// <summary>The owner has another open lease.</summary>
    AlreadyReserved,

    TooManyOwners,

    /// <summary>The lease whose place it should take has ended.</summary>
    LeaseGone,

    /// <summary>A listening process took the port, or a later claim of the owner has a higher
    /// epoch: begin anew.</summary>
    Lost,

    /// <summary>The fact of the claim could not be written.</summary>
    StoreFailed,

    /// <summary>What the owner has is on the way to the disk: wait for that, then begin
    /// again.</summary>
    Waits,
}
