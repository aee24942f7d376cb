using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Portmap.Rpc;

namespace Portmap.Hosting;

/// <summary>What a host holds for one registry: without a key, or all under one key.</summary>
internal static class HostServices
{
    /// <summary>The opening of the registry, which can be awaited; null for a registry that the
    /// host made by itself, also in place of the one of <c>AddPortmap</c>: that is not opened.</summary>
    public static Lazy<Task<PortRegistry>>? Opening(this IServiceProvider provider, IServiceCollection added, object? key) =>
        added.LastOrDefault(service => service.ServiceType == typeof(PortRegistry) && Equals(service.ServiceKey, key))?.GetType().Assembly != typeof(PortRegistry).Assembly ? null
        : key is null ? provider.GetService<Lazy<Task<PortRegistry>>>()
        : provider.GetKeyedService<Lazy<Task<PortRegistry>>>(key);

    /// <exception cref="InvalidOperationException">There is none.</exception>
    public static PortRegistry Registry(this IServiceProvider provider, object? key) =>
        (key is null ? provider.GetService<PortRegistry>() : provider.GetKeyedService<PortRegistry>(key))
        ?? throw new InvalidOperationException(key is null
            ? "The services hold no PortRegistry: call services.AddPortmap() as well."
            : $"The services hold no PortRegistry of the key '{key}': call services.AddKeyedPortmap(\"{key}\") as well.");

    public static PortmapServer? Server(this IServiceProvider provider, object? key) =>
        key is null ? provider.GetService<PortmapServer>() : provider.GetKeyedService<PortmapServer>(key);

    /// <summary>The same object for the check of the options, for what workers are told and for the
    /// server: <see cref="IOptions{TOptions}"/> would make another one.</summary>
    public static PortmapServerOptions ServerOptions(this IServiceProvider provider, object? key) =>
        provider.GetRequiredService<IOptionsMonitor<PortmapServerOptions>>().Get(key as string ?? Options.DefaultName);
}
