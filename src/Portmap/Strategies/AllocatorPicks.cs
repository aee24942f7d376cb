using System.Runtime.CompilerServices;

namespace Portmap.Strategies;

/// <summary>The registry picks, for ports that must be known before the process starts.</summary>
/// <remarks>Next-fit goes round in a share of the ports for each processor, and leaves it when it
/// is full. So two processors seldom write the same slots and bits, and what each reads of the
/// claims that had its ports before is in its own cache.</remarks>
internal sealed class AllocatorPicks : IPortAllocationStrategy
{
    private readonly PortOrder _order;
    private readonly PortPool _ports;
    private readonly PortPool[] _shared;   // the same in the order of each processor
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
        _ports = ports;
        _shared = [.. Enumerable.Range(0, _tcpPlaces.Count).Select(share => order == PortOrder.NextFit ? ports.Shared(share, _tcpPlaces.Count) : ports)];
    }

    public string Name => PortRegistryOptions.AllocatorPicks;

    public int Pick(PortSearch search)
    {
        Stripes places = PlacesOf(search.Protocol);
        int share = places.Current;
        if (search.Request.Ports is not null)
        {
            // Who asks for certain ranges has a place there: the one of all ports would be moved
            // far away from where it was.
            PortPool asked = search.Pool!;
            return Pick(new OfSearch(search, asked), asked, ref _order == PortOrder.Random ? ref places[share] : ref asked.Place(search.Protocol));
        }

        return Pick(new OfSearch(search, _shared[share]), _ports, ref places[share]);
    }

    /// <summary>As <see cref="Pick(PortSearch)"/>, for a request that asks for no range, without a
    /// search.</summary>
    /// <param name="free">Where free ports may be found.</param>
    /// <param name="protocol">The protocol.</param>
    /// <param name="avoid">The port that comes last, or 0.</param>
    public int Pick(IFreePorts free, PortProtocol protocol, int avoid)
    {
        Stripes places = PlacesOf(protocol);
        int share = places.Current;
        PortPool pool = avoid == 0 ? _shared[share] : _ports;   // there may be no other port, and then it is looked for once and not twice
        return Pick(new OfAll(free, pool, avoid), _ports, ref places[share]);
    }

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
            return FindRandom(search, pool, mixed);
        }

        int found = search.FindFree((int)here);
        if (found > 0)
        {
            Volatile.Write(ref place, found + 1);
        }

        return found;
    }

    /// <summary>From a random port of the first tier on, and of the next one where that is full: a
    /// port of another tier would mostly lead to the first port of this one.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]   // few draw at random; by value, for the address of what most search with would keep it out of registers
    private static int FindRandom<T>(T search, PortPool pool, ulong number)
        where T : struct, IFinder
    {
        int found = PortSearch.Nothing;
        foreach (PortRange[] tier in pool.Tiers)
        {
            found = search.FindFree(PortPool.At(tier, (int)(number % (ulong)PortPool.WidthOf(tier))));
            if (found <= 0 || PortPool.Contains(tier, found))
            {
                break;
            }
        }

        return found;
    }

    private Stripes PlacesOf(PortProtocol protocol) => protocol == PortProtocol.Udp ? _udpPlaces : _tcpPlaces;

    /// <summary>Where it picks from: a type of its own for each case, so that neither is a
    /// call.</summary>
    private interface IFinder
    {
        int FindFree(int from);
    }

    private readonly struct OfSearch(PortSearch search, PortPool pool) : IFinder
    {
        public int FindFree(int from) => search.FindFree(pool, from);
    }

    private readonly struct OfAll(IFreePorts free, PortPool pool, int avoid) : IFinder
    {
        public int FindFree(int from) => free.FindFree(pool, from, avoid) is > 0 and int found ? found : PortSearch.Nothing;
    }

    private static Stripes Places(PortOrder order, PortPool ports, int processors, ulong seed)
    {
        // Next-fit begins at evenly spread places, also where the ports are too few for shares.
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
