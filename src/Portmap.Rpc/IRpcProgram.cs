namespace Portmap.Rpc;

/// <summary>
/// A program of the host's own that a <see cref="PortmapServer"/> serves beside the built-in ones.
/// </summary>
/// <remarks>
/// Duties of an implementer: any number of connections call at once; calls of one connection come
/// one after the other, and the next one waits until the answer is written, so a call should not
/// take long. Procedure 0 is answered by the server and never arrives here.
/// </remarks>
public interface IRpcProgram
{
    /// <summary>The program number (RFC 5531 §8.2). Constant.</summary>
    uint Number { get; }

    /// <summary>The version. Constant.</summary>
    uint Version { get; }

    /// <summary>
    /// The name by which GF-DUMP lists it. Constant; clients of GlusterFS compare numbers, people
    /// read names.
    /// </summary>
    string Name { get; }

    /// <summary>
    /// Answers one call: reads the arguments from it in order, then writes the results to it in
    /// order.
    /// </summary>
    /// <param name="request">
    /// The call; it is used again for the next one and must not be kept.
    /// </param>
    /// <param name="cancellationToken">
    /// Fires when the connection has ended and nobody waits for the answer: the server stops, or
    /// within a second of a caller over a Unix socket that has closed it (Linux). A caller over TCP
    /// that has gone looks like one that has said its last and waits, so it is not seen before the
    /// answer: bound what you wait for by a time of your own.
    /// </param>
    /// <returns>Whether there is such a procedure; false is answered as PROC_UNAVAIL.</returns>
    /// <exception cref="InvalidDataException">
    /// The arguments are malformed: answered as GARBAGE_ARGS. <see cref="RpcCall"/> throws it by
    /// itself. Any other exception is logged and answered as SYSTEM_ERR.
    /// </exception>
    ValueTask<bool> InvokeAsync(RpcCall request, CancellationToken cancellationToken);
}
