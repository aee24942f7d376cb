namespace Portmap.Rpc.Working;

/// <summary>
/// Where a process picks its port: its ranges, and which parts of them the kernel hands out by
/// itself.
/// </summary>
internal sealed class PickRanges
{
    public PickRanges(IReadOnlyList<PortRange> ranges)
    {
        All = ranges;
        Overlap = [.. ranges.Select(EphemeralPorts.OverlapWith).Where(part => part.Count != 0)];
        Outside = [.. ranges.SelectMany(OutsideOf)];
    }

    /// <summary>The ranges, as they were written.</summary>
    public IReadOnlyList<PortRange> All { get; }

    /// <summary>The parts that the kernel also hands out to others.</summary>
    public IReadOnlyList<PortRange> Overlap { get; }

    /// <summary>The parts that it never hands out.</summary>
    public IReadOnlyList<PortRange> Outside { get; }

    /// <summary>Every port of it.</summary>
    public IEnumerable<int> Ports => All.SelectMany(range => Enumerable.Range(range.First, range.Count));

    public static int Count(IReadOnlyList<PortRange> ranges) => ranges.Sum(range => range.Count);

    /// <summary>The port that has a place among those of some ranges, counted from 0.</summary>
    public static int At(IReadOnlyList<PortRange> ranges, int index) => RangeAt(ranges, ref index).First + index;

    /// <summary>The range in which that port lies; larger ones are met more often.</summary>
    /// <param name="ranges">The ranges.</param>
    /// <param name="index">The place; it becomes the one within the range.</param>
    public static PortRange RangeAt(IReadOnlyList<PortRange> ranges, ref int index)
    {
        int at = 0;
        while (index >= ranges[at].Count)
        {
            index -= ranges[at++].Count;
        }

        return ranges[at];
    }

    public override string ToString() => string.Join(',', All);

    private static IEnumerable<PortRange> OutsideOf(PortRange range)
    {
        PortRange overlap = EphemeralPorts.OverlapWith(range);
        if (overlap.Count == 0)
        {
            yield return range;
            yield break;
        }

        if (range.First < overlap.First)
        {
            yield return new PortRange(range.First, overlap.First - 1);
        }

        if (range.Last > overlap.Last)
        {
            yield return new PortRange(overlap.Last + 1, range.Last);
        }
    }
}
