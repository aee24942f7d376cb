using System.Globalization;
using System.Text;

namespace Portmap.Processes;

/// <summary>
/// The files that /proc has of one process; what cannot be read is null or empty.
/// </summary>
internal static class ProcessFiles
{
    private static readonly string? s_ownNetwork = TryReadLink("/proc/self/ns/net");

    /// <summary>The folder of a process.</summary>
    /// <remarks>
    /// When its main thread has ended and others go on, that of one of these: the main one shows
    /// neither descriptors nor network.
    /// </remarks>
    public static string FolderOf(int processId)
    {
        string folder = string.Create(CultureInfo.InvariantCulture, $"/proc/{processId}");
        return ProcessStat.TryRead(processId, out ProcessStat stat) && stat.IsHeadless
            ? Array.Find(ThreadsOf(processId), thread => !thread.EndsWith(folder[5..], StringComparison.Ordinal)) ?? folder
            : folder;
    }

    /// <summary>
    /// Where the network of a process is listed, when it is another one than ours or cannot be
    /// compared; null when it is ours.
    /// </summary>
    public static string? ForeignNetworkOf(int processId)
    {
        if (processId == Environment.ProcessId)
        {
            return null;
        }

        string folder = FolderOf(processId);
        return s_ownNetwork is not null && TryReadLink($"{folder}/ns/net") == s_ownNetwork ? null : $"{folder}/net";
    }

    /// <summary>
    /// Which network a process is in, as a name that only that one has; null when it may not be
    /// read.
    /// </summary>
    public static string? NetworkOf(int processId) => TryReadLink($"{FolderOf(processId)}/ns/net");

    /// <summary>
    /// Whether a process is known to be in another network than ours; no where that may not be read.
    /// </summary>
    public static bool IsInAnotherNetwork(int processId) =>
        s_ownNetwork is not null && NetworkOf(processId) is { } its && its != s_ownNetwork;

    /// <summary>
    /// The processes that its threads have forked and that live, or have not been waited for.
    /// </summary>
    public static List<int> ChildrenOf(int processId)
    {
        List<int> children = [];
        bool isShort = false;
        foreach (string thread in ThreadsOf(processId))
        {
            foreach (string word in (TryReadText($"{thread}/children", ref isShort) ?? string.Empty).Split(' ', StringSplitOptions.RemoveEmptyEntries))
            {
                if (int.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out int child))
                {
                    children.Add(child);
                }
            }
        }

        return children;
    }

    /// <summary>Its arguments, each ended by U+0000; null when there are none.</summary>
    public static string? CommandOf(int processId)
    {
        bool isShort = false;
        return CommandOf(processId, ref isShort);
    }

    /// <inheritdoc cref="CommandOf(int)"/>
    /// <param name="processId">The process.</param>
    /// <param name="isShort">Becomes true for want of a descriptor or of memory.</param>
    public static string? CommandOf(int processId, ref bool isShort) => Of(processId, "cmdline", ref isShort);

    /// <summary>Its environment when its program began, each variable ended by U+0000.</summary>
    /// <param name="processId">The process.</param>
    /// <param name="isShort">Becomes true for want of a descriptor or of memory.</param>
    public static string? EnvironmentOf(int processId, ref bool isShort) => Of(processId, "environ", ref isShort);

    /// <param name="processId">The process.</param>
    /// <param name="isShort">Becomes true for want of a descriptor or of memory.</param>
    public static string? GroupOf(int processId, ref bool isShort) => Of(processId, "cgroup", ref isShort);

    /// <summary>
    /// The name of its program as /proc/pid/comm says, to be shown; or the empty string.
    /// </summary>
    public static string NameOf(int processId)
    {
        bool isShort = false;
        return Of(processId, "comm", ref isShort, Encoding.UTF8)?.TrimEnd('\n') ?? string.Empty;
    }

    /// <summary>All processes that /proc shows.</summary>
    public static IEnumerable<int> All()
    {
        foreach (string folder in Folders("/proc"))
        {
            if (int.TryParse(Path.GetFileName(folder.AsSpan()), NumberStyles.None, CultureInfo.InvariantCulture, out int processId))
            {
                yield return processId;
            }
        }
    }

    private static string[] ThreadsOf(int processId) => Folders(string.Create(CultureInfo.InvariantCulture, $"/proc/{processId}/task"));

    private static string[] Folders(string path)
    {
        try
        {
            return Directory.GetDirectories(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    private static string? Of(int processId, string file, ref bool isShort, Encoding? encoding = null) =>
        TryReadText(string.Create(CultureInfo.InvariantCulture, $"/proc/{processId}/{file}"), ref isShort, encoding) is { Length: > 0 } text
            ? text
            : null;

    private static string? TryReadText(string path, ref bool isShort, Encoding? encoding = null)
    {
        try
        {
            return File.ReadAllText(path, encoding ?? Encoding.Latin1);   // compared, unless told: then each byte counts
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            isShort |= ProcessStat.IsShort(exception);
            return null;
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
            return null;
        }
    }
}
