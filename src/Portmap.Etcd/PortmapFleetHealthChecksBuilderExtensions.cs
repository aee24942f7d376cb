using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Portmap.Etcd.Diagnostics;

namespace Portmap.Etcd;

/// <summary>Adds the health of a host's part of a fleet to the host's health checks.</summary>
public static class PortmapFleetHealthChecksBuilderExtensions
{
    /// <summary>Adds a check of the fleet of <c>AddPortmapFleet</c>.</summary>
    /// <param name="builder">The health checks.</param>
    /// <param name="name">The name of the check.</param>
    /// <param name="failureStatus">What to report when etcd cannot be used or the map refuses to
    /// answer; null is <see cref="HealthStatus.Degraded"/>, because the registry of this host
    /// serves on, and a restart of the daemon would help nobody.</param>
    /// <param name="tags">Tags by which checks are chosen; null for none.</param>
    /// <returns><paramref name="builder"/>.</returns>
    /// <remarks>Failed: this host has no lease at etcd, or the map is older than
    /// <see cref="PortmapFleetOptions.MaxStaleness"/>. Degraded: something stands in the way, as
    /// <see cref="FleetStatus.Trouble"/> says. It asks etcd nothing and takes no time. The data
    /// holds <c>connected</c>, <c>published</c>, <c>pending</c>, <c>denied</c>, <c>entries</c>,
    /// <c>staleness</c> (a <see cref="TimeSpan"/>) and <c>refusing</c>.</remarks>
    /// <exception cref="ArgumentNullException"><paramref name="builder"/> or
    /// <paramref name="name"/> is null.</exception>
    public static IHealthChecksBuilder AddPortmapFleet(
        this IHealthChecksBuilder builder, string name = "portmap-fleet", HealthStatus? failureStatus = null, IEnumerable<string>? tags = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(name);
        return builder.Add(new HealthCheckRegistration(
            name, provider => new FleetHealthCheck(provider.GetRequiredService<PortmapFleet>()), failureStatus ?? HealthStatus.Degraded, tags));
    }
}
