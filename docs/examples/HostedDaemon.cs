using System.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Portmap;
using Portmap.Hosting;

namespace Examples;

/// <summary>A daemon in a .NET host.</summary>
public static class HostedDaemon
{
    /// <summary>Makes the host; the configuration says the rest.</summary>
    public static IHost Build(string[] args)
    {
        HostApplicationBuilder builder = Host.CreateApplicationBuilder(args);
        builder.Services.AddPortmap().BindConfiguration("Portmap", binder => binder.ErrorOnUnknownConfiguration = true);
        builder.Services.AddPortmapServer().BindConfiguration("PortmapServer", binder => binder.ErrorOnUnknownConfiguration = true);
        builder.Services.AddHostedService<Supervisor>();
        builder.Services.AddHealthChecks().AddPortmap();
        return builder.Build();
    }
}

/// <summary>Keeps a worker running for each owner.</summary>
internal sealed class Supervisor(PortRegistry registry, IHostEnvironment environment) : BackgroundService
{
    private static readonly string[] s_owners = ["web", "api"];

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await registry.WhenSettled.WaitAsync(stoppingToken);   // workers of an earlier run have signed in again, or their time is over
        foreach (string owner in s_owners)
        {
            await EnsureAsync(owner, stoppingToken);
        }
    }

    private async Task<PortEntry> EnsureAsync(string owner, CancellationToken cancellationToken)
    {
        try
        {
            PortLease lease = await registry.AcquireAsync(new PortRequest(owner) { UnlessServed = true }, cancellationToken);
            ProcessStartInfo start = new(Path.Combine(environment.ContentRootPath, "Worker"));
            lease.PrepareStart(start);
            using Process worker = Process.Start(start)!;
            return await lease.WhenBound.WaitAsync(cancellationToken);
        }
        catch (PortRefusedException refused) when (refused.Refusal.Entry is { } living)
        {
            return living;   // the owner is served: there is nothing to start
        }
    }
}
