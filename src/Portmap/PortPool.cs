namespace Portmap;

/// <summary>The ports that an acquisition may be given: all that are handed out, or those of the
/// ranges it asks for.</summary>
/// <remarks>
/// Which ports do not change. The places are hints that any number of threads write.
/// </remarks>
internal sealed class PortPool
{
    /// <summary>A share is no smaller: a number that is given back at once comes round
    /// late.</summary>
    private const int LeastShare = 256;

    private readonly long[] _places = new long[2];

    /// <param name="ranges">The ranges, of which none overlaps another.</param>
    /// <param name="tiers">Parts of them, those to begin with first; each tier ascends.</param>
    /// <param name="handsOut">Whether a port of them is handed out.</param>
    public PortPool(PortRange[] ranges, PortRange[][] tiers, Func<int, bool> handsOut)
    {
        Ranges = ranges;
        View = Array.AsReadOnly(ranges);
        Tiers = Array.FindAll(tiers, tier => tier.Length != 0);
        First = Tiers is [[var first, ..], ..] ? first : default;
        Text = string.Join(',', ranges);
        Span = new PortRange(ranges.Min(range => range.First), ranges.Max(range => range.Last));
        Width = WidthOf(ranges);
        Count = ranges.Sum(range => Enumerable.Range(range.First, range.Count).Count(handsOut));
    }

    private PortPool(PortPool all, PortRange[][] tiers)
    {
        Ranges = all.Ranges;
        View = all.View;
        Tiers = tiers;
        First = tiers is [[var first, ..], ..] ? first : default;
        Text = all.Text;
        Span = all.Span;
        Width = all.Width;
        Count = all.Count;
    }

    /// <summary>The ranges, in the order they were written.</summary>
    public PortRange[] Ranges { get; }

    /// <summary>The same, for others to read.</summary>
    public IReadOnlyList<PortRange> View { get; }

    /// <summary>The ports of the ranges that the kernel never hands out by itself, then the others;
    /// each in ascending order, empty ones left out.</summary>
    public PortRange[][] Tiers { get; }

    /// <summary>Where a search begins: of each tier the first part comes first.</summary>
    public PortRange First { get; }

    /// <summary>The ranges as <see cref="PortRange.ParseList(string)"/> reads them.</summary>
    public string Text { get; }

    /// <summary>From the lowest of the ports to the highest.</summary>
    public PortRange Span { get; }

    /// <summary>How many ports the ranges hold, excluded ones among them.</summary>
    public int Width { get; }

    /// <summary>How many of them are handed out.</summary>
    public int Count { get; }

    /// <summary>Those of it that lie in some ranges.</summary>
    public PortPool Within(PortRange[] ranges, Func<int, bool> handsOut)
    {
        PortRange[] ascending = [.. ranges.OrderBy(range => range.First)];
        return new PortPool(
            ranges,
            Array.ConvertAll(Tiers, tier => tier.SelectMany(part => ascending.Select(part.Intersect)).Where(part => part.Count != 0).ToArray()),
            handsOut);
    }

    /// <summary>The same ports, for one of several who each begin somewhere else: of each tier a
    /// share first, then all of it.</summary>
    /// <param name="share">Which one, from 0.</param>
    /// <param name="shares">Of how many; small ranges are cut into fewer.</param>
    public PortPool Shared(int share, int shares) =>
        new(this, [.. Tiers.SelectMany(tier => (PortRange[][])[Array.ConvertAll(tier, part => ShareOf(part, share, shares)), tier])]);

    public bool Contains(int port) => Contains(Ranges, port);

    /// <summary>Whether a port is in one of some ranges.</summary>
    public static bool Contains(PortRange[] ranges, int port)
    {
        foreach (PortRange range in ranges)
        {
            if (range.Contains(port))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>64 ports from one on, a bit for each that is of the ranges.</summary>
    public ulong Window(int from)
    {
        ulong window = 0;
        foreach (PortRange range in Ranges)
        {
            int first = Math.Max(range.First - from, 0), end = Math.Min(range.Last - from + 1, 64);
            window |= first < end ? (ulong.MaxValue >> (64 - (end - first))) << first : 0;
        }

        return window;
    }

    /// <summary>The port that has a place in the order the ranges were written in, counted from
    /// 0.</summary>
    public int At(int index) => At(Ranges, index);

    /// <summary>The port that has a place in some ranges, counted from 0; past them the last
    /// one.</summary>
    public static int At(PortRange[] ranges, int index)
    {
        foreach (PortRange range in ranges)
        {
            if (index < range.Count)
            {
                return range.First + index;
            }

            index -= range.Count;
        }

        return ranges[^1].Last;
    }

    /// <summary>How many ports some ranges hold.</summary>
    public static int WidthOf(PortRange[] ranges)
    {
        int width = 0;
        foreach (PortRange range in ranges)
        {
            width += range.Count;
        }

        return width;
    }

    /// <summary>Where the next search of these ports begins, for a strategy that goes on from its
    /// last one.</summary>
    public ref long Place(PortProtocol protocol) => ref _places[protocol == PortProtocol.Udp ? 1 : 0];

    private static PortRange ShareOf(PortRange part, int share, int shares)
    {
        shares = Math.Clamp(part.Count / LeastShare, 1, shares);
        share %= shares;
        return new PortRange(part.First + (int)((long)part.Count * share / shares), part.First + (int)((long)part.Count * (share + 1) / shares) - 1);
    }
}
