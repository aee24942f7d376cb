namespace Portmap.Rpc;

/// <summary>No daemon could be reached at an endpoint, or it did not answer in time.</summary>
/// <remarks>
/// Its message says what was waited for and how long. The inner exception is a
/// <see cref="TimeoutException"/> when no answer came in time.
/// </remarks>
#pragma warning disable CA1032 // the standard constructors would make an exception without an endpoint
public sealed class PortmapUnreachableException : IOException
{
    internal PortmapUnreachableException(PortmapEndpoint endpoint, string message, Exception? inner)
        : base(message, inner) => Endpoint = endpoint;

    /// <summary>The endpoint that was tried.</summary>
    public PortmapEndpoint Endpoint { get; }
}
