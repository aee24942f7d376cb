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

    /// <summary>The words of <see cref="Protocol"/>, for messages.</summary>
    public const string ProtocolWords = "tcp, udp or tcp+udp";

    /// <summary>The word for a protocol.</summary>
    public static string WordOf(PortProtocol protocol) => protocol switch
    {
        PortProtocol.Udp => "udp",
        PortProtocol.TcpAndUdp => "tcp+udp",
        _ => "tcp",
    };

    /// <summary>The protocol of a word; null when it is none.</summary>
    public static PortProtocol? ProtocolOf(string word) => word switch
    {
        "tcp" => PortProtocol.Tcp,
        "udp" => PortProtocol.Udp,
        "tcp+udp" => PortProtocol.TcpAndUdp,
        _ => null,
    };
}
