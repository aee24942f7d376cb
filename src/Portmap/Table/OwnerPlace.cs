namespace Portmap.Table;

/// <summary>Where the next claim of an owner goes that has nothing: on its idle cell, if nobody
/// pushes there first, or into a cell of its own.</summary>
internal readonly struct OwnerPlace(OwnerCell? cell, PortClaim? top)
{
    internal OwnerCell? Cell { get; } = cell;

    internal PortClaim? Top { get; } = top;

    /// <summary>The name has no cell yet, so that nobody has looked at it.</summary>
    public bool IsNew => Cell is null;
}
