namespace Portmap.Processes;

/// <summary>Which process descends from which, as /proc/pid/stat says now.</summary>
/// <remarks>
/// A process whose parent has died belongs to another one (init, or a subreaper) from then on, so
/// the descent ends there. Linux only.
/// </remarks>
internal static class Ancestry
{
    /// <summary>
    /// No line of parents is longer than this; one that is was read while numbers were reused.
    /// </summary>
    private const int MaxDepth = 64;

    /// <summary>Whether a process is another one, or its child, or a child of such a one.</summary>
    public static bool IsDescendant(int processId, int of)
    {
        for (int depth = 0; processId > 1 && depth < MaxDepth; depth++)
        {
            if (processId == of)
            {
                return true;
            }

            processId = ProcessStat.TryRead(processId, out ProcessStat stat) ? stat.Parent : 0;
        }

        return false;
    }
}
