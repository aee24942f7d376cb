using System.Globalization;

namespace Portmap.Native;

/// <summary>What a file is and whose, in the words of Linux.</summary>
/// <remarks>.NET tells the mode of a file but not its owner.</remarks>
/// <param name="UserId">Whose it is.</param>
/// <param name="Mode">Its kind and its permissions (st_mode).</param>
/// <param name="Identity">Which file it is.</param>
internal readonly record struct PosixFile(uint UserId, ushort Mode, FileIdentity Identity)
{
    private const int KindMask = 0xf000, PermissionMask = 0xfff;
    private const int Sticky = 0x200;
    private const int WritableByGroup = 0x10;
    private const int WritableByAll = 0x2;

    /// <summary>The user this process acts as; null where this is not Linux.</summary>
    public static uint? OwnUserId => OperatingSystem.IsLinux() ? Posix.EffectiveUser : null;

    /// <summary>Whether it belongs to this user or to root, whom everybody has to trust.</summary>
    public bool IsOursOrRoots => UserId == 0 || UserId == OwnUserId;

    public bool IsSocket => (Mode & KindMask) == 0xc000;

    public bool IsLink => (Mode & KindMask) == 0xa000;

    public bool IsFolder => (Mode & KindMask) == 0x4000;

    public bool IsOrdinary => (Mode & KindMask) == 0x8000;

    public UnixFileMode Permissions => (UnixFileMode)(Mode & PermissionMask);

    /// <summary>Whether others than its owner can replace what is in this folder.</summary>
    /// <remarks>In a sticky one (/tmp) they can only add.</remarks>
    /// <param name="allowGroup">Whether its group are no others.</param>
    public bool IsOpenToOthers(bool allowGroup) =>
        (Mode & (allowGroup ? WritableByAll : WritableByAll | WritableByGroup)) != 0 && (Mode & Sticky) == 0;

    /// <summary>Whether it is the very same file, whatever became of its mode.</summary>
    public bool IsSameAs(PosixFile other) => Identity == other.Identity;

    /// <summary>
    /// What a path leads to, or with <paramref name="follow"/> off the link itself.
    /// </summary>
    /// <returns>Null when there is nothing, or nothing that may be looked at.</returns>
    public static PosixFile? At(string path, bool follow)
    {
        try
        {
            return Posix.Status(path, follow);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>The effective user of a process: whose its folder is (proc(5)). Linux only; takes no
    /// descriptor.</summary>
    /// <returns>Null when there is none, or it is hidden.</returns>
    public static uint? OfProcess(int processId) => At(string.Create(CultureInfo.InvariantCulture, $"/proc/{processId}"), follow: false)?.UserId;
}
