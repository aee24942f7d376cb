namespace Portmap;

/// <summary>How strongly a port is held for its owner, from weakest to strongest.</summary>
public enum PortGuarantee
{
    /// <summary>
    /// Only this registry knows; the operating system was not asked
    /// (<see cref="PortRegistryOptions.Probe"/> is off, or no descriptor was left to ask with).
    /// </summary>
    LedgerOnly = 0,

    /// <summary>
    /// The operating system had it free when it was handed out; a stranger may still take it before
    /// the owner listens.
    /// </summary>
    ProbedOnly = 1,

    /// <summary>
    /// The owner's own listening socket is the claim. There is nothing to guard, or somebody else
    /// listens on another address of the port, or may come to.
    /// </summary>
    HeldByProcess = 2,

    /// <summary>
    /// The kernel refuses it to everybody but a process that binds exactly this number with
    /// SO_REUSEADDR. The gate is open, or closed connections were still on the port (TIME_WAIT) when
    /// a request insisted on this number.
    /// </summary>
    Admitting = 3,

    /// <summary>The kernel refuses the port to everybody else: the gate is closed.</summary>
    Exclusive = 4,
}
