using System.Diagnostics.Metrics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Portmap.Diagnostics;
using Portmap.Rpc;

namespace Portmap.Hosting;

/// <summary>Serves the registries of a host to the processes of its machine, for as long as the
/// host runs.</summary>
public static class PortmapServerServiceCollectionExtensions
{
    /// <summary>Adds a <see cref="PortmapServer"/> as a singleton that serves the registry of
    /// <c>AddPortmap</c> while the host runs.</summary>
    /// <param name="services">The services. <c>AddPortmap</c> may come before or after.</param>
    /// <param name="configure">Sets options; null leaves the defaults.</param>
    /// <returns>The builder of the options, so that the host can add
    /// <c>.BindConfiguration("PortmapServer")</c>.</returns>
    /// <remarks>
    /// <para>The options of the server and of the registry are checked when the host starts, before
    /// anything is opened. Then the registry is opened and the server listens, before any other
    /// hosted service is started. It stops when all others have stopped: they can acquire and
    /// register from their first line to their last. The start awaits the opening; a hosted service
    /// that takes the registry in its constructor makes the host's start block its thread until the
    /// state is read or <see cref="PortRegistryOptions.OpenTimeout"/> is over. A store that
    /// ignores its token adds 0.25 s. One that hangs while it is being cancelled adds up to 10 s
    /// more.</para>
    /// <para>A host whose endpoint or state is taken does not start: what
    /// <see cref="PortmapServer.StartAsync"/> and <see cref="PortRegistry.OpenAsync"/> throw comes
    /// out of the host's start.</para>
    /// <para><see cref="PortRegistryOptions.Endpoint"/>, which workers are told, is taken from the
    /// server: its first Unix socket, else its first TCP endpoint with a port, of every address the
    /// loopback one. One that is set must
    /// be one of the server's. A TCP port 0 is known only when the server listens: then workers
    /// have to be told for each start.</para>
    /// </remarks>
    /// <exception cref="ArgumentNullException"><paramref name="services"/> is null.</exception>
    /// <exception cref="InvalidOperationException">The services hold a server already.</exception>
    public static OptionsBuilder<PortmapServerOptions> AddPortmapServer(
        this IServiceCollection services, Action<PortmapServerOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        return Add(services, key: null, configure);
    }

    /// <summary>As <see cref="AddPortmapServer"/>, for the registry that <c>AddKeyedPortmap</c>
    /// added under this key: a keyed singleton.</summary>
    /// <param name="services">The services.</param>
    /// <param name="key">The key of the registry and of the server, and the name of the options of
    /// both.</param>
    /// <param name="configure">Sets options; null leaves the defaults.</param>
    /// <returns>The builder of the options of that name.</returns>
    /// <exception cref="ArgumentNullException">An argument is null.</exception>
    /// <exception cref="ArgumentException"><paramref name="key"/> is empty.</exception>
    /// <exception cref="InvalidOperationException">The services hold a server of that key
    /// already.</exception>
    public static OptionsBuilder<PortmapServerOptions> AddKeyedPortmapServer(
        this IServiceCollection services, string key, Action<PortmapServerOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentException.ThrowIfNullOrEmpty(key);
        return Add(services, key, configure);
    }

    private static OptionsBuilder<PortmapServerOptions> Add(IServiceCollection services, string? key, Action<PortmapServerOptions>? configure)
    {
        if (services.Any(service => service.ServiceType == typeof(PortmapServer) && Equals(service.ServiceKey, key)))
        {
            throw new InvalidOperationException(key is null
                ? $"The services hold a {nameof(PortmapServer)} already. To change it, configure the options that the first {nameof(AddPortmapServer)} returned; it listens on any number of endpoints. A second registry is served by {nameof(AddKeyedPortmapServer)}."
                : $"The services hold a {nameof(PortmapServer)} of the key '{key}' already. To change it, configure the options that the first {nameof(AddKeyedPortmapServer)} returned.");
        }

        OptionsBuilder<PortmapServerOptions> builder = services.AddOptions<PortmapServerOptions>(key).ValidateOnStart();
        if (configure is not null)
        {
            builder.Configure(configure);
        }

        builder.PostConfigure<IServiceProvider>((options, provider) => options.MeterFactory ??= KeyedMeters.Of(provider.GetService<IMeterFactory>(), key));
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IValidateOptions<PortmapServerOptions>, PortmapServerOptionsValidator>());
        services.AddSingleton<IPostConfigureOptions<PortRegistryOptions>>(provider => ServedEndpointOf(provider, key));
        services.AddSingleton<IValidateOptions<PortRegistryOptions>>(provider => ServedEndpointOf(provider, key));
        services.Add(new ServiceDescriptor(typeof(PortmapServer), key, Server, ServiceLifetime.Singleton));
        services.Insert(0, ServiceDescriptor.Singleton<IHostedService>(provider => new PortmapServerService(provider, services, key)));   // made first, and started first
        return builder;
    }

    private static ServedEndpoint ServedEndpointOf(IServiceProvider provider, string? key) =>
        new(provider.GetRequiredService<IOptionsMonitor<PortmapServerOptions>>(), key ?? Options.DefaultName);

    private static PortmapServer Server(IServiceProvider provider, object? key) => new(
        provider.Registry(key),
        provider.ServerOptions(key),
        provider.GetService<ILogger<PortmapServer>>(),
        provider.GetService<TimeProvider>());
}
