using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Examples;

/// <summary>Metrics by OpenTelemetry.</summary>
public static class Metrics
{
    public static void Add(HostApplicationBuilder builder)
    {
        builder.Services.AddOpenTelemetry().WithMetrics(metrics => metrics.AddMeter("Portmap", "Portmap.Rpc"));
    }
}
