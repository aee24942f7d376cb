using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Portmap.Etcd.Diagnostics;

/// <summary>Whether this host is a part of its fleet.</summary>
internal sealed class FleetHealthCheck(PortmapFleet fleet) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        FleetStatus status = fleet.Status;
        FleetMap map = fleet.Map;
        bool isFailed = !status.IsConnected || map.IsRefusing;
        Dictionary<string, object> data = new()
        {
            ["connected"] = status.IsConnected,
            ["published"] = status.IsPublished,
            ["pending"] = status.Pending,
            ["denied"] = status.IsDenied,
            ["entries"] = map.Count,
            ["staleness"] = map.Staleness,
            ["refusing"] = map.IsRefusing,
        };
        HealthStatus health = isFailed ? context.Registration.FailureStatus : status.Trouble is null ? HealthStatus.Healthy : HealthStatus.Degraded;
        string text = FormattableString.Invariant($"The map has {map.Count} entries.");
        string refusing = map.IsRefusing ? "The map is older than MaxStaleness and refuses to answer. " : string.Empty;
        return Task.FromResult(new HealthCheckResult(health, $"{status.Trouble}{(status.Trouble is null ? string.Empty : " ")}{refusing}{text}", data: data));
    }
}
