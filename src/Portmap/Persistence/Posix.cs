using System.Buffers.Binary;
using System.ComponentModel;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Portmap.Persistence;

/// <summary>What .NET has no call for: opening a folder, which fsync needs; a lock that fails where locks do not work; whose a file is.</summary>
/// <remarks>Linux only; the numbers are those of its system calls on every architecture .NET runs on.</remarks>
internal static class Posix
{
    /// <summary>EWOULDBLOCK of errno(3).</summary>
    private const int WouldBlock = 11;

    private const int ReadOnly = 0;
    private const int CloseOnExec = 0x80000;
    private const int LockExclusive = 2, LockNonBlocking = 4;
    private const int AtCurrentFolder = -100, NoFollow = 0x100;
    private const uint BasicStats = 0x7FF;
    private const int StatxSize = 256, StatxUid = 20, StatxMode = 28;

    public static uint EffectiveUser => GetEffectiveUser();

    /// <summary>Opens for reading, a folder too, past the locks of .NET.</summary>
    public static SafeFileHandle Open(string path)
    {
        int descriptor = Open(Name(path), ReadOnly | CloseOnExec);
        return descriptor >= 0 ? new SafeFileHandle(descriptor, ownsHandle: true) : throw Failed(path);
    }

    /// <summary>Takes the exclusive lock of an open file, which ends with its last descriptor, however its process ends.</summary>
    /// <returns>False when somebody else has it.</returns>
    public static bool TryLock(SafeFileHandle file, string path)
    {
        bool isLocked = Lock(file, LockExclusive | LockNonBlocking) == 0;
        return isLocked || (Marshal.GetLastPInvokeError() == WouldBlock ? false : throw Failed(path));
    }

    /// <summary>Owner and mode of a file; of a link, not of what it leads to, unless told.</summary>
    public static (uint User, UnixFileMode Mode, bool IsLink) Stat(string path, bool follow)
    {
        byte[] status = new byte[StatxSize];
        if (Statx(AtCurrentFolder, Name(path), follow ? 0 : NoFollow, BasicStats, status) != 0)
        {
            throw Failed(path);
        }

        const int TypeMask = 0xF000, Link = 0xA000, Permissions = 0xFFF;
        int mode = BinaryPrimitives.ReadUInt16LittleEndian(status.AsSpan(StatxMode));
        return (BinaryPrimitives.ReadUInt32LittleEndian(status.AsSpan(StatxUid)), (UnixFileMode)(mode & Permissions), (mode & TypeMask) == Link);
    }

    private static IOException Failed(string path)
    {
        int error = Marshal.GetLastPInvokeError();
        return new IOException($"{new Win32Exception(error).Message} : '{path}'", error);
    }

    private static byte[] Name(string path) => [.. Encoding.UTF8.GetBytes(path), 0];

    [DllImport("libc", EntryPoint = "open", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Open(byte[] path, int flags);

    [DllImport("libc", EntryPoint = "flock", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Lock(SafeFileHandle file, int operation);

    [DllImport("libc", EntryPoint = "statx", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Statx(int folder, byte[] path, int flags, uint mask, byte[] status);

    [DllImport("libc", EntryPoint = "geteuid")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern uint GetEffectiveUser();
}
