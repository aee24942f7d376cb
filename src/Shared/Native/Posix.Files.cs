using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Portmap.Native;

// Files of a folder that is held, and their locks.
internal static partial class Posix
{
    private const int ReadOnly = 0, ReadWrite = 2, MakeIt = 0x40, MakeItNew = 0x80;
    private const int LockExclusive = 2, LockNonBlocking = 4, LockNone = 8;
    private const uint OwnerOnly = 0x180;

    /// <summary>Opens for reading, a folder too, past the locks of .NET.</summary>
    public static SafeFileHandle Open(string path) => Opened(Open(AtCurrentFolder, path, ReadOnly | CloseOnExec, 0), path);

    /// <summary>
    /// Opens a file of a folder for reading and writing; null when there is none.
    /// </summary>
    public static SafeFileHandle? OpenIn(SafeFileHandle folder, string name, string path)
    {
        int descriptor = Open(folder, name, ReadWrite | CloseOnExec, 0);
        return descriptor < 0 && Marshal.GetLastPInvokeError() == Errno.NoEntry ? null : Opened(descriptor, path);
    }

    /// <summary>
    /// Makes a file of a folder, for its owner only, and opens it for reading and writing.
    /// </summary>
    /// <param name="folder">The folder.</param>
    /// <param name="name">The file.</param>
    /// <param name="isNew">Whether it must not be there yet.</param>
    /// <param name="path">The file's path, for messages.</param>
    public static SafeFileHandle CreateIn(SafeFileHandle folder, string name, bool isNew, string path) =>
        Opened(Open(folder, name, ReadWrite | CloseOnExec | MakeIt | (isNew ? MakeItNew : 0), OwnerOnly), path);

    /// <summary>
    /// Gives a file of a folder another name, and takes that from the file that has it.
    /// </summary>
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
        Link(folder, name, folder, second, 0) == 0
        || (Marshal.GetLastPInvokeError() == Errno.Exists ? false : throw Failed(path));

    /// <summary>Takes a name from a folder, if it is there.</summary>
    public static void DeleteIn(SafeFileHandle folder, string name, string path)
    {
        if (Unlink(folder, name, 0) != 0 && Marshal.GetLastPInvokeError() != Errno.NoEntry)
        {
            throw Failed(path);
        }
    }

    /// <summary>fsync(2). Returns only when that returned 0.</summary>
    public static void Sync(SafeFileHandle file, string path)
    {
        while (Fsync(file) != 0)
        {
            if (Marshal.GetLastPInvokeError() != Errno.Interrupted)
            {
                throw Failed(path);
            }
        }
    }

    /// <summary>Takes the exclusive lock of an open file.</summary>
    /// <remarks>It ends with the file's last descriptor, however its process ends.</remarks>
    /// <returns>False when somebody else has it.</returns>
    public static bool TryLock(SafeFileHandle file, string path) =>
        Lock(file, LockExclusive | LockNonBlocking) == 0
        || (Marshal.GetLastPInvokeError() == Errno.WouldBlock ? false : throw Failed(path));

    /// <summary>Gives the lock back.</summary>
    /// <remarks>
    /// A child that is just being started has the descriptor too, until it runs its program. So
    /// closing it is not enough.
    /// </remarks>
    public static void Unlock(SafeFileHandle file) => _ = Lock(file, LockNone);

    private static SafeFileHandle Opened(int descriptor, string path) =>
        descriptor >= 0 ? new SafeFileHandle(descriptor, ownsHandle: true) : throw Failed(path);

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
}
