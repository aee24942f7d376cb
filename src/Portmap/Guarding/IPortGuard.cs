using System.Net.Sockets;

namespace Portmap.Guarding;

/// <summary>
/// What stands between "the registry picked a port" and "the process listens on it".
/// </summary>
/// <remarks>
/// Any number of threads call at once, but a port is placed only by the thread whose pending claim
/// has its slot. Nothing here throws: what cannot be had is a weaker guarantee. The other members
/// are told the claim, so that what comes late for an older claim on the port never touches a newer
/// one's placeholder.
/// </remarks>
internal interface IPortGuard : IDisposable
{
    /// <summary>How many descriptors are held now.</summary>
    int Count => 0;

    /// <summary>Why ports cannot be guarded; null when they can.</summary>
    /// <remarks>Tries it where only that tells.</remarks>
    string? WhyUnavailable();

    /// <summary>
    /// Asks for a port that nobody of ours uses, and holds it as well as this guard can.
    /// </summary>
    /// <remarks>
    /// The gate is closed then. The guarantee is answered, and not written on the lease.
    /// </remarks>
    /// <param name="lease">The pending lease.</param>
    /// <param name="owner">Whose it will be.</param>
    /// <param name="mode">What was asked for.</param>
    /// <param name="insisted">
    /// No other number will do, so what is left of closed connections (TIME_WAIT) is no obstacle.
    /// </param>
    GuardOutcome Place(in GuardedPort lease, string owner, PortGuardMode mode, bool insisted);

    /// <summary>Lets the owner's process in.</summary>
    /// <remarks>
    /// It binds and listens while the placeholder stays, or the placeholder steps aside. The
    /// guarantee of the lease is written before.
    /// </remarks>
    /// <returns>Whether the guarantee of the lease is another one now.</returns>
    bool Open(in GuardedPort lease) => false;

    /// <summary>The socket that the program of a claim is to be started with, or null.</summary>
    /// <remarks>It may be closed at any moment, as the claim ends.</remarks>
    Socket? Passed(in GuardedPort claim) => null;

    /// <summary>
    /// Whether a placeholder, gate closed, lies on the port for another claim than an epoch's.
    /// </summary>
    /// <remarks>Then nobody listens there but who did before.</remarks>
    /// <param name="protocol">TCP or UDP.</param>
    /// <param name="port">The port.</param>
    /// <param name="epoch">The claim that is let in; 0: none is.</param>
    /// <param name="isPassed">
    /// The placeholder is the socket that a program is started with, and listens itself. So the
    /// kernel tells of a listener whoever asks, and only who has this very socket listens there.
    /// </param>
    bool KeepsOut(PortProtocol protocol, int port, long epoch, out bool isPassed)
    {
        isPassed = false;
        return false;
    }

    /// <summary>
    /// A process listens and has registered: the gate closes again, or the placeholder goes.
    /// </summary>
    /// <param name="registration">The registration, which has taken effect.</param>
    /// <param name="processId">Its process, or 0.</param>
    void HandOver(in GuardedPort registration, int processId)
    {
    }

    /// <summary>The claim has ended.</summary>
    /// <param name="claim">The lease or registration.</param>
    /// <param name="keep">
    /// The port is to wait for its owner's return, where the mode says so.
    /// </param>
    /// <param name="now">The time.</param>
    void Drop(in GuardedPort claim, bool keep, long now)
    {
    }

    /// <summary>The lease has come to nothing, and nobody saw anything of it.</summary>
    /// <remarks>
    /// What it took over of an earlier claim waits for its owner's return again, since when it did.
    /// </remarks>
    /// <param name="lease">The lease.</param>
    void GiveBack(in GuardedPort lease)
    {
    }

    /// <summary>
    /// Whether something outside the registry has a port that no claim of ours is in force on.
    /// </summary>
    /// <remarks>It looks now. True where nobody can be asked.</remarks>
    bool IsTaken(PortProtocol protocol, int port) => true;

    /// <summary>
    /// Lets go of the ports that have waited for their owner's return since then or longer.
    /// </summary>
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

    /// <summary>
    /// Nobody listens, but closed connections linger or a silent socket is bound.
    /// </summary>
    /// <remarks>Good only when insisted on.</remarks>
    Lingering,

    /// <summary>A stranger has it.</summary>
    InUse,

    /// <summary>Nobody has it, and this user may not bind it.</summary>
    Denied,

    /// <summary>
    /// Another thread is at the placeholder that an earlier claim of ours left there, or it cannot
    /// be held for now, for want of memory say.
    /// </summary>
    /// <remarks>No stranger has it; for now another port comes first.</remarks>
    Busy,
}
