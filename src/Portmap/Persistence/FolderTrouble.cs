using System.Globalization;
using Portmap.Native;

namespace Portmap.Persistence;

/// <summary>
/// Why a state folder cannot be made or taken: what stands in the way, the errno, and what to do.
/// No disk has failed then.
/// </summary>
internal static class FolderTrouble
{
    /// <summary>What helps in a folder that is this user's. Not another one: a daemon would begin
    /// there with an empty state.</summary>
    public const string Denied = "Let this user write to that file and its folder: chown both to it, for a file that root has copied there is root's.";

    /// <summary>Whether a failure is about the folder and not about the disk below it.</summary>
    public static bool IsOfFolder(string folder, Exception exception) =>
        exception is IOException or UnauthorizedAccessException && !Errno.Name(ErrnoOf(exception, folder, InTheWay(folder))).StartsWith("errno", StringComparison.Ordinal);

    public static PortRefusal Refusal(string folder, Exception exception)
    {
        bool isThere = Directory.Exists(folder);
        string? inTheWay = isThere ? null : InTheWay(folder);
        int errno = ErrnoOf(exception, folder, inTheWay);
        string parent = Parent(folder);
        return new(
            PortRefusalReason.StoreFailed,
            () => string.Create(
                CultureInfo.InvariantCulture,
                $"The state folder {folder} cannot be {(isThere ? "used" : "made")}: {exception.Message.TrimEnd('.')} ({Errno.Name(errno)}). {(isThere && IsDenied(errno) ? Denied : Remedy(errno, isThere ? folder : parent, inTheWay))}"));
    }

    /// <summary>What helps, wherever it was met; null where that depends.</summary>
    public static string? RemedyOf(int errno) => errno switch
    {
        Errno.IsAFolder => "A folder stands where a file belongs: move it away, or choose another StateFolder.",
        Errno.TooManyInSystem => "This host has as many files open as it may: raise the sysctl fs.file-max.",
        Errno.TooManyOpen => "This process has as many files open as it may: raise LimitNOFILE (ulimit -n).",
        Errno.TooLong => "A file may not become as long as that here: raise LimitFSIZE (ulimit -f), or choose another StateFolder.",
        Errno.ManyLinks => "It leads over links in a circle: remove them, or choose another StateFolder.",
        _ => null,
    };

    /// <summary>
    /// The first part of the path that is there and is no folder: a file, or a link that leads
    /// nowhere.
    /// </summary>
    private static string? InTheWay(string folder)
    {
        string? found = null;
        for (string? part = folder; part is not null; part = Path.GetDirectoryName(part))
        {
            found = !Directory.Exists(part) && (File.Exists(part) || new FileInfo(part).LinkTarget is not null) ? part : found;
        }

        return found;
    }

    /// <summary>The nearest folder above that is there.</summary>
    private static string Parent(string folder)
    {
        string? parent = Path.GetDirectoryName(folder);
        while (parent is not null && !Directory.Exists(parent))
        {
            parent = Path.GetDirectoryName(parent);
        }

        return parent ?? folder;
    }

    /// <summary>
    /// .NET hands some errors of the system on as numbers, and others as types of their own around
    /// them.
    /// </summary>
    private static int ErrnoOf(Exception exception, string folder, string? inTheWay)
    {
        if (inTheWay is not null)
        {
            return inTheWay == folder ? Errno.Exists : Errno.NotAFolder;
        }

        for (Exception? inner = exception; inner is not null; inner = inner.InnerException)
        {
            if (inner.HResult is > 0 and < 4_096)
            {
                return inner.HResult;
            }
        }

        return exception switch
        {
            UnauthorizedAccessException => Errno.AccessDenied,
            DirectoryNotFoundException or FileNotFoundException => Errno.NoEntry,
            PathTooLongException => Errno.NameTooLong,
            _ => 0,
        };
    }

    private static bool IsDenied(int errno) => errno is Errno.NotPermitted or Errno.AccessDenied;

    private static string Remedy(int errno, string where, string? inTheWay) => inTheWay is not null
        ? $"{inTheWay} is in the way: move it away, or choose another StateFolder."
        : errno switch
        {
            _ when IsDenied(errno) => $"Let this user write to {where}, or make the folder for it there; or choose another StateFolder.",
            Errno.ReadOnly => $"Make that file system writable ({where}), or choose a StateFolder on another one.",
            Errno.NoSpace or Errno.OverQuota => $"Free space on the file system of {where}.",
            Errno.NameTooLong => "Choose a shorter StateFolder.",
            _ => RemedyOf(errno) ?? $"Look at {where}, or choose another StateFolder.",
        };
}
