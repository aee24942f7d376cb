using System.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
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
internal sealed class Supervisor(PortRegistry registry, IHostEnvironment environment, ILogger<Supervisor> logger) : BackgroundService
{
    private static readonly string[] s_owners = ["web", "api"];

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await registry.WhenSettled.WaitAsync(stoppingToken);   // living workers of an earlier run have signed in again
        await Task.WhenAll(s_owners.Select(owner => KeepAsync(owner, stoppingToken)));
    }

    /// <summary>Starts a worker whenever the owner has none.</summary>
    private async Task KeepAsync(string owner, CancellationToken stoppingToken)
    {
        while (true)
        {
            try
            {
                PortEntry entry = await EnsureAsync(owner, stoppingToken);
                logger.LogInformation("{Owner} is served on port {Port} by process {Process}", owner, entry.Port, entry.ProcessId);
                await UntilGoneAsync(owner, stoppingToken);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                logger.LogWarning("{Owner} has no worker yet: {Reason}", owner, e.Message);
            }

            await Task.Delay(TimeSpan.FromSeconds(1), stoppingToken);
        }
    }

    private async Task<PortEntry> EnsureAsync(string owner, CancellationToken stoppingToken)
    {
        PortLease lease;
        try
        {
            lease = await registry.AcquireAsync(new PortRequest(owner) { UnlessServed = true }, stoppingToken);
        }
        catch (PortRefusedException refused) when (refused.Refusal.Entry is { } living)
        {
            return living;   // the owner is served: there is nothing to start
        }

        try
        {
            return await StartAsync(lease, stoppingToken);
        }
        catch
        {
            await lease.ReleaseAsync(CancellationToken.None);   // or the owner stays reserved until LeaseTimeout
            throw;
        }
    }

    private async Task<PortEntry> StartAsync(PortLease lease, CancellationToken stoppingToken)
    {
        ProcessStartInfo start = new(Path.Combine(environment.ContentRootPath, "Worker"));
        lease.PrepareStart(start);
        using Process worker = Process.Start(start)!;
        try
        {
            Task exit = worker.WaitForExitAsync(stoppingToken);
            if (await Task.WhenAny(lease.WhenBound, exit) == exit && !stoppingToken.IsCancellationRequested)
            {
                throw new InvalidOperationException($"the worker ended with exit code {worker.ExitCode} before it signed in");
            }

            return await lease.WhenBound.WaitAsync(stoppingToken);
        }
        catch when (!stoppingToken.IsCancellationRequested)   // a daemon that stops leaves its workers
        {
            worker.Kill(entireProcessTree: true);   // or it runs on beside the next one
            throw;
        }
    }

    private async Task UntilGoneAsync(string owner, CancellationToken stoppingToken)
    {
        // The first update comes at once, so nothing is missed between the entry and the watch.
        await foreach (PortUpdate update in registry.WatchAsync(snapshots: false, cancellationToken: stoppingToken))
        {
            if (!registry.TryGetPort(owner, out _))
            {
                return;   // it died, was killed, or does not listen any more
            }
        }
    }
}
