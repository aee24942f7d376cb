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

    internal PortSearch(IFreePorts ports, PortRequest request, PortProtocol protocol, int attempt, int avoid)
    {
        _ports = ports;
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
    public PortRange Ports => _ports?.Range ?? default;

    private int Avoid { get; }

    /// <summary>Finds a port that may be free, in O(1).</summary>
    /// <remarks>
    /// It is the first at or after a number, wrapping round. Ports that the kernel never hands out
    /// by itself come before the rest.
    /// </remarks>
    /// <param name="from">Where to begin; any number.</param>
    /// <returns>
    /// A port of the range, or <see cref="Nothing"/>. It is a hint: the table decides.
    /// </returns>
    public int FindFree(int from) => _ports is not null && _ports.FindFree(from, Avoid) is > 0 and int found ? found : Nothing;
}
