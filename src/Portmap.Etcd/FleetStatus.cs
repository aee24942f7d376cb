namespace Portmap.Etcd;

/// <summary>How this host's part of the fleet is doing: for health checks and operators.</summary>
/// <param name="IsConnected">Etcd answers, and this host has its lease; of one that only looks: the
/// map is followed.</param>
/// <param name="IsPublished">Etcd holds what the registry serves, as far as changes were heard of;
/// false on a host that publishes nothing.</param>
/// <param name="Pending">How many owners etcd is still to be told of; not known, and 0, while the
/// two are compared.</param>
/// <param name="Trouble">What stands in the way, as a sentence; null when nothing does.</param>
public readonly record struct FleetStatus(bool IsConnected, bool IsPublished, int Pending, string? Trouble)
{
    /// <summary>Whether the trouble is that etcd denies it: the user, the password or the role is
    /// wrong, and no waiting helps.</summary>
    public bool IsDenied { get; init; }
}
