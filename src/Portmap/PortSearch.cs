namespace Portmap;

/// <summary>What a strategy is told about one acquisition: the request, and where free ports may be found.</summary>
/// <remarks>Valid only during the call of <see cref="IPortAllocationStrategy.Pick"/> it is given to. <c>default</c> knows no port and finds none.</remarks>
public readonly struct PortSearch
{
    /// <summary>The answer of a strategy that leaves the number to the process: 0.</summary>
    public const int ProcessBrings = 0;

    /// <summary>The answer of a strategy that has no port left to offer: -1.</summary>
    public const int Nothing = -1;

    private readonly Table.PortSpace? _space;

    internal PortSearch(Table.PortSpace space, PortRequest request, PortProtocol protocol, int attempt, int avoid)
    {
        _space = space;
        Request = request;
        Protocol = protocol;
        Attempt = attempt;
        Avoid = avoid;
    }

    /// <summary>The request.</summary>
    public PortRequest Request { get; }

    /// <summary>The protocol the free ports are of: TCP where the request is for both.</summary>
    public PortProtocol Protocol { get; }

    /// <summary>How many ports were tried before in this acquisition; 0 at first.</summary>
    public int Attempt { get; }

    /// <summary>The ports that may be handed out.</summary>
    public PortRange Ports => _space?.Settings.Range ?? default;

    private int Avoid { get; }

    /// <summary>Finds a port that may be free, in O(1): the first at or after a number, wrapping round, and those that the kernel never hands out by itself before the rest.</summary>
    /// <param name="from">Where to begin; any number.</param>
    /// <returns>A port of the range, or <see cref="Nothing"/>. It is a hint: the table decides.</returns>
    public int FindFree(int from)
    {
        if (_space is null)
        {
            return Nothing;
        }

        foreach (PortRange[] tier in _space.Settings.Tiers)
        {
            int found = FindFree(tier, from, 65_535);
            found = found != 0 ? found : FindFree(tier, 1, from - 1);
            if (found != 0)
            {
                return found;
            }
        }

        // The port the owner had before is the last resort of a fresh start.
        return Avoid != 0 && _space.Free.Contains(Avoid) ? Avoid : Nothing;
    }

    private int FindFree(PortRange[] tier, int from, int to)
    {
        foreach (PortRange part in tier)
        {
            int first = Math.Max(from, part.First), last = Math.Min(to, part.Last);
            int found = _space!.Free.Find(first, last);
            if (found != 0 && found == Avoid)
            {
                found = _space.Free.Find(found + 1, last);
            }

            if (found != 0)
            {
                return found;
            }
        }

        return 0;
    }
}
