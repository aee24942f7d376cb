namespace Portmap;

/// <summary>The environment variables by which a daemon tells a worker what it needs.</summary>
/// <remarks>The names and words are API: programs in other languages read them too.</remarks>
internal static class PortmapVariables
{
    public const string Prefix = "PORTMAP_";
    public const string Endpoint = "PORTMAP_ENDPOINT";
    public const string Owner = "PORTMAP_OWNER";
    public const string Port = "PORTMAP_PORT";
    public const string Epoch = "PORTMAP_EPOCH";
    public const string Protocol = "PORTMAP_PROTOCOL";
    public const string Range = "PORTMAP_RANGE";
    public const string Exclude = "PORTMAP_EXCLUDE";
    public const string BindAttempts = "PORTMAP_BIND_ATTEMPTS";

    public const string FleetEpoch = "PORTMAP_FLEET_EPOCH";

    /// <summary>Read by workers; no daemon sets it.</summary>
    public const string Address = "PORTMAP_ADDRESS";

    /// <summary>The trace that the lease is part of, as W3C writes it. Others set and read it
    /// too.</summary>
    public const string TraceParent = "TRACEPARENT";

    // The words of Protocol.
    public const string Tcp = "tcp", Udp = "udp", TcpAndUdp = "tcp+udp";

    /// <summary>The longest name of a port.</summary>
    public const int MaxNameLength = 64;

    /// <summary>The variable for one port of several: PORTMAP_HTTP_PORT for the port
    /// "http".</summary>
    /// <param name="variable">One of those above.</param>
    /// <param name="name">The name of the port; null leaves the variable as it is.</param>
    public static string Of(string variable, string? name) => name is null ? variable : $"{Prefix}{name.ToUpperInvariant()}_{variable[Prefix.Length..]}";

    /// <exception cref="ArgumentException">The name cannot stand in a variable, or makes another one
    /// of it.</exception>
    public static void CheckName(string? name, string parameter)
    {
        bool isName = name is null
            || (name.Length is > 0 and <= MaxNameLength && char.IsAsciiLetter(name[0]) && name.All(c => char.IsAsciiLetterOrDigit(c) || c == '_'));
        if (!isName)
        {
            throw new ArgumentException(
                $"'{name}' cannot name a port: the name becomes part of a variable ({Of(Port, "http")}). Choose a letter and then letters, digits or '_', at most {MaxNameLength} in all.",
                parameter);
        }

        // PORTMAP_FLEET_EPOCH is the epoch of the port "fleet" and the fleet epoch of the one
        // without a name.
        if (name is not null && $"_{name}".EndsWith("_fleet", StringComparison.OrdinalIgnoreCase))
        {
            throw new ArgumentException(
                $"'{name}' cannot name a port: its {Of(Epoch, name)} would be the fleet epoch of another port. Choose a name that is not 'fleet' and does not end in '_fleet'.",
                parameter);
        }
    }
}
