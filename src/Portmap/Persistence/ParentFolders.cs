using Microsoft.Win32.SafeHandles;
using Portmap.Native;

namespace Portmap.Persistence;

/// <summary>
/// Makes a folder that lasts: a folder is a name in the one above, which is on the disk only when
/// that one is synced.
/// </summary>
/// <remarks>
/// Whether a folder that is there was ever synced into the one above, nobody can see: whoever made
/// it may have been killed before. So all above it are synced, up to the root of the file system,
/// until the state is in it. A sync that fails makes the names clean all the same; so what was made
/// is taken away again, for the next try to make it anew.
/// </remarks>
internal static class ParentFolders
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    /// <summary>Makes a folder with all that are missing above it.</summary>
    /// <param name="path">The folder.</param>
    /// <param name="lasts">
    /// Whether the folders above were synced in an earlier run. Asked when the folder is there.
    /// </param>
    public static void Make(string path, Func<bool> lasts)
    {
        if (OperatingSystem.IsWindows())
        {
            Directory.CreateDirectory(path);
            return;
        }

        List<string> made = [];
        for (string? missing = path; missing is not null && !Directory.Exists(missing); missing = Path.GetDirectoryName(missing))
        {
            made.Add(missing);
        }

        Directory.CreateDirectory(path, OwnerOnly);
        if (!OperatingSystem.IsLinux() || lasts())
        {
            return;
        }

        try
        {
            SyncAbove(path, made.Count);
        }
        catch
        {
            made.ForEach(TryDelete);
            throw;
        }
    }

    /// <param name="path">The folder.</param>
    /// <param name="made">
    /// How many were made just now. The other folders above may be closed to this user: he has made
    /// nothing in them.
    /// </param>
    private static void SyncAbove(string path, int made)
    {
        FileIdentity? below = Posix.Status(path, follow: true)?.Identity;
        for (string above = Path.Combine(path, ".."); ; above = Path.Combine(above, ".."), made--)
        {
            // By "..", which leads above the folder itself where the path is a link.
            FileIdentity? identity = Posix.Status(above, follow: true)?.Identity;
            if (identity == below || identity?.Device != below?.Device)
            {
                return;
            }

            try
            {
                using SafeFileHandle folder = Posix.Open(above);
                Posix.Sync(folder, above);
            }
            catch (UnauthorizedAccessException) when (made <= 0)
            {
                // Not to be read by this user.
            }

            below = identity;
        }
    }

    private static void TryDelete(string folder)
    {
        try
        {
            Directory.Delete(folder);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Somebody uses it already.
        }
    }
}
