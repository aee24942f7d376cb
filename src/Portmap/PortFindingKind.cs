namespace Portmap;

/// <summary>What <see cref="PortRegistry.Diagnose"/> can find.</summary>
public enum PortFindingKind
{
    /// <summary>
    /// Ports of the range are also given to outgoing connections and to bind to port 0.
    /// </summary>
    EphemeralOverlap = 0,

    /// <summary>There are fewer ports than owners.</summary>
    RangeTooSmall = 1,

    /// <summary>
    /// The process may not have enough descriptors for <see cref="PortRegistryOptions.MaxGuards"/>.
    /// </summary>
    TooFewDescriptors = 2,

    /// <summary>Ports cannot be guarded, for the reason given.</summary>
    GuardUnavailable = 3,

    /// <summary>The store of the registry could not read all of its state.</summary>
    StateUnreadable = 4,

    /// <summary>
    /// The state folder, its lock or its file was moved, deleted or replaced while the registry
    /// wrote to it.
    /// </summary>
    StateMoved = 5,

    /// <summary>Somebody else listens on the port of an entry too, on another address.</summary>
    PortShared = 6,

    /// <summary>
    /// Processes listen on some of the addresses of their port only, which leaves the others to
    /// anybody.
    /// </summary>
    PartlyServed = 7,

    /// <summary>
    /// Ports of the range need a privilege to be bound that this process does not have.
    /// </summary>
    RangeNotBindable = 8,

    /// <summary>
    /// The store fails: what changes is not on disk. Under
    /// <see cref="PortDurability.Background"/> nobody else is told.
    /// </summary>
    StoreFailing = 9,

    /// <summary>
    /// The passes over leases and processes do not come round: nothing expires, and deaths that the
    /// kernel does not tell are not seen.
    /// </summary>
    PassOverdue = 10,
}
