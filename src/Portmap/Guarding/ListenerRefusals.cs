using System.Globalization;
using Portmap.Processes;

namespace Portmap.Guarding;

/// <summary>Why it is not believed that a process listens.</summary>
internal static class ListenerRefusals
{
    public static PortRefusal NobodyListens(string owner, int port, PortProtocol protocol) =>
        new(
            PortRefusalReason.NotListening,
            () => Text($"Nobody listens on the port {port} that was registered for {owner}, says the kernel's list of the network its process is in. Register after Listen has returned."),
            owner, port, protocol);

    public static PortRefusal TakesUnproven(string owner, int port, PortProtocol protocol) =>
        new(
            PortRefusalReason.NotListening,
            () => Text($"Nobody listens on the port {port} ({protocol}), says the kernel, so {owner} cannot take it from who has it, nor replace what it has. Register after Listen has returned (UDP: after Bind)."),
            owner, port, protocol);

    public static PortRefusal TakesPassed(string owner, int port, PortProtocol protocol) =>
        new(
            PortRefusalReason.NotListening,
            () => Text($"The daemon listens on the port {port} ({protocol}) for another claim, and the process of {owner} does not have that socket, so {owner} cannot take it. Register another port, or from the program that was started with the socket."),
            owner, port, protocol);

    /// <param name="owner">The owner.</param>
    /// <param name="port">The port.</param>
    /// <param name="protocol">TCP or UDP.</param>
    /// <param name="processId">The process that does not listen.</param>
    /// <param name="findListener">Looks for the one that does, which takes milliseconds; 0 where it
    /// cannot be seen.</param>
    public static PortRefusal AnotherListens(string owner, int port, PortProtocol protocol, int processId, Func<int> findListener) =>
        new(
            PortRefusalReason.NotListening,
            () => Text($"Somebody listens on the port {port} that was registered for {owner}{(findListener() is > 0 and int listener ? Text($" (pid {listener}, {ProcessFiles.NameOf(listener)})") : string.Empty)}, but no socket of process {processId} does. Register from the process that listens."),
            owner, port, protocol)
        { FindHolder = findListener };

    /// <param name="owner">The owner.</param>
    /// <param name="port">The port.</param>
    /// <param name="protocol">TCP or UDP.</param>
    /// <param name="why">What cannot be seen.</param>
    /// <param name="remedy">What to do. Options are part of it only where they ask for this.</param>
    public static PortRefusal Unverifiable(string owner, int port, PortProtocol protocol, string why, string remedy) =>
        new(
            PortRefusalReason.Unverifiable,
            () => Text($"Whether the process of {owner} listens on port {port} cannot be verified: {why}. {remedy}."),
            owner, port, protocol);

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
