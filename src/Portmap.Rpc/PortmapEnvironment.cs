namespace Portmap.Rpc;

/// <summary>
/// What <see cref="PortLease.PrepareStart"/> has told this process in its environment.
/// </summary>
internal static class PortmapEnvironment
{
    private const string OwnerSuffix = "_OWNER";
    private const int LongestOther = 13;   // PORTMAP_OWNER, whose two parts overlap

    /// <summary>Where the daemon is, as far as this process was told.</summary>
    /// <exception cref="FormatException">PORTMAP_ENDPOINT is not an endpoint.</exception>
    public static PortmapEndpoint Endpoint =>
        Get(PortmapVariables.Endpoint) is { } text
            ? ParseEndpoint(text, PortmapVariables.Endpoint)
            : PortmapEndpoint.Default;

    /// <summary>The names of the ports that this process was told of.</summary>
    public static IReadOnlyList<string> PortNames =>
    [
        .. Environment.GetEnvironmentVariables().Keys.Cast<string>()
            .Where(variable => variable.Length > LongestOther
                && variable.StartsWith(PortmapVariables.Prefix, StringComparison.Ordinal) && variable.EndsWith(OwnerSuffix, StringComparison.Ordinal))
            .Select(variable => variable[PortmapVariables.Prefix.Length..^OwnerSuffix.Length].ToLowerInvariant())
            .Order(StringComparer.Ordinal),
    ];

    /// <summary>A variable that is set to nothing counts as not set.</summary>
    public static string? Get(string name) =>
        Environment.GetEnvironmentVariable(name) is { Length: > 0 } value ? value : null;

    public static PortmapEndpoint ParseEndpoint(string text, string source) =>
        PortmapEndpoint.TryParse(text, out PortmapEndpoint? endpoint, out string? complaint)
            ? endpoint
            : throw new FormatException($"{source}: {complaint}");
}
