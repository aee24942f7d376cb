namespace Portmap;

/// <content>What a registry was opened with.</content>
public static partial class PortmapExtensions
{
    /// <summary>When the changes of a registry are in its store. Never changes; safe for any
    /// thread.</summary>
    /// <param name="registry">The registry.</param>
    /// <returns>Null when there is no store.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="registry"/> is null.</exception>
    public static PortDurability? GetDurability(this PortRegistry registry)
    {
        ArgumentNullException.ThrowIfNull(registry);
        return registry.Parts.Journal is null ? null : registry.Parts.Settings.Durability;
    }

    /// <summary>Where workers are told that the daemon listens
    /// (<see cref="PortRegistryOptions.Endpoint"/>). Never changes; safe for any thread.</summary>
    /// <param name="registry">The registry.</param>
    /// <returns>Null when workers are not told.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="registry"/> is null.</exception>
    public static string? GetEndpoint(this PortRegistry registry)
    {
        ArgumentNullException.ThrowIfNull(registry);
        return registry.Parts.Settings.Endpoint;
    }

    /// <summary>Whether an acquisition may be given a port: it lies in
    /// <see cref="PortRegistryOptions.Ports"/> and is not excluded. One that is kept for an owner
    /// counts. Never changes; safe for any thread.</summary>
    /// <param name="registry">The registry.</param>
    /// <param name="port">Any number; false for one that is no port.</param>
    /// <exception cref="ArgumentNullException"><paramref name="registry"/> is null.</exception>
    public static bool HandsOut(this PortRegistry registry, int port)
    {
        ArgumentNullException.ThrowIfNull(registry);
        PortRegistrySettings settings = registry.Parts.Settings;
        return settings.Limits.HandsOut(port) || settings.Kept?.OwnerOf(port) is not null;
    }
}
