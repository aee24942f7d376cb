using Microsoft.Extensions.Logging;
using Portmap.Rpc.Diagnostics;
using Portmap.Rpc.Programs;

namespace Portmap.Rpc.Serving;

/// <summary>What all connections of a server share.</summary>
internal sealed class ServerContext
{
    private ServerContext(PortRegistry registry, PortmapServerOptions options, ILogger logger, TimeProvider timeProvider)
    {
        Registry = registry;
        Limits = ServerLimits.Of(options);
        Trust = new Trust(options);
        Logger = logger;
        LimitLog = new LimitLog(logger, timeProvider, Limits);
        TimeProvider = timeProvider;
        Snapshots = new SharedSnapshot(registry, timeProvider);
        Listings = new Listings(Snapshots);
        Users = new UserShares(registry, Limits, timeProvider);
        Programs = new ProgramTable([]);
    }

    public PortRegistry Registry { get; }

    public ServerLimits Limits { get; }

    public Trust Trust { get; }

    public SharedSnapshot Snapshots { get; }

    public Listings Listings { get; }

    public UserShares Users { get; }

    public ILogger Logger { get; }

    public LimitLog LimitLog { get; }

    public TimeProvider TimeProvider { get; }

    public ProgramTable Programs { get; private set; }

    public static ServerContext Create(PortRegistry registry, PortmapServerOptions options, ILogger logger, TimeProvider timeProvider)
    {
        var context = new ServerContext(registry, options, logger, timeProvider);
        context.Programs = new ProgramTable([new PortmapProgram(context), new GlusterPortmapProgram(registry, logger), new GfDumpProgram(), .. options.Programs]);
        return context;
    }
}
