namespace Portmap.Table;

/// <summary>How many ports of the range are in which state. Counted one by one, so only
/// approximately of one moment.</summary>
internal readonly record struct PortCounts(int Reserved, int Bound, int Cooling, int Foreign);
