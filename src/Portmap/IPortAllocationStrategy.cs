namespace Portmap;

/// <summary>
/// Decides who picks a port and when its number becomes a claim: the registry at acquisition, or
/// the process when it registers.
/// </summary>
/// <remarks>
/// <para>Whatever a strategy returns, the table decides: a number that is taken, excluded, outside
/// the range or held by a stranger is not handed out, and <see cref="Pick"/> is called again, a
/// bounded number of times.</para>
/// <para>Duties of an implementer: any number of threads call at once; a call must not block, take
/// a lock, throw, or touch the operating system; every port of the range is returned sooner or
/// later while it is free; the answer does not depend on calls of other searches being
/// finished.</para>
/// </remarks>
public interface IPortAllocationStrategy
{
    /// <summary>
    /// The name by which options, requests and entries speak of it. Constant, compared byte by
    /// byte, 1 to 4,096 bytes of well-formed UTF-8: it stands in every fact of its claims. Read
    /// once, when the registry is made.
    /// </summary>
    string Name { get; }

    /// <summary>Names the next port to try for one acquisition.</summary>
    /// <param name="search">The acquisition and what is known about free ports.</param>
    /// <returns>
    /// A port, 0 (<see cref="PortSearch.ProcessBrings"/>) when the process picks its own, or -1
    /// (<see cref="PortSearch.Nothing"/>) when there is none left.
    /// </returns>
    int Pick(PortSearch search);
}
