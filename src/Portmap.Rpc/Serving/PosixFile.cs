using System.Runtime.InteropServices;
using System.Text;

namespace Portmap.Rpc.Serving;

/// <summary>What a file is and whose, in the words of Linux; .NET tells the mode of a file but not its owner.</summary>
/// <param name="UserId">Whose it is.</param>
/// <param name="Mode">Its kind and its permissions (st_mode).</param>
/// <param name="Inode">Its number on its device.</param>
/// <param name="Device">The device.</param>
internal readonly record struct PosixFile(uint UserId, ushort Mode, ulong Inode, ulong Device)
{
    private const int KindMask = 0xf000;
    private const int Sticky = 0x200;
    private const int WritableByGroup = 0x10;
    private const int WritableByAll = 0x2;

    private const int AtCurrentFolder = -100;
    private const int AtSymlinkNoFollow = 0x100;
    private const uint StatxTypeModeUidInode = 0x1 | 0x2 | 0x8 | 0x100;

    // struct statx is alike on every architecture, other than struct stat; 256 bytes in all.
    private const int StatxBytes = 256;
    private const int UidAt = 20;
    private const int ModeAt = 28;
    private const int InodeAt = 32;
    private const int DeviceAt = 136;

    /// <summary>The user this process acts as; null where this is not Linux.</summary>
    public static uint? OwnUserId { get; } = OperatingSystem.IsLinux() ? geteuid() : null;

    public bool IsSocket => (Mode & KindMask) == 0xc000;

    public bool IsLink => (Mode & KindMask) == 0xa000;

    public bool IsFolder => (Mode & KindMask) == 0x4000;

    public bool IsOrdinary => (Mode & KindMask) == 0x8000;

    /// <summary>Whether others than its owner can replace what is in this folder. In a sticky one (/tmp) they can only add.</summary>
    /// <param name="allowGroup">Whether its group are no others.</param>
    public bool IsOpenToOthers(bool allowGroup) => (Mode & (allowGroup ? WritableByAll : WritableByAll | WritableByGroup)) != 0 && (Mode & Sticky) == 0;

    /// <summary>Whether it is the very same file, whatever became of its mode.</summary>
    public bool IsSameAs(PosixFile other) => Inode == other.Inode && Device == other.Device;

    /// <summary>Looks at what a path leads to, or with <paramref name="follow"/> off at the link itself.</summary>
    /// <returns>Null when there is nothing, or nothing that may be looked at.</returns>
    public static PosixFile? At(string path, bool follow)
    {
        byte[] answer = new byte[StatxBytes];
        byte[] name = Encoding.UTF8.GetBytes(path + '\0');
        return statx(AtCurrentFolder, name, follow ? 0 : AtSymlinkNoFollow, StatxTypeModeUidInode, answer) == 0
            ? new PosixFile(
                BitConverter.ToUInt32(answer, UidAt), BitConverter.ToUInt16(answer, ModeAt), BitConverter.ToUInt64(answer, InodeAt), BitConverter.ToUInt64(answer, DeviceAt))
            : null;
    }

#pragma warning disable IDE1006, SYSLIB1054 // the names are libc's; arrays of bytes need no generated marshalling, which would need unsafe code
    [DllImport("libc")]
    private static extern uint geteuid();

    [DllImport("libc")]
    private static extern int statx(int folder, byte[] path, int flags, uint mask, byte[] answer);
#pragma warning restore IDE1006, SYSLIB1054
}
