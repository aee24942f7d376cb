namespace Portmap;

/// <summary>
/// How the kernel keeps others off a port between its acquisition and the moment its process
/// listens.
/// </summary>
/// <remarks>
/// <para>It concerns ports that the registry picks (<c>AllocatorPicks</c>): a placeholder, a socket
/// that is bound and never listens, holds the port from the acquisition on. Connections to it are
/// refused, so readiness checks stay honest. Where a placeholder cannot be had (other systems than
/// Linux, <see cref="PortRegistryOptions.MaxGuards"/> reached) the lease says
/// <see cref="PortGuarantee.ProbedOnly"/>, and nothing fails.</para>
/// <para>UDP has no listening by which the kernel could tell the owner from others, so a UDP
/// placeholder always steps aside when the gate opens.</para>
/// </remarks>
public enum PortGuardMode
{
    /// <summary>
    /// Closed from the acquisition, opened for the launch (<see cref="PortLease.PrepareStart"/>,
    /// <see cref="PortLease.OpenGate"/>), gone once the process has registered. The program must
    /// bind with SO_REUSEADDR, as every .NET, Go, Java, asyncio, nginx and glusterfsd server does.
    /// </summary>
    UntilRegistered = 0,

    /// <summary>
    /// As <see cref="UntilRegistered"/>, but closed again once the process has registered, and kept
    /// while it lives. After a death the port stays closed for
    /// <see cref="PortRegistryOptions.ReuseDelay"/>, and the next acquisition of the owner takes it
    /// over, with no moment in which a stranger could (unless that request itself says
    /// <see cref="PortReuse.Fresh"/>). It also keeps the addresses that the process does not serve
    /// from others, such as [::1] of a server at 127.0.0.1. Where the process has set SO_REUSEPORT,
    /// or it cannot be told that it has not, a placeholder keeps nobody off: it goes, and the entry
    /// says <see cref="PortGuarantee.HeldByProcess"/>.
    /// </summary>
    WhileAlive = 1,

    /// <summary>
    /// For programs that bind without SO_REUSEADDR: the placeholder is gone from the moment the
    /// gate would open, and the lease says <see cref="PortGuarantee.ProbedOnly"/> from then on.
    /// </summary>
    StepAside = 2,

    /// <summary>
    /// No placeholder: the port is bound for a moment to see that it is free.
    /// <see cref="PortGuarantee.ProbedOnly"/>.
    /// </summary>
    None = 3,

    /// <summary>
    /// The daemon itself listens, from the acquisition on, and passes the socket to the program
    /// (<see cref="PortLease.Start"/>): for programs that take sockets as systemd gives them
    /// (LISTEN_FDS). There is no gate and no window: <see cref="PortGuarantee.Exclusive"/> all the
    /// time, for UDP as well. Who connects before the program accepts waits. After a death the
    /// daemon goes on listening for <see cref="PortRegistryOptions.ReuseDelay"/>, and the next
    /// acquisition of the owner takes the socket over with all who wait. By request only: a program
    /// that binds by itself is refused its port. A request that names no strategy is given a number
    /// (<see cref="PortRegistryOptions.AllocatorPicks"/>) where the default leaves it to the
    /// process.
    /// </summary>
    PassSocket = 4,
}
