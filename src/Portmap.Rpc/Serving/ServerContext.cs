using Microsoft.Extensions.Logging;
using Portmap.Rpc.Programs;

namespace Portmap.Rpc.Serving;

/// <summary>What all connections of a server share.</summary>
internal sealed class ServerContext
{
    private ServerContext(PortRegistry registry, ServerLimits limits, ILogger logger, TimeProvider timeProvider)
    {
        Registry = registry;
        Limits = limits;
        Logger = logger;
        TimeProvider = timeProvider;
        Programs = new ProgramTable([]);
    }

    public PortRegistry Registry { get; }

    public ServerLimits Limits { get; }

    public ILogger Logger { get; }

    public TimeProvider TimeProvider { get; }

    public ProgramTable Programs { get; private set; }

    public static ServerContext Create(PortRegistry registry, PortmapServerOptions options, ILogger logger, TimeProvider timeProvider)
    {
        var context = new ServerContext(registry, ServerLimits.Of(options), logger, timeProvider);
        context.Programs = new ProgramTable([new PortmapProgram(context), new GlusterPortmapProgram(registry, logger), new GfDumpProgram(), .. options.Programs]);
        return context;
    }
}
