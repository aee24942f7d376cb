namespace Portmap;

/// <summary>
/// Where a strategy may find a port to hand out: hints, which the table decides about.
/// </summary>
/// <remarks>Any number of threads ask at once.</remarks>
internal interface IFreePorts
{
    /// <summary>The ports that may be handed out.</summary>
    PortRange Range { get; }

    /// <summary>
    /// Finds a port that may be free: the first at or after a number, wrapping round.
    /// </summary>
    /// <param name="from">Where to begin; any number.</param>
    /// <param name="avoid">The port that comes last, or 0.</param>
    /// <returns>A port of the range, or 0.</returns>
    int FindFree(int from, int avoid);
}
