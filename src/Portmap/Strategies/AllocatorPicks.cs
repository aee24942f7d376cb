namespace Portmap.Strategies;

/// <summary>The registry picks, for ports that must be known before the process starts.</summary>
internal sealed class AllocatorPicks : IPortAllocationStrategy
{
    private readonly PortOrder _order;
    private readonly Stripes _tcpPlaces;
    private readonly Stripes _udpPlaces;

    /// <param name="order">What is tried first.</param>
    /// <param name="ports">The ports.</param>
    /// <param name="processors">How many threads pick at once.</param>
    /// <param name="seed">Where the random order begins.</param>
    public AllocatorPicks(PortOrder order, PortPool ports, int processors, ulong seed)
    {
        _order = order;
        _tcpPlaces = Places(order, ports, processors, seed);
        _udpPlaces = Places(order, ports, processors, seed + 1);
    }

    public string Name => PortRegistryOptions.AllocatorPicks;

    public int Pick(PortSearch search)
    {
        if (_order == PortOrder.LowestFree)
        {
            return search.FindFree(1);
        }

        // Who asks for certain ranges has a place there: the one of all ports would be moved far
        // away from where it was.
        PortPool pool = search.Pool!;
        Stripes places = search.Protocol == PortProtocol.Udp ? _udpPlaces : _tcpPlaces;
        ref long place = ref (search.Request.Ports is null ? ref places[places.Current] : ref pool.Place(search.Protocol));

        // A plain read and write: two threads of one processor may begin at the same place, and the
        // table lets one of them have the port.
        long here = Volatile.Read(ref place);
        if (_order == PortOrder.Random)
        {
            ulong mixed = Next((ulong)here);
            Volatile.Write(ref place, (long)mixed);
            return search.FindFree(pool.At((int)(mixed % (ulong)pool.Width)));
        }

        int found = search.FindFree((int)here);
        if (found > 0)
        {
            Volatile.Write(ref place, found + 1);
        }

        return found;
    }

    private static Stripes Places(PortOrder order, PortPool ports, int processors, ulong seed)
    {
        // Next-fit begins at evenly spread places, so that processors do not meet soon.
        Stripes places = new(processors);
        for (int i = 0; i < places.Count; i++)
        {
            places[i] = order == PortOrder.Random ? (long)Next(seed + (ulong)i) : ports.At((int)((long)ports.Width * i / places.Count));
        }

        return places;
    }

    /// <summary>
    /// xorshift64* of Marsaglia and Vigna: every state is met before any repeats.
    /// </summary>
    private static ulong Next(ulong state)
    {
        state = state == 0 ? 0x9E3779B97F4A7C15 : state;
        state ^= state >> 12;
        state ^= state << 25;
        return state ^ (state >> 27);
    }
}
