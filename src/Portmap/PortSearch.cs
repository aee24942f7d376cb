namespace Portmap;

/// <summary>
/// What a strategy is told about one acquisition: the request, and where free ports may be found.
/// </summary>
/// <remarks>
/// Valid only during the call of <see cref="IPortAllocationStrategy.Pick"/> it is given to.
/// <c>default</c> knows no port and finds none.
/// </remarks>
public readonly struct PortSearch
{
    /// <summary>The answer of a strategy that leaves the number to the process: 0.</summary>
    public const int ProcessBrings = 0;

    /// <summary>The answer of a strategy that has no port left to offer: -1.</summary>
    public const int Nothing = -1;

    private readonly IFreePorts? _ports;
    private readonly PortPool? _pool;

    internal PortSearch(IFreePorts ports, PortPool pool, PortRequest request, int attempt, int avoid)
    {
        _ports = ports;
        _pool = pool;
        Request = request;
        Attempt = attempt;
        Avoid = avoid;
    }

    /// <summary>The request.</summary>
    public PortRequest Request { get; }

    /// <summary>The protocol the free ports are of: TCP where the request is for both.</summary>
    public PortProtocol Protocol => Request.Protocol == PortProtocol.Udp ? PortProtocol.Udp : PortProtocol.Tcp;

    /// <summary>How many ports this round has tried before; 0 at first. An acquisition that finds
    /// nothing may begin another round.</summary>
    public int Attempt { get; }

    /// <summary>
    /// The ports that will do: those of <see cref="PortRequest.Ports"/>, or all that may be handed
    /// out.
    /// </summary>
    /// <value>One range or several, in the order they were written; none overlaps another.</value>
    public IReadOnlyList<PortRange> Ports => _pool?.View ?? [];

    /// <summary>The same; null in <c>default</c>.</summary>
    internal PortPool? Pool => _pool;

    private int Avoid { get; }

    /// <summary>Finds a port that may be free, in O(1).</summary>
    /// <remarks>
    /// It is the first of <see cref="Ports"/> at or after a number, wrapping round. Ports that the
    /// kernel never hands out by itself come before the rest.
    /// </remarks>
    /// <param name="from">Where to begin; any number.</param>
    /// <returns>
    /// One of <see cref="Ports"/>, or <see cref="Nothing"/>. It is a hint: the table decides.
    /// </returns>
    public int FindFree(int from) => FindFree(_pool!, from);

    /// <summary>As <see cref="FindFree(int)"/>, of the same ports in another order.</summary>
    internal int FindFree(PortPool pool, int from) => _ports is not null && _ports.FindFree(pool, from, Avoid) is > 0 and int found ? found : Nothing;
}
