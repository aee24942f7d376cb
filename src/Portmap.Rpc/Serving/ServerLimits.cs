using System.Globalization;

namespace Portmap.Rpc.Serving;

/// <summary>
/// The limits of <see cref="PortmapServerOptions"/>, checked, as they were when the server was
/// made.
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

    /// <exception cref="ArgumentOutOfRangeException">A value is outside its bounds; the message
    /// names both.</exception>
    public static ServerLimits Of(PortmapServerOptions options)
    {
        ServerLimits limits = Checked(options);
        return limits with { ConnectionsKept = Math.Min(limits.ConnectionsKept, limits.Connections / 4) };
    }

    private static ServerLimits Checked(PortmapServerOptions options) => new()
    {
        RecordBytes = InBounds(nameof(options.MaxRecordBytes), options.MaxRecordBytes, 16_384, 16 * Million),
        Record = InBounds(nameof(options.RecordTimeout), options.RecordTimeout, s_shortest, TimeSpan.FromHours(1)),
        Idle = options.IdleTimeout == Timeout.InfiniteTimeSpan
            ? options.IdleTimeout
            : InBounds(nameof(options.IdleTimeout), options.IdleTimeout, s_shortest, TimeSpan.FromHours(24)),
        Connections = Descriptors.Allow(InBounds(nameof(options.MaxConnections), options.MaxConnections, 1, Million)),
        ConnectionsPerPeer = InBounds(nameof(options.MaxConnectionsPerPeer), options.MaxConnectionsPerPeer, 1, Million),
        PendingRequests = InBounds(nameof(options.MaxPendingRequests), options.MaxPendingRequests, 1, 65_536),
        OwnersPerSession = InBounds(nameof(options.MaxOwnersPerSession), options.MaxOwnersPerSession, 1, Million),
        OwnersPerUser = InBounds(nameof(options.MaxOwnersPerUser), options.MaxOwnersPerUser, 1, Million),
        PortsPerUser = InBounds(nameof(options.MaxPortsPerUser), options.MaxPortsPerUser, 1, 131_072),
        ConnectionsKept = InBounds(nameof(options.KeptConnections), options.KeptConnections, 0, Million),
        Wait = InBounds(nameof(options.MaxWait), options.MaxWait, TimeSpan.Zero, TimeSpan.FromHours(1)),
    };

    private static T InBounds<T>(string name, T value, T least, T most)
        where T : IComparable<T> =>
        value.CompareTo(least) >= 0 && value.CompareTo(most) <= 0
            ? value
            : throw new ArgumentOutOfRangeException(nameof(value), string.Create(CultureInfo.InvariantCulture, $"{name} is {value} and must be {least} to {most}.{(value is TimeSpan time ? TimeHint.Of(time) : string.Empty)}"));
}
