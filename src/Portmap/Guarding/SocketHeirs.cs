using Portmap.Processes;

namespace Portmap.Guarding;

/// <summary>Who goes on with a socket that was passed to a program which has died.</summary>
/// <remarks>
/// What the program forked, the workers of a server say, has the socket still and accepts on it. It
/// is looked for when the socket is to be another lease's, which takes milliseconds.
/// </remarks>
internal static class SocketHeirs
{
    /// <summary>Whether anybody but this process listens on a port by our socket, or beside
    /// it.</summary>
    /// <returns>Null when nobody can tell now.</returns>
    public static bool? AreOn(PortProtocol protocol, int port)
    {
        ListenTable table = ListenTable.On(protocol, port);
        HashSet<long> sockets = [.. table.SocketsOn(port)];
        if (sockets.Count > 1)
        {
            return true;   // ours is one
        }

        IReadOnlyList<(int ProcessId, List<long> Sockets)> holders = ProcessSockets.HoldersOf(sockets, out bool isWhole);
        bool isAllSeen = table.IsComplete && isWhole;
        foreach ((int processId, _) in holders)
        {
            if (processId != Environment.ProcessId && IsAboutToExec(processId) is var isCopy and not true)
            {
                if (isCopy == false)
                {
                    return true;
                }

                isAllSeen = false;
            }
        }

        return isAllSeen ? false : null;
    }

    /// <summary>Whether it is a child of ours between fork and exec: it has a copy of each
    /// descriptor, and loses this one. Null when it cannot be told.</summary>
    private static bool? IsAboutToExec(int processId)
    {
        bool isShort = false;
        if (!ProcessStat.TryRead(processId, out ProcessStat stat, ref isShort) || !stat.IsAlive)
        {
            return isShort ? null : true;   // it has gone, and its copy with it
        }

        return stat.Parent != Environment.ProcessId ? false
            : ProcessFiles.CommandOf(processId) is { } command ? command == ProcessFiles.CommandOf(Environment.ProcessId)
            : null;
    }
}
