using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;

namespace Portmap.Etcd.Tests.Diagnostics;

/// <summary>What a supervisor is told of a host's part of the fleet.</summary>
public sealed class FleetHealthCheckTests
{
    [NeedsFact("etcd")]
    public async Task Check_EtcdThereAwayAndThereAgain_IsHealthyDegradedAndHealthy()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        using IHost host = Build(etcd.Endpoints);
        await host.StartAsync().Within();
        HealthReportEntry there = await UntilAsync(host, HealthStatus.Healthy);

        await etcd.First.KillAsync();
        HealthReportEntry away = await UntilAsync(host, HealthStatus.Degraded);
        await etcd.First.StartAsync();
        await UntilAsync(host, HealthStatus.Healthy);

        there.Data.Should().Contain("connected", true).And.Contain("denied", false).And.ContainKeys("published", "pending", "entries", "staleness", "refusing");
        away.Description.Should().Contain(new Uri(etcd.Endpoints).Authority, "it says which member does not answer");
        await host.StopAsync().Within();
    }

    [NeedsFact("etcd")]
    public async Task Check_NoEtcdAtAll_IsWhatTheHostWants()
    {
        using IHost host = Build(EtcdCluster.Prepare().Endpoints, HealthStatus.Unhealthy);
        await host.StartAsync().Within();

        HealthReportEntry health = await UntilAsync(host, HealthStatus.Unhealthy);

        health.Data.Should().Contain("connected", false);
        await host.StopAsync().Within();
    }

    private static IHost Build(string endpoints, HealthStatus? failureStatus = null)
    {
        HostApplicationBuilder builder = Microsoft.Extensions.Hosting.Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Services.AddPortmap(options => options.Probe = false);
        builder.Services.AddPortmapFleet(options => (options.Endpoints, options.Host, options.LeaseTtl) = (endpoints, "a", TimeSpan.FromSeconds(2)));
        builder.Services.AddHealthChecks().AddPortmapFleet(failureStatus: failureStatus);
        return builder.Build();
    }

    private static async Task<HealthReportEntry> UntilAsync(IHost host, HealthStatus status)
    {
        HealthCheckService checks = host.Services.GetRequiredService<HealthCheckService>();
        using CancellationTokenSource limit = Deadline.Source();
        using PeriodicTimer timer = new(TimeSpan.FromMilliseconds(20));
        while (true)
        {
            HealthReport report = await checks.CheckHealthAsync(limit.Token);
            if (report.Status == status)
            {
                return report.Entries["portmap-fleet"];
            }

            await timer.WaitForNextTickAsync(limit.Token);
        }
    }
}
