using System.Runtime.InteropServices;
using System.Text;

namespace Portmap.Rpc.Serving;

/// <summary>What a file is and whose, in the words of Linux; .NET tells the mode of a file but not its owner.</summary>
/// <param name="UserId">Whose it is.</param>
/// <param name="Mode">Its kind and its permissions (st_mode).</param>
internal readonly record struct PosixFile(uint UserId, ushort Mode)
{
    private const int KindMask = 0xf000;
    private const int Sticky = 0x200;
    private const int WritableByOthers = 0x12;   // S_IWGRP | S_IWOTH

    private const int AtCurrentFolder = -100;
    private const int AtSymlinkNoFollow = 0x100;
    private const uint StatxTypeModeUid = 0x1 | 0x2 | 0x8;

    // struct statx is alike on every architecture, other than struct stat: stx_uid at 20, stx_mode at 28, 256 bytes in all.
    private const int StatxBytes = 256;
    private const int UidAt = 20;
    private const int ModeAt = 28;

    /// <summary>The user this process acts as; null where this is not Linux.</summary>
    public static uint? OwnUserId { get; } = OperatingSystem.IsLinux() ? geteuid() : null;

    public bool IsSocket => (Mode & KindMask) == 0xc000;

    public bool IsLink => (Mode & KindMask) == 0xa000;

    public bool IsFolder => (Mode & KindMask) == 0x4000;

    public bool IsOrdinary => (Mode & KindMask) == 0x8000;

    /// <summary>Whether others than its owner can replace what is in this folder. In a sticky one (/tmp) they can only add.</summary>
    public bool IsOpenToOthers => (Mode & WritableByOthers) != 0 && (Mode & Sticky) == 0;

    /// <summary>Looks at what a path leads to, or with <paramref name="follow"/> off at the link itself.</summary>
    /// <returns>Null when there is nothing, or nothing that may be looked at.</returns>
    public static PosixFile? At(string path, bool follow)
    {
        byte[] answer = new byte[StatxBytes];
        byte[] name = Encoding.UTF8.GetBytes(path + '\0');
        return statx(AtCurrentFolder, name, follow ? 0 : AtSymlinkNoFollow, StatxTypeModeUid, answer) == 0
            ? new PosixFile(BitConverter.ToUInt32(answer, UidAt), BitConverter.ToUInt16(answer, ModeAt))
            : null;
    }

#pragma warning disable IDE1006, SYSLIB1054 // the names are libc's; arrays of bytes need no generated marshalling, which would need unsafe code
    [DllImport("libc")]
    private static extern uint geteuid();

    [DllImport("libc")]
    private static extern int statx(int folder, byte[] path, int flags, uint mask, byte[] answer);
#pragma warning restore IDE1006, SYSLIB1054
}
