using Portmap.Table;

namespace Portmap.Guarding;

/// <summary>What stands between "the registry picked a port" and "the process listens on it".</summary>
/// <remarks>
/// Any number of threads call at once, but a port is placed only by the thread whose pending claim has its slot. Nothing here throws: what cannot be had is
/// a weaker guarantee. The other members take the claim, so that what comes late for an older claim on the port never touches a newer one's placeholder.
/// </remarks>
internal interface IPortGuard : IDisposable
{
    /// <summary>How many descriptors are held now.</summary>
    int Count => 0;

    /// <summary>Why ports cannot be guarded; null when they can. Tries it where only that tells.</summary>
    string? WhyUnavailable();

    /// <summary>Asks for the port of a pending lease, which nobody of ours uses, and holds it, gate closed, as well as this guard can.</summary>
    /// <param name="claim">The pending lease.</param>
    /// <param name="mode">What was asked for.</param>
    /// <param name="insisted">No other number will do, so what is left of closed connections (TIME_WAIT) is no obstacle.</param>
    GuardOutcome Place(PortClaim claim, PortGuardMode mode, bool insisted);

    /// <summary>Lets the owner's process in: it binds and listens while the placeholder stays, or the placeholder steps aside.</summary>
    /// <returns>Whether the guarantee of the lease is another one now.</returns>
    bool Open(PortClaim lease) => false;

    /// <summary>Whether a placeholder lies on the port, gate closed, for another claim than that of an epoch: then nobody listens there but who did before.</summary>
    bool KeepsOut(PortProtocol protocol, int port, long epoch) => false;

    /// <summary>A process listens and has registered: the gate closes again, or the placeholder goes. Called once the registration has taken effect.</summary>
    void HandOver(PortClaim registration)
    {
    }

    /// <summary>The claim has ended.</summary>
    /// <param name="claim">The lease or registration.</param>
    /// <param name="keep">The port is to wait for its owner's return, where the mode says so.</param>
    /// <param name="now">The time.</param>
    void Drop(PortClaim claim, bool keep, long now)
    {
    }

    /// <summary>Whether something outside the registry has a port that no claim of ours is in force on, by a look now; true where nobody can be asked.</summary>
    bool IsTaken(PortProtocol protocol, int port) => true;

    /// <summary>Lets go of the ports that have waited for their owner's return since then or longer.</summary>
    void DropKept(long since)
    {
    }
}

/// <summary>What came of <see cref="IPortGuard.Place"/>.</summary>
/// <param name="Finding">What the operating system said.</param>
/// <param name="Guarantee">How strongly the port is held now.</param>
internal readonly record struct GuardOutcome(GuardFinding Finding, PortGuarantee Guarantee);

internal enum GuardFinding
{
    Free,

    /// <summary>Nobody listens, but closed connections linger or a silent socket is bound: good only when insisted on.</summary>
    Lingering,

    /// <summary>A stranger has it.</summary>
    InUse,

    /// <summary>Nobody has it, and this user may not bind it.</summary>
    Denied,
}
