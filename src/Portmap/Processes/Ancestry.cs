using System.Globalization;

namespace Portmap.Processes;

/// <summary>Which process descends from which, as /proc/pid/stat says now.</summary>
/// <remarks>A process whose parent has died belongs to another one (init, or a subreaper) from then on, so the descent ends there. Linux only.</remarks>
internal static class Ancestry
{
    /// <summary>No line of parents is longer than this; one that is was read while numbers were reused.</summary>
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

            processId = ParentOf(processId);
        }

        return false;
    }

    /// <summary>The parent of a process, or 0 where that cannot be read.</summary>
    public static int ParentOf(int processId)
    {
        try
        {
            // pid (comm) state ppid …, and comm may hold anything: so after the last parenthesis.
            string stat = File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{processId}/stat"));
            string[] fields = stat[(stat.LastIndexOf(')') + 1)..].Split(' ', 4, StringSplitOptions.RemoveEmptyEntries);
            return fields.Length > 1 && int.TryParse(fields[1], NumberStyles.None, CultureInfo.InvariantCulture, out int parent) ? parent : 0;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return 0;
        }
    }
}
