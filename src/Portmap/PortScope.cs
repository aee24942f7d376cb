namespace Portmap;

/// <summary>Among whom an owner is to have at most one holder.</summary>
public enum PortScope
{
    /// <summary>On this host: what the registry promises by itself.</summary>
    Host = 0,

    /// <summary>
    /// In a whole fleet of hosts: the owner is claimed there first, and the lease, with what comes
    /// of it, lasts no longer than that claim. Needs a fleet that the registry was joined to
    /// (<see cref="PortmapExtensions.UseFleet"/>), such as <c>PortmapFleet</c> of Portmap.Etcd.
    /// </summary>
    Fleet = 1,
}
