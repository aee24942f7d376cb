using Portmap.Guarding;
using Portmap.Tool.Host;
using Portmap.Tool.Output;

namespace Portmap.Tool.Examining;

/// <summary>The entries of a daemon, held against the processes and the kernel of this host where
/// they are the daemon's.</summary>
internal static class MapChecks
{
    public const string Gone = "processGone", Silent = "nobodyListens", Foreign = "foreignPorts";

    /// <summary>Why nothing can be told of processes.</summary>
    public const string NotHere = "the processes that the daemon names may be others than those of this host";

    /// <summary>How many entries one finding names.</summary>
    private const int MostNamed = 10;

    /// <param name="entries">What a daemon serves.</param>
    /// <param name="isHere">Whether the processes that it names are those of this host.</param>
    public static IReadOnlyList<Check> Find(IReadOnlyList<PortEntry> entries, bool isHere)
    {
        PortEntry[] foreign = [.. entries.Where(entry => entry.State == PortState.Foreign)];
        return
        [
            .. isHere ? FindLost(entries) : [Check.Unknown(Gone, NotHere), Check.Unknown(Silent, NotHere)],
            Make(Foreign, foreign, "ports of the range belong to the daemon's owners", "Look who has them (portmap who PORT), and move that program or the range."),
        ];
    }

    private static Check[] FindLost(IReadOnlyList<PortEntry> entries)
    {
        PortEntry[] bound = [.. entries.Where(entry => entry.State == PortState.Bound && entry.ProcessId is not null)];
        PortEntry[] gone = [.. bound.Where(entry => !HostProcesses.IsAlive(entry.ProcessId!.Value))];
        return
        [
            Make(Gone, gone, "lookups answer with the port of a process that lives", "Wait for the daemon's next pass (LivenessInterval)."),
            FindSilent([.. bound.Except(gone)]),
        ];
    }

    private static Check FindSilent(PortEntry[] living)
    {
        if (PortSockets.Listening(PortProtocol.Tcp, 0) is not { } tcp || PortSockets.Listening(PortProtocol.Udp, 0) is not { } udp)
        {
            return Check.Unknown(Silent, "the kernel's list of sockets cannot be had here");
        }

        HashSet<(PortProtocol, int)> listening =
        [
            .. tcp.Select(socket => (PortProtocol.Tcp, socket.Port)), .. udp.Select(socket => (PortProtocol.Udp, socket.Port)),
        ];
        return Make(
            Silent,
            [.. living.Where(entry => !listening.Contains((entry.Protocol, entry.Port)))],
            "the process of an entry listens in this network",
            "Restart that process, or ask from the network namespace that it is in.");
    }

    private static Check Make(string name, PortEntry[] entries, string expected, string remedy)
    {
        if (entries.Length == 0)
        {
            return new Check(name, CheckResult.Ok);
        }

        string named = string.Join("; ", entries.Take(MostNamed).Select(entry => entry.Owner.Length == 0
            ? Words.Place(entry)
            : Words.Text($"{Words.Place(entry)} {Words.Of(Words.Cut(entry.Owner))} (pid {Words.Of(entry.ProcessId)})")));
        return new Check(name, CheckResult.Found, Words.Text($"{entries.Length}: {named}{(entries.Length > MostNamed ? "; …" : string.Empty)}"), expected, remedy);
    }
}
