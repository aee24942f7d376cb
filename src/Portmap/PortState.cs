namespace Portmap;

/// <summary>What the registry knows about a port.</summary>
/// <remarks><code>
///            Acquire                 Register
///   Free ───────────────► Reserved ───────────────► Bound
///    ▲  ▲                  │                          │
///    │  │                  ▼                          ▼
///    │  └─────────────── Cooling ◄────────────────────┘
///    └── Foreign
/// </code>
/// A registration may also move Free, Cooling or Foreign straight to Bound: a process that listens
/// is never refused because of a cool-down, an exclusion or a stranger that is gone.</remarks>
public enum PortState
{
    /// <summary>Nobody holds it and it may be handed out.</summary>
    Free = 0,

    /// <summary>Handed out to an owner whose process has not registered yet.</summary>
    Reserved = 1,

    /// <summary>A process listens on it and has registered; lookups return it.</summary>
    Bound = 2,

    /// <summary>Given back a short while ago and not handed out again yet.</summary>
    Cooling = 3,

    /// <summary>
    /// Something outside the registry has it; looked at again after
    /// <see cref="PortRegistryOptions.ForeignRecheck"/>.
    /// </summary>
    Foreign = 4,

    /// <summary>
    /// Read from the store after a restart; its process lives and has not signed in again yet.
    /// Lookups by owner do not return it, and nobody else gets the port.
    /// </summary>
    Recovered = 5,
}
