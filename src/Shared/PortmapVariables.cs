namespace Portmap;

/// <summary>The environment variables by which a daemon tells a worker what it needs.</summary>
/// <remarks>The names and words are API: programs in other languages read them too.</remarks>
internal static class PortmapVariables
{
    public const string Endpoint = "PORTMAP_ENDPOINT";
    public const string Owner = "PORTMAP_OWNER";
    public const string Port = "PORTMAP_PORT";
    public const string Epoch = "PORTMAP_EPOCH";
    public const string Protocol = "PORTMAP_PROTOCOL";
    public const string Range = "PORTMAP_RANGE";
    public const string Exclude = "PORTMAP_EXCLUDE";
    public const string BindAttempts = "PORTMAP_BIND_ATTEMPTS";

    /// <summary>Read by workers; no daemon sets it.</summary>
    public const string Address = "PORTMAP_ADDRESS";

    /// <summary>The trace that the lease is part of, as W3C writes it. Others set and read it
    /// too.</summary>
    public const string TraceParent = "TRACEPARENT";

    // The words of Protocol.
    public const string Tcp = "tcp", Udp = "udp", TcpAndUdp = "tcp+udp";
}
