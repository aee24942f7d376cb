using System.Globalization;

namespace Portmap.Persistence;

/// <summary>Of errno(3), those that making, opening and writing files meets though no disk has
/// failed.</summary>
internal static class Errno
{
    public const int NotPermitted = 1, NoEntry = 2, AccessDenied = 13, Exists = 17, NotAFolder = 20, IsAFolder = 21, ManyFilesOfHost = 23, ManyFiles = 24;
    public const int TooLong = 27, NoSpace = 28, ReadOnly = 30, NameTooLong = 36, ManyLinks = 40, OverQuota = 122;

    /// <summary>Whether .NET tells by an exception that a file would become too long: one of an
    /// argument, which nobody gave.</summary>
    public static bool IsTooLong(Exception exception) => exception is ArgumentOutOfRangeException { ParamName: "value" };

    /// <summary>Its name; "errno 95" of one that is not among them.</summary>
    public static string Name(int errno) => errno switch
    {
        NotPermitted => "EPERM",
        NoEntry => "ENOENT",
        AccessDenied => "EACCES",
        Exists => "EEXIST",
        NotAFolder => "ENOTDIR",
        IsAFolder => "EISDIR",
        ManyFilesOfHost => "ENFILE",
        ManyFiles => "EMFILE",
        TooLong => "EFBIG",
        NoSpace => "ENOSPC",
        ReadOnly => "EROFS",
        NameTooLong => "ENAMETOOLONG",
        ManyLinks => "ELOOP",
        OverQuota => "EDQUOT",
        _ => string.Create(CultureInfo.InvariantCulture, $"errno {errno}"),
    };

    /// <summary>What helps, wherever it was met; null where that depends.</summary>
    public static string? Remedy(int errno) => errno switch
    {
        IsAFolder => "A folder stands where a file belongs: move it away, or choose another StateFolder.",
        ManyFilesOfHost => "This host has as many files open as it may: raise the sysctl fs.file-max.",
        ManyFiles => "This process has as many files open as it may: raise LimitNOFILE (ulimit -n).",
        TooLong => "A file may not become as long as that here: raise LimitFSIZE (ulimit -f), or choose another StateFolder.",
        ManyLinks => "It leads over links in a circle: remove them, or choose another StateFolder.",
        _ => null,
    };
}
