using System.Globalization;

namespace Portmap.Native;

/// <summary>The numbers of errno(3) that anybody here asks for, as Linux has them on every
/// architecture that .NET runs on.</summary>
/// <remarks>A failure of a file has one as its <see cref="Exception.HResult"/>, where .NET has no
/// code of its own.</remarks>
internal static class Errno
{
    public const int NotPermitted = 1, NoEntry = 2, NoSuchProcess = 3, Interrupted = 4, WouldBlock = 11;
    public const int AccessDenied = 13, Exists = 17, NotAFolder = 20, IsAFolder = 21;
    public const int TooManyInSystem = 23, TooManyOpen = 24, TooLong = 27, NoSpace = 28, ReadOnly = 30, BrokenPipe = 32;
    public const int NameTooLong = 36, ManyLinks = 40, FamilyUnsupported = 97, AddressInUse = 98, AddressNotThere = 99;
    public const int NoBuffers = 105, OverQuota = 122;

    public const int WouldBlockOfMac = 35;   // not verified
    private const int SharingViolation = unchecked((int)0x8007_0020);   // of Windows, not verified

    /// <summary>Whether .NET says by it that somebody else holds the lock on a file.</summary>
    public static bool IsLocked(IOException exception) => exception.HResult is WouldBlock or WouldBlockOfMac or SharingViolation;

    /// <summary>Whether .NET tells by an exception that a file would become too long: one of an
    /// argument, which nobody gave.</summary>
    public static bool IsTooLong(Exception exception) => exception is ArgumentOutOfRangeException { ParamName: "value" };

    /// <summary>The name of one that files are met by though no disk has failed; "errno 95" of any
    /// other.</summary>
    public static string Name(int errno) => errno switch
    {
        NotPermitted => "EPERM",
        NoEntry => "ENOENT",
        AccessDenied => "EACCES",
        Exists => "EEXIST",
        NotAFolder => "ENOTDIR",
        IsAFolder => "EISDIR",
        TooManyInSystem => "ENFILE",
        TooManyOpen => "EMFILE",
        TooLong => "EFBIG",
        NoSpace => "ENOSPC",
        ReadOnly => "EROFS",
        NameTooLong => "ENAMETOOLONG",
        ManyLinks => "ELOOP",
        OverQuota => "EDQUOT",
        _ => string.Create(CultureInfo.InvariantCulture, $"errno {errno}"),
    };
}
