using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using OpenTelemetry.Metrics;

namespace ManagementDaemon;

/// <summary>Shows the meters of the registry and its server to Prometheus, as
/// <c>http://ADDRESS:PORT/metrics</c>.</summary>
internal sealed class MetricsEndpoint(IPEndPoint address) : IHostedService, IAsyncDisposable
{
    private readonly WebApplication _application = Build(address);

    public Task StartAsync(CancellationToken cancellationToken) => _application.StartAsync(cancellationToken);

    public Task StopAsync(CancellationToken cancellationToken) => _application.StopAsync(cancellationToken);

    public ValueTask DisposeAsync() => _application.DisposeAsync();

    private static WebApplication Build(IPEndPoint address)
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.Listen(address));
        builder.Services.AddRoutingCore();
        builder.Services.AddOpenTelemetry().WithMetrics(metrics => metrics
            .AddMeter("Portmap", "Portmap.Rpc")
            .AddPrometheusExporter(exporter => exporter.ScrapeResponseCacheDurationMilliseconds = 0));
        WebApplication application = builder.Build();
        application.UseOpenTelemetryPrometheusScrapingEndpoint();
        return application;
    }
}
