using Microsoft.Extensions.Logging;
using Portmap.Rpc.Diagnostics;
using Portmap.Rpc.Peers;

namespace Portmap.Rpc.Serving;

/// <summary>What all connections of a server share.</summary>
internal sealed class ServerContext
{
    public ServerContext(PortRegistry registry, PortmapServerOptions options, ILogger logger, TimeProvider timeProvider)
    {
        Registry = registry;
        Limits = ServerLimits.Of(options);
        Trust = new Trust(options);
        Logger = logger;
        Metrics = new RpcMetrics(options.MeterFactory, timeProvider);
        LimitLog = new LimitLog(logger, timeProvider, Limits);
        TimeProvider = timeProvider;
        Snapshots = new SharedSnapshot(registry, timeProvider);
        Listings = new Listings(Snapshots);
        Users = new UserShares(registry, Limits, timeProvider);
    }

    public PortRegistry Registry { get; }

    public ServerLimits Limits { get; }

    public Trust Trust { get; }

    public SharedSnapshot Snapshots { get; }

    public Listings Listings { get; }

    public UserShares Users { get; }

    public ILogger Logger { get; }

    public RpcMetrics Metrics { get; }

    public LimitLog LimitLog { get; }

    public TimeProvider TimeProvider { get; }
}
