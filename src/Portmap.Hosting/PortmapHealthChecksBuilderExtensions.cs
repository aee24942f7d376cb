using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Portmap.Hosting;

/// <summary>Adds the health of a port registry to the host's health checks.</summary>
public static class PortmapHealthChecksBuilderExtensions
{
    /// <summary>Adds a check of the registry of <c>AddPortmap</c>, and of its server when the host
    /// has one.</summary>
    /// <param name="builder">The health checks.</param>
    /// <param name="name">The name of the check.</param>
    /// <param name="key">The key of the registry (<c>AddKeyedPortmap</c>); null for the one without
    /// a key.</param>
    /// <param name="failureStatus">What to report when the store or an endpoint does not work; null
    /// is <see cref="HealthStatus.Unhealthy"/>.</param>
    /// <param name="tags">Tags by which checks are chosen; null for none.</param>
    /// <param name="timeout">How long the check may take; null for no limit of its own. The wire is
    /// given 5 s.</param>
    /// <returns><paramref name="builder"/>.</returns>
    /// <remarks>
    /// <para>Failed: a change does not get into the store, an endpoint does not answer, or the
    /// registry's regular passes are overdue. Degraded: the store could not be tried, ports cannot
    /// be guarded or bound, part of the state could not be read or was moved, or nine tenths of the
    /// ports that can be handed out are in use. The data holds <c>store</c>, <c>endpoints</c>,
    /// <c>used</c>, <c>ports</c>, <c>share</c> (the fuller of the protocols, 0 to 1), <c>passes</c>
    /// and <c>findings</c>: everything that <see cref="PortRegistry.Diagnose"/> says, as
    /// text.</para>
    /// <para>A registry with a store that confirms is asked for a lease, which is released at once.
    /// Two facts are written for it, and those who watch see it come and go. The owner is
    /// <c>portmap/health</c>, and it takes no port; checks at one time share it, and one that is
    /// given up has it released all the same. Under <see cref="PortDurability.Background"/> the store
    /// is not tried.</para>
    /// </remarks>
    /// <exception cref="ArgumentNullException"><paramref name="builder"/> or
    /// <paramref name="name"/>
    /// is null.</exception>
    public static IHealthChecksBuilder AddPortmap(
        this IHealthChecksBuilder builder,
        string name = "portmap",
        string? key = null,
        HealthStatus? failureStatus = null,
        IEnumerable<string>? tags = null,
        TimeSpan? timeout = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(name);
        return builder.Add(new HealthCheckRegistration(name, provider => new PortmapHealthCheck(provider, key), failureStatus, tags, timeout));
    }
}
