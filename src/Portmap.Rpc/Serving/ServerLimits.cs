using System.Globalization;

namespace Portmap.Rpc.Serving;

/// <summary>
/// The limits of <see cref="PortmapServerOptions"/>, as they were when the server was made.
/// </summary>
internal sealed record ServerLimits
{
    private const int Million = 1_048_576;

    private static readonly TimeSpan s_shortest = TimeSpan.FromMilliseconds(100);

    public required int RecordBytes { get; init; }

    public required TimeSpan Record { get; init; }

    public required TimeSpan Idle { get; init; }

    /// <summary>The option, and never more than the descriptors have room for.</summary>
    public required int Connections { get; init; }

    public required int ConnectionsPerPeer { get; init; }

    public required int PendingRequests { get; init; }

    public required int OwnersPerSession { get; init; }

    public required int OwnersPerUser { get; init; }

    public required int PortsPerUser { get; init; }

    /// <summary>
    /// How many connections are kept for root and the daemon's user, and as many again from TCP for
    /// Unix sockets: never more than a quarter of all.
    /// </summary>
    public required int ConnectionsKept { get; init; }

    public required TimeSpan Wait { get; init; }

    /// <summary>Which values are outside their bounds; each complaint names the value and
    /// both.</summary>
    public static List<string> Complaints(PortmapServerOptions options)
    {
        List<string> wrong = [];
        _ = Read(options, wrong);
        return wrong;
    }

    /// <summary>The limits of options about which there are no
    /// <see cref="Complaints"/>.</summary>
    public static ServerLimits Of(PortmapServerOptions options)
    {
        ServerLimits limits = Read(options, []);
        return limits with { ConnectionsKept = Math.Min(limits.ConnectionsKept, limits.Connections / 4) };
    }

    private static ServerLimits Read(PortmapServerOptions options, List<string> wrong) => new()
    {
        RecordBytes = InBounds(wrong, nameof(options.MaxRecordBytes), options.MaxRecordBytes, 16_384, 16 * Million),
        Record = InBounds(wrong, nameof(options.RecordTimeout), options.RecordTimeout, s_shortest, TimeSpan.FromHours(1)),
        Idle = options.IdleTimeout == Timeout.InfiniteTimeSpan
            ? options.IdleTimeout
            : InBounds(wrong, nameof(options.IdleTimeout), options.IdleTimeout, s_shortest, TimeSpan.FromHours(24)),
        Connections = Descriptors.Allow(InBounds(wrong, nameof(options.MaxConnections), options.MaxConnections, 1, Million)),
        ConnectionsPerPeer = InBounds(wrong, nameof(options.MaxConnectionsPerPeer), options.MaxConnectionsPerPeer, 1, Million),
        PendingRequests = InBounds(wrong, nameof(options.MaxPendingRequests), options.MaxPendingRequests, 1, 65_536),
        OwnersPerSession = InBounds(wrong, nameof(options.MaxOwnersPerSession), options.MaxOwnersPerSession, 1, Million),
        OwnersPerUser = InBounds(wrong, nameof(options.MaxOwnersPerUser), options.MaxOwnersPerUser, 1, Million),
        PortsPerUser = InBounds(wrong, nameof(options.MaxPortsPerUser), options.MaxPortsPerUser, 1, 131_072),
        ConnectionsKept = InBounds(wrong, nameof(options.KeptConnections), options.KeptConnections, 0, Million),
        Wait = InBounds(wrong, nameof(options.MaxWait), options.MaxWait, TimeSpan.Zero, TimeSpan.FromHours(1)),
    };

    private static T InBounds<T>(List<string> wrong, string name, T value, T least, T most)
        where T : IComparable<T>
    {
        if (value.CompareTo(least) < 0 || value.CompareTo(most) > 0)
        {
            wrong.Add(string.Create(CultureInfo.InvariantCulture, $"{name} is {value} and must be {least} to {most}.{(value is TimeSpan time ? TimeHint.Of(time) : string.Empty)}"));
        }

        return value;
    }
}
