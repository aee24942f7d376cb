using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Portmap.Native;

// What a file is, whose, and which one.
internal static partial class Posix
{
    private const int NoFollow = 0x100, OfDescriptor = 0x1000;
    private const uint BasicStats = 0x7FF;

    // struct statx is alike on every architecture, other than struct stat.
    private const int StatxSize = 256, UserAt = 20, ModeAt = 28, InodeAt = 32, DeviceAt = 136;

    /// <summary>
    /// What a path leads to, or with <paramref name="follow"/> off the link itself.
    /// </summary>
    /// <returns>Null when there is none.</returns>
    public static PosixFile? Status(string path, bool follow)
    {
        byte[] status = new byte[StatxSize];
        return Statx(AtCurrentFolder, path, follow ? 0 : NoFollow, BasicStats, status) == 0 ? Parse(status)
            : Marshal.GetLastPInvokeError() is Errno.NoEntry or Errno.NotAFolder ? null
            : throw Failed(path);
    }

    /// <summary>What an open file is.</summary>
    public static PosixFile Status(SafeFileHandle file, string path)
    {
        byte[] status = new byte[StatxSize];
        return Statx(file, string.Empty, OfDescriptor, BasicStats, status) == 0 ? Parse(status) : throw Failed(path);
    }

    private static PosixFile Parse(ReadOnlySpan<byte> status) => new(
        BinaryPrimitives.ReadUInt32LittleEndian(status[UserAt..]),
        BinaryPrimitives.ReadUInt16LittleEndian(status[ModeAt..]),
        new FileIdentity(
            BinaryPrimitives.ReadUInt64LittleEndian(status[DeviceAt..]),
            BinaryPrimitives.ReadUInt64LittleEndian(status[InodeAt..])));

    [LibraryImport(LibC, EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Statx(int folder, string path, int flags, uint mask, [Out] byte[] status);

    [LibraryImport(LibC, EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Statx(SafeFileHandle file, string path, int flags, uint mask, [Out] byte[] status);
}
