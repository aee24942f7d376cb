using System.Globalization;
using Portmap.Native;

namespace Portmap.Rpc.Serving;

/// <summary>
/// The folder of a Unix socket: one in which nobody else can put a socket of theirs in place of
/// ours, because workers believe who listens there.
/// </summary>
/// <remarks>
/// It has to be this user's or root's, and closed to others or sticky. So has every link on the
/// way: whoever owns a link can lead it elsewhere. Parent folders are not looked at, see DESIGN.md.
/// Only Linux is asked.
/// </remarks>
internal static class SocketFolder
{
    /// <param name="endpoint">For the message.</param>
    /// <param name="path">The path of the socket.</param>
    /// <param name="allowGroup">Whether its group may write to it.</param>
    /// <exception cref="IOException">Others than this user and root can replace files in it, or
    /// lead its path elsewhere.</exception>
    public static void Check(PortmapEndpoint endpoint, string path, bool allowGroup)
    {
        string folder = Path.GetDirectoryName(Path.GetFullPath(path)) ?? "/";
        if (!OperatingSystem.IsLinux() || PosixFile.At(folder, follow: true) is not { IsFolder: true } file)
        {
            return; // not there: the lock file says so
        }

        if (ForeignLink.On(folder) is { } link)
        {
            throw new IOException(
                string.Create(CultureInfo.InvariantCulture, $"Cannot listen on {endpoint}: {link.Path} is a symbolic link of user {link.UserId}, who could lead it elsewhere; name the folder itself, or a link of this user ({PosixFile.OwnUserId}) or root."));
        }

        if (!file.IsOursOrRoots)
        {
            throw new IOException(
                string.Create(CultureInfo.InvariantCulture, $"Cannot listen on {endpoint}: the folder {folder} belongs to user {file.UserId}, who could put a socket of theirs in place of ours; choose a folder of this user ({PosixFile.OwnUserId}) or root."));
        }

        if (file.IsOpenToOthers(allowGroup))
        {
            string group = file.IsOpenToOthers(allowGroup: true) ? string.Empty : ", or set AllowGroupWritableFolder if its group may be trusted";
            throw new IOException($"Cannot listen on {endpoint}: the folder {folder} can be written to by others and is not sticky, so that others could put a socket of theirs in place of ours; choose another, or chmod 755 it{group}.");
        }
    }
}
