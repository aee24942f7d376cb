namespace Portmap;

/// <summary>
/// Which free port the <c>AllocatorPicks</c> strategy tries first. All orders find a port in O(1)
/// and reach every port of the range.
/// </summary>
public enum PortOrder
{
    /// <summary>
    /// The next free one after the last one picked on this core; a number comes round late. Each
    /// core begins in a part of the range of its own, where that is large enough. The default.
    /// </summary>
    NextFit = 0,

    /// <summary>
    /// From a random place on: of the ports that the kernel never hands out by itself, then of the
    /// others. Hard to predict from outside.
    /// </summary>
    Random = 1,

    /// <summary>The lowest one; keeps the used part of the range small, for firewalls.</summary>
    LowestFree = 2,
}
