using System.Diagnostics.Metrics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Portmap.Diagnostics;

namespace Portmap;

/// <summary>Adds port registries to a service container.</summary>
/// <remarks>
/// <para>A <see cref="TimeProvider"/>, logging and an <see cref="IPortStore"/> are used when the
/// container has them. The container disposes the registry. A host that is disposed asynchronously
/// does not block for what is on its way to the disk.</para>
/// <para>With such a store, or a <see cref="PortRegistryOptions.StateFolder"/>, the registry is
/// opened as <see cref="PortRegistry.OpenAsync"/> says, once, by whoever asks for it first. A
/// container makes its objects synchronously, so asking for <see cref="PortRegistry"/> blocks until
/// the state is read, and throws what the opening throws. Who can await asks for the container's
/// <c>Lazy&lt;Task&lt;PortRegistry&gt;&gt;</c> before: <c>Portmap.Hosting</c> does, as the host
/// starts.</para>
/// </remarks>
public static partial class PortmapExtensions
{
    /// <summary>
    /// Adds one <see cref="PortRegistry"/> as a singleton, made from
    /// <see cref="PortRegistryOptions"/> that are checked when the host starts.
    /// </summary>
    /// <param name="services">The services.</param>
    /// <param name="configure">Sets options; null leaves the defaults.</param>
    /// <returns>
    /// The builder of the options, so that the host can add <c>.BindConfiguration("Portmap")</c>.
    /// With <c>binder => binder.ErrorOnUnknownConfiguration = true</c> as its second argument a
    /// misspelt key is an error instead of no effect.
    /// </returns>
    /// <exception cref="ArgumentNullException"><paramref name="services"/> is null.</exception>
    /// <exception cref="InvalidOperationException">
    /// The services hold a registry already.
    /// </exception>
    public static OptionsBuilder<PortRegistryOptions> AddPortmap(
        this IServiceCollection services, Action<PortRegistryOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        return Add(services, key: null, configure);
    }

    /// <summary>As <see cref="AddPortmap"/>, for one of several registries of a process: a keyed
    /// singleton.</summary>
    /// <param name="services">The services.</param>
    /// <param name="key">The key of the registry, and the name of its options. An
    /// <see cref="IPortStore"/> is used when the container has one under the same key.</param>
    /// <param name="configure">Sets options; null leaves the defaults.</param>
    /// <returns>The builder of the options of that name.</returns>
    /// <remarks>Give each its own <see cref="PortRegistryOptions.Ports"/>,
    /// <see cref="PortRegistryOptions.StateFolder"/> and endpoint: two registries know nothing of
    /// each other.</remarks>
    /// <exception cref="ArgumentNullException">An argument is null.</exception>
    /// <exception cref="ArgumentException"><paramref name="key"/> is empty.</exception>
    /// <exception cref="InvalidOperationException">The services hold a registry of that key
    /// already.</exception>
    public static OptionsBuilder<PortRegistryOptions> AddKeyedPortmap(
        this IServiceCollection services, string key, Action<PortRegistryOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentException.ThrowIfNullOrEmpty(key);
        return Add(services, key, configure);
    }

    private static OptionsBuilder<PortRegistryOptions> Add(IServiceCollection services, string? key, Action<PortRegistryOptions>? configure)
    {
        // Merged into the first without a word, a second call would give two hosts of one process
        // one port map.
        if (services.Any(service => service.ServiceType == typeof(PortRegistry) && Equals(service.ServiceKey, key)))
        {
            throw new InvalidOperationException(key is null
                ? $"The services hold a {nameof(PortRegistry)} already. To change it, configure the options that the first {nameof(AddPortmap)} returned; a second one has a key: {nameof(AddKeyedPortmap)}."
                : $"The services hold a {nameof(PortRegistry)} of the key '{key}' already. To change it, configure the options that the first {nameof(AddKeyedPortmap)} returned; another one has another key.");
        }

        OptionsBuilder<PortRegistryOptions> builder = services.AddOptions<PortRegistryOptions>(key).ValidateOnStart();
        if (configure is not null)
        {
            builder.Configure(configure);
        }

        builder.PostConfigure<IServiceProvider>((options, provider) => options.MeterFactory ??= KeyedMeters.Of(provider.GetService<IMeterFactory>(), key));
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IValidateOptions<PortRegistryOptions>, PortRegistryOptionsValidator>());
        services.Add(new ServiceDescriptor(typeof(Lazy<Task<PortRegistry>>), key, Opening, ServiceLifetime.Singleton));
        services.Add(new OpenedRegistry(key));
        return builder;
    }

    private static Lazy<Task<PortRegistry>> Opening(IServiceProvider provider, object? key) => new(() => PortRegistry.OpenAsync(
        provider.GetRequiredService<IOptionsMonitor<PortRegistryOptions>>().Get(key as string ?? Options.DefaultName),   // the object that was checked at the start
        key is null ? provider.GetService<IPortStore>() : provider.GetKeyedService<IPortStore>(key),
        provider.GetService<ILogger<PortRegistry>>(),
        provider.GetService<TimeProvider>()));

    private static PortRegistry Opened(IServiceProvider provider, object? key)
    {
        Lazy<Task<PortRegistry>> opening = key is null
            ? provider.GetRequiredService<Lazy<Task<PortRegistry>>>()
            : provider.GetRequiredKeyedService<Lazy<Task<PortRegistry>>>(key);
        return opening.Value.GetAwaiter().GetResult();
    }

    /// <summary>The registry that is opened: of a type of its own, so that who serves it can tell it
    /// from one that the host put in its place.</summary>
    private sealed class OpenedRegistry(object? key) : ServiceDescriptor(typeof(PortRegistry), key, Opened, ServiceLifetime.Singleton);
}
