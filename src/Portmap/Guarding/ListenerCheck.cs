using System.Globalization;
using Portmap.Processes;
using Portmap.Table;

namespace Portmap.Guarding;

/// <summary>Whether a process listens where it says, by the kernel's lists of its own network and by its own descriptors.</summary>
/// <remarks>What cannot be seen convicts nobody: it is neither refused as not listening nor ended. Linux only.</remarks>
internal static class ListenerCheck
{
    /// <summary>Why a registration is not believed, or null.</summary>
    /// <param name="session">Who says so.</param>
    /// <param name="owner">The owner.</param>
    /// <param name="port">The port.</param>
    /// <param name="protocol">TCP or UDP.</param>
    /// <param name="ours">Who listens in our own network.</param>
    /// <param name="byProcess">Whether the socket must be the process's own.</param>
    public static PortRefusal? Refuse(PortSession session, string owner, int port, PortProtocol protocol, ListenTable ours, bool byProcess)
    {
        bool isKnown = session.Process.IsKnown;
        ListenTable table = isKnown && ProcessFiles.ForeignNetworkOf(session.Process.Id) is { } folder ? ListenTable.Read(protocol, folder) : ours;
        if (!table.Listens(port))
        {
            return !table.IsComplete ? Refusals.Unverifiable(owner, port, protocol, table.WhyIncomplete!)
                : isKnown ? Refusals.NobodyListens(owner, port, protocol)
                : Refusals.Unverifiable(owner, port, protocol, "nobody listens there in the daemon's network, and the process is not known here, so it may have one of its own");
        }

        if (!byProcess)
        {
            return null;
        }

        return ProcessSockets.Of(session.Process.Id) is not { } sockets
            ? Refusals.Unverifiable(owner, port, protocol, string.Create(CultureInfo.InvariantCulture, $"/proc/{session.Process.Id}/fd may not be read"))
            : table.Listens(port, sockets) ? null
            : !table.IsComplete ? Refusals.Unverifiable(owner, port, protocol, table.WhyIncomplete!)
            : Refusals.AnotherListens(owner, port, protocol, session.Process.Id);
    }

    /// <summary>Whether an entry in force may stand: somebody listens on its port, and, where it was registered by its socket, still its own process.</summary>
    /// <param name="claim">The entry.</param>
    /// <param name="table">A list that was read whole.</param>
    /// <param name="byProcess">Whether the socket of any entry must be its process's own.</param>
    /// <param name="read">The sockets that were read in this pass.</param>
    public static bool Listens(PortClaim claim, ListenTable table, bool byProcess, Dictionary<PortSession, HashSet<long>?> read)
    {
        PortSession session = claim.Session!;
        if (!table.Listens(claim.Port))
        {
            return false;
        }

        if ((!byProcess && session.Program is null) || !session.Process.IsKnown)
        {
            return true;
        }

        if (!read.TryGetValue(session, out HashSet<long>? sockets))
        {
            read.Add(session, sockets = ProcessSockets.Of(session.Process.Id));
        }

        return sockets is null || table.Listens(claim.Port, sockets);
    }

    /// <summary>Whether the process has a network of its own, where it listens, or cannot be looked at: what cannot be seen is not ended.</summary>
    public static bool MayListenElsewhere(PortClaim claim, bool byProcess)
    {
        PortSession session = claim.Session!;
        if (!session.Process.IsKnown)
        {
            return true;
        }

        ListenTable its = ListenTable.Read(claim.Protocol, ProcessFiles.ForeignNetworkOf(session.Process.Id) ?? ListenTable.OwnFolder);
        return !its.IsComplete || Listens(claim, its, byProcess, []);
    }
}
