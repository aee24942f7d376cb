using Portmap.Processes;

namespace Portmap.Guarding;

/// <summary>"Who takes something proves that it listens": the kernel's list is asked before a registration takes anything from anybody.</summary>
/// <remarks>It asks for one port, about 20 µs, on the caller's thread. A registration that takes nothing never comes here.</remarks>
internal static class ListeningProof
{
    /// <summary>Null when somebody listens on the port (UDP: has it bound), where the process can see it; else why the registration is refused.</summary>
    /// <param name="session">The session of the process.</param>
    /// <param name="owner">The owner.</param>
    /// <param name="port">The port.</param>
    /// <param name="protocol">TCP or UDP.</param>
    /// <param name="isHeld">A placeholder of ours lies on the port. UDP shows it like a socket of somebody's, and while it is there nobody else is.</param>
    public static PortRefusal? Demand(PortSession session, string owner, int port, PortProtocol protocol, bool isHeld)
    {
        bool? listens = isHeld && protocol == PortProtocol.Udp ? false : Listens(protocol, port);
        if (listens == true || ListensInItsOwnNetwork(session, port, protocol))
        {
            return null;
        }

        return listens is null
            ? Refusals.Unverifiable(owner, port, protocol, "neither sock_diag nor /proc/net can be read")
            : Refusals.TakesUnproven(owner, port, protocol);
    }

    private static bool? Listens(PortProtocol protocol, int port)
    {
        if (PortSockets.Listening(protocol, port) is { } listeners)
        {
            return listeners.Count != 0;
        }

        ListenTable table = ListenTable.Read(protocol);
        return table.Listens(port) ? true : table.IsComplete ? false : null;
    }

    private static bool ListensInItsOwnNetwork(PortSession session, int port, PortProtocol protocol) =>
        session.Process.IsKnown
        && ProcessFiles.NetworkOf(session.Process.Id) is { } its && its != ProcessFiles.NetworkOf(Environment.ProcessId)
        && ProcessFiles.ForeignNetworkOf(session.Process.Id) is { } folder
        && ListenTable.Read(protocol, folder).Listens(port);
}
