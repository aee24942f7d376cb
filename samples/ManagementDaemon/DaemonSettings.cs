using System.Net;
using ManagementDaemon.PortServer;
using Portmap;
using Portmap.Rpc;

namespace ManagementDaemon;

/// <summary>What the command line decides about a daemon; null leaves the library's
/// default.</summary>
internal sealed record DaemonSettings
{
    public IReadOnlyList<PortmapEndpoint> Endpoints { get; init; } = [];

    public string? Ports { get; init; }

    public string? Strategy { get; init; }

    public DirectoryInfo? Volfiles { get; init; }

    public string? StateFolder { get; init; }

    public PortDurability? Durability { get; init; }

    public PortServerAddress? PortServer { get; init; }

    /// <summary>Where Prometheus reads the meters.</summary>
    public IPEndPoint? Metrics { get; init; }

    /// <summary>How many bricks to keep running.</summary>
    public int Bricks { get; init; }

    /// <summary>The demo tells its story itself and wants to hear of trouble only.</summary>
    public bool Quiet { get; init; }
}
