using System.Diagnostics.Metrics;

namespace Portmap.Diagnostics;

/// <summary>The meters of a host for one of its registries: each says which one it is.</summary>
internal sealed class KeyedMeters(IMeterFactory meters, object key) : IMeterFactory
{
    /// <summary>The tag that tells registries of one process apart.</summary>
    public const string Tag = "portmap.registry";

    /// <summary>The meters for a registry with this key, or without one.</summary>
    public static IMeterFactory? Of(IMeterFactory? meters, object? key) => meters is null || key is null ? meters : new KeyedMeters(meters, key);

    public Meter Create(MeterOptions options) => meters.Create(new MeterOptions(options.Name)
    {
        Version = options.Version,
        Tags = [.. options.Tags ?? [], new(Tag, key)],
    });

    public void Dispose()
    {
        // The factory is the host's.
    }
}
