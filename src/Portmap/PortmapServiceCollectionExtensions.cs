using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Portmap;

/// <summary>Adds the port registry to a service container.</summary>
public static class PortmapServiceCollectionExtensions
{
    /// <summary>Adds one <see cref="PortRegistry"/> as a singleton, made from <see cref="PortRegistryOptions"/> that are checked when the host starts.</summary>
    /// <param name="services">The services.</param>
    /// <param name="configure">Sets options; null leaves the defaults.</param>
    /// <returns>The builder of the options, so that the host can add <c>.BindConfiguration("Portmap")</c>; with
    /// <c>binder => binder.ErrorOnUnknownConfiguration = true</c> as its second argument a misspelt key is an error instead of no effect.</returns>
    /// <remarks>A <see cref="TimeProvider"/>, logging and an <see cref="IPortStore"/> are used when the container has them. With such a store, or a
    /// <see cref="PortRegistryOptions.StateFolder"/>, the registry is opened as <see cref="PortRegistry.OpenAsync"/> says by whoever asks for it first, which waits
    /// for the state and throws what that throws: let something that starts with the host, such as the server of <c>Portmap.Rpc</c>, ask for it. The container
    /// disposes the registry; a host that is disposed asynchronously does not block for what is on its way to the disk.</remarks>
    /// <exception cref="ArgumentNullException"><paramref name="services"/> is null.</exception>
    public static OptionsBuilder<PortRegistryOptions> AddPortmap(this IServiceCollection services, Action<PortRegistryOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        OptionsBuilder<PortRegistryOptions> builder = services.AddOptions<PortRegistryOptions>();
        if (configure is not null)
        {
            builder.Configure(configure);
        }

        services.TryAddEnumerable(ServiceDescriptor.Singleton<IValidateOptions<PortRegistryOptions>, PortRegistryOptionsValidator>());
        services.AddOptions<PortRegistryOptions>().ValidateOnStart();
        services.TryAddSingleton(static provider => PortRegistry.OpenAsync(
            provider.GetRequiredService<IOptions<PortRegistryOptions>>().Value,
            provider.GetService<IPortStore>(),
            provider.GetService<ILogger<PortRegistry>>(),
            provider.GetService<TimeProvider>()).GetAwaiter().GetResult());   // a container makes its objects synchronously, as the host starts
        return builder;
    }
}
