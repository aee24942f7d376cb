namespace Portmap.Etcd;

/// <summary>How this host's part of the fleet is doing: for health checks and operators.</summary>
/// <param name="IsConnected">Etcd answers, and this host has its lease.</param>
/// <param name="Pending">How many owners etcd has not been told of yet.</param>
/// <param name="Trouble">What stands in the way, as a sentence; null when nothing does.</param>
public readonly record struct FleetStatus(bool IsConnected, int Pending, string? Trouble);
