namespace Portmap.Table;

/// <summary>What became of a cell that was to be added to the <see cref="OwnerIndex"/>.</summary>
internal enum OwnerInsertion
{
    Inserted,

    /// <summary>Lost the race: somebody changed the bucket, or the owner has a living
    /// cell.</summary>
    Raced,

    /// <summary>An owner that was here since has left a higher epoch: begin again with one
    /// above <see cref="OwnerIndex.Marks"/>.</summary>
    Outrun,

    /// <summary>The bound on owners, or on owners of one bucket, is reached.</summary>
    Full,
}
