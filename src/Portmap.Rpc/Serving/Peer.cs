namespace Portmap.Rpc.Serving;

/// <summary>Who is at the other end of a connection, as far as the kernel knows, and what it may do.</summary>
/// <param name="Name">For logs.</param>
/// <param name="ProcessId">The process as the kernel names it; 0 when it does not know.</param>
/// <param name="MayClaimProcess">Whether a process id that the peer states is worth a look: over TCP on loopback, where the kernel knows none.</param>
internal readonly record struct Peer(string Name, int ProcessId, bool MayClaimProcess)
{
    /// <summary>What connections are counted by: the process, or the address.</summary>
    public string Origin { get; init; } = Name;

    /// <summary>Whether it may register and release.</summary>
    public bool MayChange { get; init; } = true;

    /// <summary>Whether it may acquire for others.</summary>
    public bool MayAcquire { get; init; } = true;

    /// <exception cref="PortRefusedException">The peer may look up and watch only.</exception>
    public void DemandChange(string owner)
    {
        if (!MayChange)
        {
            throw NotPermitted(owner, "may look up and watch only (AllowedUserIds, AllowTcpChanges); ask as the daemon's user, or have the daemon allow it.");
        }
    }

    /// <exception cref="PortRefusedException">The peer may not acquire for others.</exception>
    public void DemandAcquire(string owner)
    {
        DemandChange(owner);
        if (!MayAcquire)
        {
            throw NotPermitted(owner, "may not acquire: only the daemon itself does (AllowAcquire); have it acquire for this owner.");
        }
    }

    /// <summary>The process a registration is made for: what the kernel says, else a claim that is alive on this host, else unknown.</summary>
    /// <remarks>A claimed process that does not live here is one of another pid namespace or a lie; both mean that nobody can watch it.</remarks>
    public int Resolve(int claimedProcessId) =>
        ProcessId != 0 || !MayClaimProcess || claimedProcessId <= 0 ? ProcessId
        : !OperatingSystem.IsLinux() || Directory.Exists($"/proc/{claimedProcessId}") ? claimedProcessId
        : 0;

    private PortRefusedException NotPermitted(string owner, string what) =>
        new(PortRefusal.Create(PortRefusalReason.NotPermitted, $"Nothing was changed for '{owner}': {Name} {what}", owner));
}
