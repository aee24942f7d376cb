using System.Diagnostics.Metrics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Portmap.Etcd;

/// <summary>Adds this host's part of a fleet to a service container.</summary>
public static class PortmapFleetServiceCollectionExtensions
{
    /// <summary>Adds one <see cref="PortmapFleet"/> with its <see cref="FleetMap"/> and
    /// <see cref="FleetOwners"/> as singletons, started and stopped with the host. Options are
    /// checked when the host starts.</summary>
    /// <param name="services">The services.</param>
    /// <param name="configure">Sets options; null leaves the defaults.</param>
    /// <returns>The builder of the options, so that the host can add
    /// <c>.BindConfiguration("PortmapFleet")</c>.</returns>
    /// <remarks>It publishes the <see cref="PortRegistry"/> of the container, when it has one. A
    /// <see cref="TimeProvider"/> and logging are used when the container has them. The host does
    /// not wait for etcd to start.</remarks>
    /// <exception cref="ArgumentNullException"><paramref name="services"/> is null.</exception>
    /// <exception cref="InvalidOperationException">The services hold a fleet already.</exception>
    public static OptionsBuilder<PortmapFleetOptions> AddPortmapFleet(this IServiceCollection services, Action<PortmapFleetOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        if (services.Any(service => service.ServiceType == typeof(PortmapFleet)))
        {
            throw new InvalidOperationException($"The services hold a {nameof(PortmapFleet)} already. To change it, configure the options that the first {nameof(AddPortmapFleet)} returned.");
        }

        OptionsBuilder<PortmapFleetOptions> builder = services.AddOptions<PortmapFleetOptions>();
        if (configure is not null)
        {
            builder.Configure(configure);
        }

        services.TryAddEnumerable(ServiceDescriptor.Singleton<IValidateOptions<PortmapFleetOptions>, PortmapFleetOptionsValidator>());
        builder.ValidateOnStart();
        builder.PostConfigure<IServiceProvider>((options, provider) => options.MeterFactory ??= provider.GetService<IMeterFactory>());
        services.AddSingleton(static provider => new PortmapFleet(
            provider.GetRequiredService<IOptions<PortmapFleetOptions>>().Value,
            provider.GetService<PortRegistry>(),
            provider.GetService<ILogger<PortmapFleet>>(),
            provider.GetService<TimeProvider>()));
        services.AddSingleton(static provider => provider.GetRequiredService<PortmapFleet>().Map);
        services.AddSingleton(static provider => provider.GetRequiredService<PortmapFleet>().Owners);
        services.AddHostedService<FleetService>();
        return builder;
    }

    /// <summary>Starts the fleet with the host and stops it with the host, before the registry is
    /// disposed.</summary>
    private sealed class FleetService(PortmapFleet fleet) : IHostedService
    {
        public Task StartAsync(CancellationToken cancellationToken)
        {
            fleet.Start();
            return Task.CompletedTask;
        }

        public async Task StopAsync(CancellationToken cancellationToken)
        {
            try
            {
                await fleet.DisposeAsync().AsTask().WaitAsync(cancellationToken).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                // The host has no time left. The fleet ends all the same, and the container waits
                // for that.
            }
        }
    }
}
