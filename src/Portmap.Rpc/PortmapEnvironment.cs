namespace Portmap.Rpc;

/// <summary>
/// What <see cref="PortLease.PrepareStart"/> has told this process in its environment.
/// </summary>
internal static class PortmapEnvironment
{
    /// <summary>Where the daemon is, as far as this process was told.</summary>
    /// <exception cref="FormatException">PORTMAP_ENDPOINT is not an endpoint.</exception>
    public static PortmapEndpoint Endpoint =>
        Get(PortmapVariables.Endpoint) is { } text
            ? ParseEndpoint(text, PortmapVariables.Endpoint)
            : PortmapEndpoint.Default;

    /// <summary>A variable that is set to nothing counts as not set.</summary>
    public static string? Get(string name) =>
        Environment.GetEnvironmentVariable(name) is { Length: > 0 } value ? value : null;

    public static PortmapEndpoint ParseEndpoint(string text, string source) =>
        PortmapEndpoint.TryParse(text, out PortmapEndpoint? endpoint, out string? complaint)
            ? endpoint
            : throw new FormatException($"{source}: {complaint}");
}
