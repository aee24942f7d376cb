using System.Globalization;
using Portmap.Table;

namespace Portmap.Operations;

/// <summary>Why an ask of several requests is refused, beside what refuses a single
/// one.</summary>
internal static class GroupRefusals
{
    public static PortRefusal TooManyTogether(int count, int most) =>
        new(PortRefusalReason.LimitReached, () => Text($"{count} requests are too many for one ask; the bound is {most}. Ask for fewer at once."));

    public static PortRefusal TwiceInOneAsk(PortRequest request) =>
        new(
            PortRefusalReason.AlreadyReserved,
            () => Text($"{request.Owner} stands twice in one ask for {request.Protocol}, and an owner has at most one open lease of a protocol. Give each port an owner of its own, such as {request.Owner}/2."),
            request.Owner, 0, request.Protocol);

    public static PortRefusal RequiredTwice(PortRequest request, string other) =>
        new(
            PortRefusalReason.InvalidPort,
            () => Text($"{request.Owner} requires port {request.PreviousPort}, which {other} requires in the same ask, and a port has one owner. Require another port, or ask with Prefer or Fresh."),
            request.Owner, request.PreviousPort, request.Protocol);

    public static PortRefusal Contended(int count, int tries) =>
        new(PortRefusalReason.Contended, () => Text($"{count} requests in one ask met changes of others to their owners or ports {tries} times in a row, and nothing was taken. Ask again, or have one caller ask for these owners."));

    public static PortRefusal NeedsNumbers(PortRequest request, string strategy) =>
        new(
            PortRefusalReason.NeedsNumbers,
            () => $"Ports in a row need a strategy that names them, and {strategy} leaves the port of {request.Owner} to its process. Ask with Strategy = {PortRegistryOptions.AllocatorPicks}, or not for ports in a row.",
            request.Owner, 0, request.Protocol);

    public static PortRefusal NotInARow(PortRequest request, int place) =>
        new(
            PortRefusalReason.InvalidPort,
            () => Text($"{request.Owner} requires port {request.PreviousPort}, and in this row it would be {place}. Require the ports of one row in the order of the requests, or ask with Prefer or Fresh."),
            request.Owner, request.PreviousPort, request.Protocol);

    public static PortRefusal PastTheLastPort(PortRequest request, int first, int count) =>
        new(
            PortRefusalReason.InvalidPort,
            () => Text($"{request.Owner} requires port {request.PreviousPort}, and with it {count} ports in a row would be {first} to {first + count - 1}; ports are 1 to 65535. Require another port, ask for a shorter row, or ask with Prefer or Fresh."),
            request.Owner, request.PreviousPort, request.Protocol);

    /// <param name="parts">Who has the ports; asked again when the text is read.</param>
    /// <param name="first">The first of what was asked for.</param>
    /// <param name="count">How many were asked for.</param>
    /// <param name="on">Whether any of them was asked for on TCP, and on UDP.</param>
    /// <param name="denied">The ports that the system did not let us bind, if any.</param>
    public static PortRefusal NoBlock(RegistryParts parts, PortRequest first, int count, (bool Tcp, bool Udp) on, HashSet<int>? denied)
    {
        PortPool pool = parts.Pools.Find(first.Ports, out _);
        if (denied is not null && LongestRun(parts, pool, on, []).Length >= count && LongestRun(parts, pool, on, denied).Length < count)
        {
            return Refusals.Denied(first, denied.Min());   // but for that there would be a row
        }

        return new(
            PortRefusalReason.Exhausted,
            () =>
            {
                PortCounts counts = parts.Table.Ports.Count(on.Tcp ? PortProtocol.Tcp : PortProtocol.Udp, pool);
                (int begin, int length) = LongestRun(parts, pool, on, denied ?? []);
                string longest = length == 0 ? "no port is free" : Text($"the longest run there is has {length} ({begin}-{begin + length - 1})");
                string barred = denied is null ? string.Empty : Text($", {denied.Count} may not be bound by this user (EACCES)");
                return Text($"No {count} ports in a row of {pool.Text} ({pool.Count} that may be handed out) are free on {(on is (true, true) ? "Tcp and Udp" : on.Tcp ? "Tcp" : "Udp")}: {longest}; {counts.Bound} are bound, {counts.Reserved} reserved, {counts.Cooling} cooling, {counts.Foreign} foreign{barred}. Widen Ports, ask for a shorter row, or release what is not used.");
            },
            first.Owner, 0, first.Protocol);
    }

    private static (int First, int Length) LongestRun(RegistryParts parts, PortPool pool, (bool Tcp, bool Udp) on, HashSet<int> without)
    {
        (int First, int Length) longest = default;
        int length = 0;
        PortRange range = pool.Span;
        for (int port = range.First; port <= range.Last; port++)
        {
            bool isFree = parts.Settings.HandsOut(port) && pool.Contains(port) && !without.Contains(port)
                && (!on.Tcp || IsFree(parts, PortProtocol.Tcp, port)) && (!on.Udp || IsFree(parts, PortProtocol.Udp, port));
            length = isFree ? length + 1 : 0;
            longest = length > longest.Length ? (port - length + 1, length) : longest;
        }

        return longest;
    }

    private static bool IsFree(RegistryParts parts, PortProtocol protocol, int port) =>
        parts.Table.Ports.Look(protocol, port, asksFor: null, parts.Settings.ReuseCooling, parts.NowMs).Availability == PortAvailability.Free;

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
