using System.Globalization;
using Portmap.Native;
using Portmap.Processes;

namespace Portmap.Guarding;

/// <summary>
/// The sockets among the descriptors of a process, by inode, as /proc/pid/fd says.
/// </summary>
internal static class ProcessSockets
{
    private const string Prefix = "socket:[";

    /// <summary>
    /// The inodes; null where that folder may not be read (another user's process) or is not there.
    /// </summary>
    public static HashSet<long>? Of(int processId)
    {
        bool isShort = false;
        return Of(processId, ref isShort);
    }

    /// <inheritdoc cref="Of(int)"/>
    /// <param name="processId">The process.</param>
    /// <param name="isShort">Becomes true for want of a descriptor or of memory.</param>
    public static HashSet<long>? Of(int processId, ref bool isShort)
    {
        HashSet<long> inodes = [];
        return TryVisit(processId, inode => inodes.Add(inode), ref isShort) ? inodes : null;
    }

    /// <summary>
    /// All processes that have one of some sockets, and which; the oldest process first. Takes
    /// milliseconds: never on a hot path.
    /// </summary>
    /// <param name="sockets">The sockets.</param>
    public static IReadOnlyList<(int ProcessId, List<long> Sockets)> HoldersOf(IReadOnlySet<long> sockets) => HoldersOf(sockets, out _);

    /// <inheritdoc cref="HoldersOf(IReadOnlySet{long})"/>
    /// <param name="sockets">The sockets.</param>
    /// <param name="isWhole">False when a process was passed over for want of a descriptor or of
    /// memory: nobody may be taken for gone by it.</param>
    public static IReadOnlyList<(int ProcessId, List<long> Sockets)> HoldersOf(IReadOnlySet<long> sockets, out bool isWhole)
    {
        List<(long Start, int ProcessId, List<long> Sockets)> holders = [];
        bool isAny = false, isShort = false;
        foreach (int processId in ProcessFiles.All())
        {
            isAny = true;
            List<long>? held = null;
            TryVisit(
                processId,
                inode =>
                {
                    if (sockets.Contains(inode))
                    {
                        (held ??= []).Add(inode);
                    }
                },
                ref isShort);
            if (held is not null && ProcessStat.TryRead(processId, out ProcessStat stat, ref isShort))
            {
                holders.Add((stat.Start, processId, held));
            }
        }

        isWhole = isAny && !isShort;   // we ourselves are always there
        return [.. holders.OrderBy(holder => holder.Start).ThenBy(holder => holder.ProcessId).Select(holder => (holder.ProcessId, holder.Sockets))];
    }

    private static bool TryVisit(int processId, Action<long> visit, ref bool isShort)
    {
        string folder = string.Create(CultureInfo.InvariantCulture, $"/proc/{processId}");
        int seen = 0;
        return TryVisit(folder, visit, ref seen, ref isShort)
            && (seen != 0 || ProcessFiles.FolderOf(processId) is var living && (living == folder || TryVisit(living, visit, ref seen, ref isShort)));
    }

    private static bool TryVisit(string folder, Action<long> visit, ref int seen, ref bool isShort)
    {
        try
        {
            foreach (string? target in DescriptorLinks.Of(folder))
            {
                seen++;
                // The link reads socket:[12345].
                if (target is not null && target.StartsWith(Prefix, StringComparison.Ordinal)
                    && long.TryParse(target.AsSpan(Prefix.Length, target.Length - Prefix.Length - 1), NumberStyles.None, CultureInfo.InvariantCulture, out long inode))
                {
                    visit(inode);
                }
            }

            return true;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            isShort |= ProcessStat.IsShort(exception);
            return false;
        }
    }
}
