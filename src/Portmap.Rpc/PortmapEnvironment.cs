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

    /// <summary>The ports that this process was told of, the one without a name first.</summary>
    public static IReadOnlyList<PreparedPort> PreparedPorts =>
    [
        .. Environment.GetEnvironmentVariables().Keys.Cast<string>()
            .Where(IsOwner)
            .Select(variable => (Variable: variable, Owner: Get(variable)))
            .Where(one => one.Owner is not null)
            .Select(one => new PreparedPort(NameIn(one.Variable), one.Owner!))
            .OrderBy(port => port.Name, StringComparer.Ordinal),
    ];

    /// <summary>How a message names one port of a process.</summary>
    public static string Said(string? name) => name is null ? "the port without a name" : $"'{name}'";

    /// <summary>A variable that is set to nothing counts as not set.</summary>
    public static string? Get(string name) =>
        Environment.GetEnvironmentVariable(name) is { Length: > 0 } value ? value : null;

    public static PortmapEndpoint ParseEndpoint(string text, string source) =>
        PortmapEndpoint.TryParse(text, out PortmapEndpoint? endpoint, out string? complaint)
            ? endpoint
            : throw new FormatException($"{source}: {complaint}");

    private static bool IsOwner(string variable) =>
        variable == PortmapVariables.Owner
        || (variable.Length > LongestOther
            && variable.StartsWith(PortmapVariables.Prefix, StringComparison.Ordinal) && variable.EndsWith(OwnerSuffix, StringComparison.Ordinal));

    private static string? NameIn(string variable) =>
        variable == PortmapVariables.Owner ? null : variable[PortmapVariables.Prefix.Length..^OwnerSuffix.Length].ToLowerInvariant();
}

/// <summary>A port that the daemon prepared for this process.</summary>
/// <param name="Name">Its name; null is the one without.</param>
/// <param name="Owner">Its owner.</param>
internal readonly record struct PreparedPort(string? Name, string Owner);
