using System.Buffers.Binary;
using System.ComponentModel;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Portmap.Persistence;

/// <summary>The calls into libc: what .NET has no call for, or whose failure it does not tell.</summary>
/// <remarks>
/// Linux only; the numbers are those of its system calls on every architecture .NET runs on. A failure is an
/// IOException whose HResult is errno(3), or UnauthorizedAccessException where that says so.
/// </remarks>
internal static partial class Posix
{
    private const string LibC = "libc";

    private const int NotPermitted = 1, NoEntry = 2, Interrupted = 4, WouldBlock = 11, AccessDenied = 13, Exists = 17, NotAFolder = 20;
    private const int ReadOnly = 0, ReadWrite = 2, MakeIt = 0x40, MakeItNew = 0x80, CloseOnExec = 0x80000;
    private const int LockExclusive = 2, LockNonBlocking = 4, LockNone = 8;
    private const int AtCurrentFolder = -100, NoFollow = 0x100, OfDescriptor = 0x1000;
    private const uint OwnerOnly = 0x180;
    private const uint BasicStats = 0x7FF;
    private const int StatxSize = 256, StatxUid = 20, StatxMode = 28, StatxInode = 32, StatxDevice = 136;

    // As C code of this process would find it, so that a library put before libc (LD_PRELOAD) is met by these calls too.
    static Posix() => NativeLibrary.SetDllImportResolver(
        typeof(Posix).Assembly,
        static (name, _, _) => name == LibC && OperatingSystem.IsLinux() ? NativeLibrary.GetMainProgramHandle() : IntPtr.Zero);

    public static uint EffectiveUser => GetEffectiveUser();

    /// <summary>Opens for reading, a folder too, past the locks of .NET.</summary>
    public static SafeFileHandle Open(string path) => Opened(Open(AtCurrentFolder, path, ReadOnly | CloseOnExec, 0), path);

    /// <summary>Opens a file of a folder for reading and writing; null when there is none.</summary>
    public static SafeFileHandle? OpenIn(SafeFileHandle folder, string name, string path)
    {
        int descriptor = Open(folder, name, ReadWrite | CloseOnExec, 0);
        return descriptor < 0 && Marshal.GetLastPInvokeError() == NoEntry ? null : Opened(descriptor, path);
    }

    /// <summary>Makes a file of a folder, for its owner only, and opens it for reading and writing.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="name">The file.</param>
    /// <param name="isNew">Whether it must not be there yet.</param>
    /// <param name="path">The file's path, for messages.</param>
    public static SafeFileHandle CreateIn(SafeFileHandle folder, string name, bool isNew, string path) =>
        Opened(Open(folder, name, ReadWrite | CloseOnExec | MakeIt | (isNew ? MakeItNew : 0), OwnerOnly), path);

    /// <summary>Gives a file of a folder another name, and takes that from the file that has it.</summary>
    public static void RenameIn(SafeFileHandle folder, string from, string to, string path)
    {
        if (Rename(folder, from, folder, to) != 0)
        {
            throw Failed(path);
        }
    }

    /// <summary>Gives a file of a folder a second name.</summary>
    /// <returns>False when there is one of that name.</returns>
    public static bool TryLinkIn(SafeFileHandle folder, string name, string second, string path) =>
        Link(folder, name, folder, second, 0) == 0 || (Marshal.GetLastPInvokeError() == Exists ? false : throw Failed(path));

    /// <summary>Takes a name from a folder, if it is there.</summary>
    public static void DeleteIn(SafeFileHandle folder, string name, string path)
    {
        if (Unlink(folder, name, 0) != 0 && Marshal.GetLastPInvokeError() != NoEntry)
        {
            throw Failed(path);
        }
    }

    /// <summary>fsync(2). Returns only when that returned 0: .NET's own flush takes several failures for none.</summary>
    public static void Sync(SafeFileHandle file, string path)
    {
        while (Fsync(file) != 0)
        {
            if (Marshal.GetLastPInvokeError() != Interrupted)
            {
                throw Failed(path);
            }
        }
    }

    /// <summary>Takes the exclusive lock of an open file, which ends with its last descriptor, however its process ends.</summary>
    /// <returns>False when somebody else has it.</returns>
    public static bool TryLock(SafeFileHandle file, string path) =>
        Lock(file, LockExclusive | LockNonBlocking) == 0 || (Marshal.GetLastPInvokeError() == WouldBlock ? false : throw Failed(path));

    /// <summary>Gives the lock back though a child that is just being started has the descriptor too, until it runs its program.</summary>
    public static void Unlock(SafeFileHandle file) => _ = Lock(file, LockNone);

    /// <summary>Owner and mode of a file; of a link, not of what it leads to, unless told.</summary>
    public static (uint User, UnixFileMode Mode, bool IsLink) Stat(string path, bool follow)
    {
        byte[] status = new byte[StatxSize];
        if (Statx(AtCurrentFolder, path, follow ? 0 : NoFollow, BasicStats, status) != 0)
        {
            throw Failed(path);
        }

        const int TypeMask = 0xF000, Link = 0xA000, Permissions = 0xFFF;
        int mode = BinaryPrimitives.ReadUInt16LittleEndian(status.AsSpan(StatxMode));
        return (BinaryPrimitives.ReadUInt32LittleEndian(status.AsSpan(StatxUid)), (UnixFileMode)(mode & Permissions), (mode & TypeMask) == Link);
    }

    /// <summary>Which file a path leads to now; null when there is none.</summary>
    public static FileIdentity? Identify(string path)
    {
        byte[] status = new byte[StatxSize];
        return Statx(AtCurrentFolder, path, 0, BasicStats, status) == 0 ? IdentityIn(status)
            : Marshal.GetLastPInvokeError() is NoEntry or NotAFolder ? null
            : throw Failed(path);
    }

    /// <summary>Which file is open.</summary>
    public static FileIdentity Identify(SafeFileHandle file, string path)
    {
        byte[] status = new byte[StatxSize];
        return Statx(file, string.Empty, OfDescriptor, BasicStats, status) == 0 ? IdentityIn(status) : throw Failed(path);
    }

    private static FileIdentity IdentityIn(byte[] status) =>
        new(BinaryPrimitives.ReadUInt64LittleEndian(status.AsSpan(StatxDevice)), BinaryPrimitives.ReadUInt64LittleEndian(status.AsSpan(StatxInode)));

    private static SafeFileHandle Opened(int descriptor, string path) =>
        descriptor >= 0 ? new SafeFileHandle(descriptor, ownsHandle: true) : throw Failed(path);

    private static Exception Failed(string path)
    {
        int error = Marshal.GetLastPInvokeError();
        string message = $"{new Win32Exception(error).Message} : '{path}'";
        return error is NotPermitted or AccessDenied ? new UnauthorizedAccessException(message) : new IOException(message, error);
    }

    [LibraryImport(LibC, EntryPoint = "openat", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(int folder, string path, int flags, uint mode);

    [LibraryImport(LibC, EntryPoint = "openat", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(SafeFileHandle folder, string path, int flags, uint mode);

    [LibraryImport(LibC, EntryPoint = "renameat", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Rename(SafeFileHandle folder, string from, SafeFileHandle toFolder, string to);

    [LibraryImport(LibC, EntryPoint = "linkat", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Link(SafeFileHandle folder, string from, SafeFileHandle toFolder, string to, int flags);

    [LibraryImport(LibC, EntryPoint = "unlinkat", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Unlink(SafeFileHandle folder, string path, int flags);

    [LibraryImport(LibC, EntryPoint = "fsync", SetLastError = true)]
    private static partial int Fsync(SafeFileHandle file);

    [LibraryImport(LibC, EntryPoint = "flock", SetLastError = true)]
    private static partial int Lock(SafeFileHandle file, int operation);

    [LibraryImport(LibC, EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Statx(int folder, string path, int flags, uint mask, [Out] byte[] status);

    [LibraryImport(LibC, EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Statx(SafeFileHandle file, string path, int flags, uint mask, [Out] byte[] status);

    [LibraryImport(LibC, EntryPoint = "geteuid")]
    private static partial uint GetEffectiveUser();
}
