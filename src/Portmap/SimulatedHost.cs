namespace Portmap;

/// <summary>
/// A host whose processes and sockets somebody makes up, where the operating system would be asked.
/// </summary>
/// <param name="Sockets">
/// The sockets of a protocol that have a port: this one, or with 0 any.
/// </param>
/// <param name="StartOf">When a process began; null when it does not live.</param>
/// <param name="BootId">The boot of the host; null is the real one's.</param>
/// <remarks>
/// The functions are called by any thread. A process has one number for all its sockets, which is
/// its own: what one of its sockets does, it does.
/// </remarks>
internal sealed record SimulatedHost(
    Func<PortProtocol, int, IEnumerable<(int Port, int ProcessId, bool Listens)>> Sockets,
    Func<int, long?> StartOf,
    Guid? BootId)
{
    /// <summary>When a process began; 0 when it is unknown or does not live.</summary>
    public long StartOrZero(int processId, out bool isDead)
    {
        long? start = processId > 0 ? StartOf(processId) : null;
        isDead = processId > 0 && start is null;
        return start ?? 0;
    }

    /// <summary>Whether a process lives that began then; one without a number is believed
    /// to.</summary>
    public bool IsAlive(int processId, long start) => processId <= 0 || StartOf(processId) == start;
}
