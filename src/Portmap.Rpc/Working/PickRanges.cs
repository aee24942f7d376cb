namespace Portmap.Rpc.Working;

/// <summary>
/// Where a process picks its port: its ranges, and which parts of them the kernel hands out by
/// itself.
/// </summary>
internal sealed class PickRanges
{
    /// <param name="ranges">The ranges, as they were written.</param>
    /// <param name="proc">Where the kernel's files are.</param>
    public PickRanges(IReadOnlyList<PortRange> ranges, string proc = KernelSettings.Proc)
    {
        All = ranges;
        PortRange kernels = EphemeralPorts.Range(proc);
        IReadOnlyList<PortRange> handedOut = kernels.Count == 0 ? [] : [.. Without(kernels, EphemeralPorts.Reserved(proc))];
        Outside = [.. ranges.SelectMany(range => Without(range, handedOut))];
        Overlap = [.. ranges.SelectMany(range => Without(range, Without(range, handedOut)))];
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

    /// <summary>What is left of a range without others, which stand in ascending order.</summary>
    private static IEnumerable<PortRange> Without(PortRange range, IEnumerable<PortRange> others)
    {
        int first = range.First;
        foreach (PortRange other in others)
        {
            if (other.First > first && first <= range.Last)
            {
                yield return new PortRange(first, Math.Min(other.First - 1, range.Last));
            }

            first = Math.Max(first, other.Last + 1);
        }

        if (first <= range.Last)
        {
            yield return new PortRange(first, range.Last);
        }
    }

    public override string ToString() => string.Join(',', All);
}
