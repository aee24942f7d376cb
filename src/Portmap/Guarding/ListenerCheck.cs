using System.Globalization;
using Portmap.Processes;

namespace Portmap.Guarding;

/// <summary>Whether a process listens where it says.</summary>
/// <remarks>
/// The kernel's lists of its own network tell, and its own descriptors. What cannot be seen
/// convicts nobody: it is neither refused as not listening nor ended. Linux only.
/// </remarks>
internal static class ListenerCheck
{
    /// <summary>Why a registration is not believed, or null.</summary>
    /// <param name="said">What the process says.</param>
    /// <param name="owner">The owner.</param>
    /// <param name="ours">Who listens in our own network.</param>
    public static PortRefusal? Refuse(in ReportedListener said, string owner, ListenTable ours)
    {
        (PortProtocol protocol, int port, ProcessIdentity process, bool isOwnSocket) = said;
        ListenTable table = process.IsKnown ? TableOf(said, ours) : ours;
        if (!table.Listens(port))
        {
            return !table.IsComplete ? Unverifiable(said, owner, table.WhyIncomplete!)
                : process.IsKnown ? ListenerRefusals.NobodyListens(owner, port, protocol)
                : Unverifiable(said, owner, "nobody listens there in the daemon's network, and the process is not known here, so it may have one of its own");
        }

        if (!isOwnSocket)
        {
            return null;
        }

        return table.SocketsOf(process.Id) is not { } sockets
            ? Unverifiable(said, owner, string.Create(CultureInfo.InvariantCulture, $"/proc/{process.Id}/fd may not be read"))
            : table.Listens(port, sockets) ? null
            : !table.IsComplete ? Unverifiable(said, owner, table.WhyIncomplete!)
            : ListenerRefusals.AnotherListens(owner, port, protocol, process.Id, () => table.HolderOf(port));
    }

    /// <summary>Whether an entry in force may stand.</summary>
    /// <remarks>
    /// Somebody listens on its port, and, where the socket must be its own, still its own process.
    /// </remarks>
    /// <param name="entry">What was registered.</param>
    /// <param name="table">A list that was read whole.</param>
    /// <param name="read">The sockets of processes that were read in this pass.</param>
    public static bool Listens(
        in ReportedListener entry, ListenTable table, Dictionary<ProcessIdentity, HashSet<long>?> read)
    {
        if (!table.Listens(entry.Port))
        {
            return false;
        }

        if (!entry.IsOwnSocket || !entry.Process.IsKnown)
        {
            return true;
        }

        if (!read.TryGetValue(entry.Process, out HashSet<long>? sockets))
        {
            read.Add(entry.Process, sockets = table.SocketsOf(entry.Process.Id));
        }

        return sockets is null || table.Listens(entry.Port, sockets);
    }

    /// <summary>
    /// Whether the process has a network of its own, where it listens, or cannot be looked at.
    /// </summary>
    /// <remarks>What cannot be seen is not ended.</remarks>
    public static bool MayListenElsewhere(in ReportedListener entry, ListenReader reader)
    {
        if (!entry.Process.IsKnown)
        {
            return true;
        }

        ListenTable its = TableOf(entry, reader.Host is null ? null : reader.Read(entry.Protocol));
        return !its.IsComplete || Listens(entry, its, []);
    }

    /// <summary>The options alone ask for this look, so whoever wants to may do without it.</summary>
    private static PortRefusal Unverifiable(in ReportedListener said, string owner, string why) =>
        ListenerRefusals.Unverifiable(owner, said.Port, said.Protocol, why, "Give the daemon the right to read it, or switch VerifyProcess or VerifyListening off");

    /// <summary>Who listens in the network of the process.</summary>
    private static ListenTable TableOf(in ReportedListener said, ListenTable? ours) =>
        ours is not { IsSimulated: true } && ProcessFiles.ForeignNetworkOf(said.Process.Id) is { } folder
            ? ListenTable.Read(said.Protocol, folder)
            : ours ?? ListenTable.Read(said.Protocol);
}
