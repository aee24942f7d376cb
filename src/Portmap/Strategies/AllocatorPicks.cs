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
        // Who asks for certain ranges has a place there: the one of all ports would be moved far
        // away from where it was.
        PortPool pool = search.Pool!;
        return Pick(new OfSearch(search), pool, ref search.Request.Ports is null ? ref PlaceOf(search.Protocol) : ref pool.Place(search.Protocol));
    }

    /// <summary>As <see cref="Pick(PortSearch)"/>, for a request that asks for no range, without a
    /// search.</summary>
    public int Pick(IFreePorts free, PortPool pool, PortProtocol protocol) => Pick(new OfAll(free, pool), pool, ref PlaceOf(protocol));

    private int Pick<T>(in T search, PortPool pool, ref long place)
        where T : struct, IFinder
    {
        if (_order == PortOrder.LowestFree)
        {
            return search.FindFree(1);
        }

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

    private ref long PlaceOf(PortProtocol protocol)
    {
        Stripes places = protocol == PortProtocol.Udp ? _udpPlaces : _tcpPlaces;
        return ref places[places.Current];
    }

    /// <summary>Where it picks from: a type of its own for each case, so that neither is a
    /// call.</summary>
    private interface IFinder
    {
        int FindFree(int from);
    }

    private readonly struct OfSearch(PortSearch search) : IFinder
    {
        public int FindFree(int from) => search.FindFree(from);
    }

    private readonly struct OfAll(IFreePorts free, PortPool pool) : IFinder
    {
        public int FindFree(int from) => free.FindFree(pool, from, avoid: 0) is > 0 and int found ? found : PortSearch.Nothing;
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
