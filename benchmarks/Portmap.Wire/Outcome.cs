namespace Portmap.Wire;

/// <summary>What both servers showed in one discipline; glusterd's list is empty where it is not
/// installed.</summary>
internal sealed record Outcome(IReadOnlyList<Figure> Ours, IReadOnlyList<Figure> Glusterds);
