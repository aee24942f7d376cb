namespace Portmap.Native;

/// <summary>What the descriptors of a process lead to, as the links of /proc/pid/fd say
/// (proc(5)).</summary>
/// <remarks>Their names are read from fdinfo, where each is a file. Of a link .NET asks by stat(2)
/// through it whether it leads to a folder (<em>measured</em>), and on a descriptor of a mount that
/// is dead (NFS, FUSE) this never returns; readlink(2) does not ask the mount.</remarks>
internal static class DescriptorLinks
{
    /// <summary>How many there are.</summary>
    /// <param name="process">The folder of the process, such as /proc/self.</param>
    /// <exception cref="IOException">It is not there.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be looked at.</exception>
    public static int Count(string process) => Directory.EnumerateFiles($"{process}/fdinfo").Count();

    /// <summary>Where each leads; null for one that was closed meanwhile.</summary>
    /// <remarks>.NET's own property says null as well of one that may not be read, and so it would
    /// look as if the process did not have it.</remarks>
    /// <inheritdoc cref="Count"/>
    public static IEnumerable<string?> Of(string process)
    {
        // Opened, and nothing is read: where no link is listed, nothing else says that none may be
        // read.
        Directory.EnumerateFiles($"{process}/fd").GetEnumerator().Dispose();
        foreach (string info in Directory.EnumerateFiles($"{process}/fdinfo"))
        {
            yield return Posix.LinkOf($"{process}/fd/{Path.GetFileName(info.AsSpan())}");
        }
    }

    /// <summary>Where one leads, or null.</summary>
    public static string? TryRead(string link)
    {
        try
        {
            return new FileInfo(link).LinkTarget;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;   // closed meanwhile
        }
    }
}
