using System.Globalization;

namespace Portmap.Rpc.Serving;

/// <summary>The limits of <see cref="PortmapServerOptions"/>, checked, as they were when the server was made.</summary>
internal sealed record ServerLimits(int RecordBytes, int Connections, int PendingRequests, int OwnersPerSession, TimeSpan Wait)
{
    private const int Million = 1_048_576;

    /// <exception cref="ArgumentOutOfRangeException">A value leaves its bounds; the message names both.</exception>
    public static ServerLimits Of(PortmapServerOptions options) => new(
        InBounds(nameof(options.MaxRecordBytes), options.MaxRecordBytes, 16_384, 16 * Million),
        InBounds(nameof(options.MaxConnections), options.MaxConnections, 1, Million),
        InBounds(nameof(options.MaxPendingRequests), options.MaxPendingRequests, 1, 65_536),
        InBounds(nameof(options.MaxOwnersPerSession), options.MaxOwnersPerSession, 1, Million),
        options.MaxWait >= TimeSpan.Zero && options.MaxWait <= TimeSpan.FromHours(1)
            ? options.MaxWait
            : throw new ArgumentOutOfRangeException(nameof(options), $"MaxWait is {options.MaxWait} and must be 0 to 1 hour."));

    private static int InBounds(string name, int value, int least, int most) =>
        value >= least && value <= most
            ? value
            : throw new ArgumentOutOfRangeException(nameof(value), string.Create(CultureInfo.InvariantCulture, $"{name} is {value} and must be {least} to {most}."));
}
