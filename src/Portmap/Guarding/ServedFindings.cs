using System.Globalization;

namespace Portmap.Guarding;

/// <summary>
/// What the kernel's list of listeners says of registered ports that no guarantee tells.
/// </summary>
/// <remarks>Who else listens there, and which addresses nobody serves.</remarks>
internal static class ServedFindings
{
    /// <summary>How many entries one finding names.</summary>
    private const int MostNamed = 20;

    /// <param name="registrations">The registrations in force.</param>
    /// <param name="now">Who listens.</param>
    public static IEnumerable<PortFinding> Find(IEnumerable<PortEntry> registrations, ListenersNow now)
    {
        List<string> partly = [];
        int left = 0;
        foreach (PortEntry entry in registrations)
        {
            if (now.On(entry.Protocol, entry.Port) is not { } listeners)
            {
                continue;
            }

            if (Shared(entry, listeners) is { } shared)
            {
                yield return shared;
            }

            if (entry.Guarantee != PortGuarantee.Exclusive && ServedAddresses.LeavesSome(listeners) && left++ < MostNamed)
            {
                partly.Add(Text($"{entry.Owner} on {entry.Port}/{entry.Protocol} ({Addresses(listeners)})"));
            }
        }

        if (left != 0)
        {
            yield return new PortFinding(
                PortFindingKind.PartlyServed,
                Text($"{left} entries serve some addresses of their port only: {string.Join("; ", partly)}{(left > MostNamed ? "; …" : string.Empty)}"),
                "another program may listen on the same port at the other addresses",
                "Let the process listen on every address of both families (a dual-stack socket on ::), or acquire its port with Guard = WhileAlive, which keeps the rest.");
        }
    }

    /// <summary>
    /// The finding that names who else listens on the port of a registration, or null.
    /// </summary>
    public static PortFinding? Shared(in PortEntry entry, IReadOnlyList<PortSocket> listeners)
    {
        int processId = entry.ProcessId ?? 0;
        if (listeners.Count < 2 || processId == 0 || ProcessSockets.Of(processId) is null)
        {
            return null;   // nobody else, or it cannot be told who is
        }

        IReadOnlyList<PortSocket> others = BehindTheGate.OthersAmong(listeners, processId);
        if (others.Count == 0)
        {
            return null;
        }

        Dictionary<long, ForeignHolder> holders = ForeignHolders.OfSockets(others.Select(other => other.Inode));
        string named = string.Join(", ", others.Select(other => holders.TryGetValue(other.Inode, out ForeignHolder? holder)
            ? Text($"process {holder.ProcessId} ({holder.Command}) at {other.Served}")
            : Text($"somebody of user {other.UserId} at {other.Served}")));
        return new PortFinding(
            PortFindingKind.PortShared,
            Text($"on {entry.Port}/{entry.Protocol}, which {entry.Owner} (pid {processId}) serves at {Addresses(listeners.Except(others))}, listens {named} too"),
            "one process has a port",
            "Stop that program, or acquire the port with Guard = WhileAlive at the next start, which keeps the addresses that the owner does not serve.");
    }

    private static string Addresses(IEnumerable<PortSocket> listeners)
    {
        string text = string.Join(", ", listeners.Select(listener => listener.Served).Distinct());
        return text.Length == 0 ? "no address" : text;
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
