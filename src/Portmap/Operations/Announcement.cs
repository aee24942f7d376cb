namespace Portmap.Operations;

/// <summary>How far a lease was announced to its process; each says more than those
/// before.</summary>
internal enum Announcement : byte
{
    /// <summary>Nobody opened its gate: no process can have heard of it from here.</summary>
    None,

    /// <summary>Its gate was opened, so its process was told in another way than by a start, or over
    /// the wire.</summary>
    Opened,

    /// <summary>It stands in the environment of a start (<see cref="PortLease.PrepareStart"/>).
    /// </summary>
    Prepared,
}
