namespace Portmap;

/// <summary>Why an entry changed.</summary>
public enum PortChangeKind
{
    /// <summary>A lease was granted: the port is Reserved.</summary>
    Acquired = 0,

    /// <summary>A process listens and registered: the port is Bound.</summary>
    Registered = 1,

    /// <summary>The owner gave it back.</summary>
    Released = 2,

    /// <summary>The lease ran out before a process registered.</summary>
    Expired = 3,

    /// <summary>The process died.</summary>
    Died = 4,

    /// <summary>
    /// The session ended and nobody signed in again within the grace period. For a
    /// process of which nothing is known, it is told twice: at once, when lookups no longer return
    /// the entry, and again when the entry ends.
    /// </summary>
    Disconnected = 5,

    /// <summary>
    /// A newer registration of the same owner took its place. Of a lease: the registration that
    /// used it up was given a higher epoch of its own.
    /// </summary>
    Replaced = 6,

    /// <summary>The lease ended because another owner's process listens on the port.</summary>
    Taken = 7,

    /// <summary>
    /// The worker or the host reported that the port could not be bound. It cools;
    /// <see cref="FoundForeign"/> follows when a look agrees that somebody has it.
    /// </summary>
    BindFailed = 8,

    /// <summary>The operating system says that a stranger has the port.</summary>
    FoundForeign = 9,

    /// <summary>
    /// The port is held more or less strongly than before: the gate was opened for the launch.
    /// </summary>
    GuaranteeChanged = 10,

    /// <summary>
    /// Nobody listened on the port any more in three passes of the reconciler, though the process
    /// lives.
    /// </summary>
    StoppedListening = 11,
}
