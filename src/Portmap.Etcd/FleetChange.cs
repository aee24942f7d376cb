namespace Portmap.Etcd;

/// <summary>One change of the fleet's map.</summary>
/// <param name="Entry">The entry that came, or that went.</param>
/// <param name="IsRemoval">True when it went: released, dead, or the host's time was over.</param>
/// <remarks>An entry that came stands for whatever the same host had for the same owner and
/// protocol.</remarks>
public readonly record struct FleetChange(FleetEntry Entry, bool IsRemoval);
