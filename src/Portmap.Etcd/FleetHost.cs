namespace Portmap.Etcd;

/// <summary>One host of the fleet that shows signs of life.</summary>
/// <param name="Name">The name it publishes under.</param>
/// <param name="Address">Where it is reached, as it says.</param>
/// <param name="Entries">How many entries it publishes.</param>
public readonly record struct FleetHost(string Name, string Address, int Entries);
