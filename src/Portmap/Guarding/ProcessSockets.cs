using System.Globalization;

namespace Portmap.Guarding;

/// <summary>The sockets among the descriptors of a process, by inode, as /proc/pid/fd says.</summary>
internal static class ProcessSockets
{
    private const string Prefix = "socket:[";

    /// <summary>The inodes; null where that folder may not be read (another user's process) or is not there.</summary>
    public static HashSet<long>? Of(int processId)
    {
        HashSet<long> inodes = [];
        return TryVisit(processId, inode => inodes.Add(inode)) ? inodes : null;
    }

    /// <summary>Looks at every process for the holders of some sockets; stops when all are found. Takes milliseconds: never on a hot path.</summary>
    /// <param name="inodes">The sockets; those that are found are removed.</param>
    /// <param name="found">Told of each socket and the first process that has it.</param>
    public static void FindHolders(HashSet<long> inodes, Action<long, int> found)
    {
        try
        {
            foreach (string folder in Directory.EnumerateDirectories("/proc"))
            {
                if (inodes.Count == 0)
                {
                    return;
                }

                if (int.TryParse(Path.GetFileName(folder.AsSpan()), NumberStyles.None, CultureInfo.InvariantCulture, out int processId))
                {
                    TryVisit(processId, inode =>
                    {
                        if (inodes.Remove(inode))
                        {
                            found(inode, processId);
                        }
                    });
                }
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // Who cannot be looked at is not named.
        }
    }

    private static bool TryVisit(int processId, Action<long> visit)
    {
        try
        {
            foreach (string descriptor in Directory.EnumerateFiles(string.Create(CultureInfo.InvariantCulture, $"/proc/{processId}/fd")))
            {
                // The link reads socket:[12345].
                if (TryReadLink(descriptor) is { } target && target.StartsWith(Prefix, StringComparison.Ordinal)
                    && long.TryParse(target.AsSpan(Prefix.Length, target.Length - Prefix.Length - 1), NumberStyles.None, CultureInfo.InvariantCulture, out long inode))
                {
                    visit(inode);
                }
            }

            return true;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private static string? TryReadLink(string path)
    {
        try
        {
            return new FileInfo(path).LinkTarget;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;   // closed meanwhile
        }
    }
}
