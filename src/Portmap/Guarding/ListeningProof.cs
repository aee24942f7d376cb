using System.Globalization;
using Portmap.Processes;

namespace Portmap.Guarding;

/// <summary>"Who takes something proves that it listens".</summary>
/// <remarks>
/// The kernel is asked before a registration takes anything from anybody: one question, about one
/// port, on the caller's thread. A registration that takes nothing never comes here.
/// </remarks>
internal static class ListeningProof
{
    /// <summary>
    /// Null when somebody listens on the port (UDP: has it bound), where the process can see it.
    /// </summary>
    /// <param name="said">
    /// What the process says. The socket must be its own where the placeholder listens itself, as
    /// one that is passed to a program does.
    /// </param>
    /// <param name="owner">The owner.</param>
    /// <param name="isHeld">
    /// A placeholder of ours lies on the port. UDP shows it like a socket of somebody's, and while
    /// it is there nobody else is.
    /// </param>
    /// <param name="reader">Whom a host that is made up asks instead.</param>
    /// <returns>Else why the registration is refused.</returns>
    public static PortRefusal? Demand(in ReportedListener said, string owner, bool isHeld, ListenReader reader)
    {
        (PortProtocol protocol, int port, _, _) = said;
        bool? listens = said.IsOwnSocket ? ListensItself(said)
            : isHeld && protocol == PortProtocol.Udp ? false
            : reader.Host is null ? ListenTable.IsListenedOn(protocol, port) : reader.Read(protocol).Listens(port);
        if (listens == true || ListensInItsOwnNetwork(said))
        {
            return null;
        }

        return (listens, said.IsOwnSocket) switch
        {
            (null, false) => ListenerRefusals.Unverifiable(owner, port, protocol, "neither sock_diag nor /proc/net can be read", "Give the daemon the right to read /proc/net"),
            (null, true) => ListenerRefusals.Unverifiable(
                owner, port, protocol,
                string.Create(CultureInfo.InvariantCulture, $"the daemon itself listens there, and what sockets process {said.Process.Id} has cannot be read"),
                "Run the daemon as root, or the process as the daemon's user"),
            (_, false) => ListenerRefusals.TakesUnproven(owner, port, protocol),
            (_, true) => ListenerRefusals.TakesPassed(owner, port, protocol),
        };
    }

    /// <summary>Whether the process has one of the sockets that listen on the port.</summary>
    /// <remarks>The daemon's own process has each that it passes on, for all of them.</remarks>
    private static bool? ListensItself(in ReportedListener said)
    {
        if (!said.Process.IsKnown || said.Process.Id == Environment.ProcessId)
        {
            return false;
        }

        if (ProcessSockets.Of(said.Process.Id) is not { } own)
        {
            return null;
        }

        ListenTable table = ListenTable.On(said.Protocol, said.Port);
        return table.Listens(said.Port, own) ? true : table.IsComplete ? false : null;
    }

    private static bool ListensInItsOwnNetwork(in ReportedListener said) =>
        said.Process.IsKnown
        && ProcessFiles.IsInAnotherNetwork(said.Process.Id)
        && ProcessFiles.ForeignNetworkOf(said.Process.Id) is { } folder
        && ListenTable.Read(said.Protocol, folder).Listens(said.Port);
}
