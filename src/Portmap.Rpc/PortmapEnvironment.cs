namespace Portmap.Rpc;

/// <summary>The environment variables by which <see cref="PortLease.PrepareStart"/> tells a worker what it needs.</summary>
internal static class PortmapEnvironment
{
    public const string EndpointName = "PORTMAP_ENDPOINT";
    public const string OwnerName = "PORTMAP_OWNER";
    public const string PortName = "PORTMAP_PORT";
    public const string EpochName = "PORTMAP_EPOCH";
    public const string ProtocolName = "PORTMAP_PROTOCOL";
    public const string RangeName = "PORTMAP_RANGE";
    public const string ExcludeName = "PORTMAP_EXCLUDE";
    public const string BindAttemptsName = "PORTMAP_BIND_ATTEMPTS";
    public const string AddressName = "PORTMAP_ADDRESS";

    /// <summary>Where the daemon is, as far as this process was told.</summary>
    /// <exception cref="FormatException">PORTMAP_ENDPOINT is not an endpoint.</exception>
    public static PortmapEndpoint Endpoint => Get(EndpointName) is { } text ? ParseEndpoint(text, EndpointName) : PortmapEndpoint.Default;

    /// <summary>A variable that is set to nothing counts as not set.</summary>
    public static string? Get(string name) => Environment.GetEnvironmentVariable(name) is { Length: > 0 } value ? value : null;

    public static PortmapEndpoint ParseEndpoint(string text, string source) =>
        PortmapEndpoint.TryParse(text, out PortmapEndpoint? endpoint, out string? complaint) ? endpoint : throw new FormatException($"{source}: {complaint}");
}
