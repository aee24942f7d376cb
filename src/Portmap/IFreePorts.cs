namespace Portmap;

/// <summary>
/// Where a strategy may find a port to hand out: hints, which the table decides about.
/// </summary>
/// <remarks>Any number of threads ask at once.</remarks>
internal interface IFreePorts
{
    /// <summary>
    /// Finds a port that may be free: the first at or after a number, wrapping round.
    /// </summary>
    /// <param name="pool">The ports that will do.</param>
    /// <param name="from">Where to begin; any number.</param>
    /// <param name="avoid">The port that comes last, or 0.</param>
    /// <returns>One of those ports, or 0.</returns>
    int FindFree(PortPool pool, int from, int avoid);
}
