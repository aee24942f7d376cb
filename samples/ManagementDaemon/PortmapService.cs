using Microsoft.Extensions.Hosting;
using Portmap.Rpc;

namespace ManagementDaemon;

/// <summary>Runs the wire for as long as the host runs.</summary>
internal sealed class PortmapService(PortmapServer server) : BackgroundService
{
    // Not in ExecuteAsync: an endpoint that is taken must fail the start of the host, and workers start after it.
    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        await server.StartAsync(cancellationToken);
        await base.StartAsync(cancellationToken);
    }

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        await server.StopAsync(cancellationToken);
    }

    // In between the server runs by itself.
    protected override Task ExecuteAsync(CancellationToken stoppingToken) => Task.CompletedTask;
}
