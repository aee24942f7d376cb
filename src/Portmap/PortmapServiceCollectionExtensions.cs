#pragma warning disable
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
namespace Portmap;
/// <summary>x</summary>
public static class PortmapServiceCollectionExtensions {
  public static OptionsBuilder<PortRegistryOptions> AddPortmap(this IServiceCollection services, Action<PortRegistryOptions>? configure = null) => throw null!;
}
