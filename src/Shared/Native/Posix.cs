using System.ComponentModel;
using System.Runtime.InteropServices;
using System.Text;

namespace Portmap.Native;

/// <summary>
/// All calls into libc: what .NET has no call for, or whose failure it does not tell.
/// </summary>
/// <remarks>
/// <code>
///   call                        why                                                  Linux from
///   geteuid                     whose files and sockets are ours                     always
///   getrlimit                   how many descriptors we may have, when there is      always
///                                 none left to read /proc with
///   readlink                    whether a link may not be read, or is not there      always
///   statx                       owner, kind and number of a file, on every machine   4.11
///   openat, renameat, linkat,   what is done to a folder that is held, wherever its  2.6.16
///     unlinkat                    path leads by now
///   fsync                       .NET's own flush takes several failures for none     always
///   flock                       a lock that ends with the process                    always
///   kill, signal 0              whether there is a process that /proc hides          always
///   syscall pidfd_open          a process that keeps its name                        5.3
///   poll                        whether that has ended; whether a peer hung up       always
///   epoll_create1, _ctl, _wait  one thread that waits for all processes              2.6.27
///   socket, send, recv          questions to the kernel about sockets (sock_diag)    3.3
///   socket, setsockopt, bind    sockets that hold a port and never listen            always
///   posix_spawn, fcntl,         a program that is started with sockets of ours       always
///     waitpid
///   getpeername                 whether a passed socket has a peer now               always
///   fchown of a socket          whether a socket of another user's would get in      4.10
/// </code>
/// <para>
/// Linux only. The numbers are those of its system calls on every architecture that .NET runs on.
/// Where a kernel is older, or a filter forbids a call, it fails; each method says what that means.
/// A failure that is thrown is an IOException whose HResult is errno(3), or an
/// UnauthorizedAccessException where that says so.
/// </para>
/// <para>Each subject has a file of its own; a package compiles those that it needs.</para>
/// </remarks>
internal static partial class Posix
{
    private const string LibC = "libc";

    private const int DescriptorsLimited = 7;   // RLIMIT_NOFILE

    private const int LongestLink = 4_096;   // PATH_MAX

    private const int CloseOnExec = 0x80000, AtCurrentFolder = -100;

    // As C code of this process would find it, so that a library put before libc (LD_PRELOAD) is
    // met by these calls too.
    static Posix() => NativeLibrary.SetDllImportResolver(
        typeof(Posix).Assembly,
        static (name, _, _) =>
            name == LibC && OperatingSystem.IsLinux() ? NativeLibrary.GetMainProgramHandle() : IntPtr.Zero);

    /// <summary>The user that this process acts as.</summary>
    public static uint EffectiveUser => GetEffectiveUser();

    /// <summary>How many descriptors this process may have now (RLIMIT_NOFILE, soft); takes none to
    /// tell.</summary>
    /// <returns><see cref="int.MaxValue"/> where there is no such limit.</returns>
    public static int DescriptorLimit =>
        OperatingSystem.IsLinux() && GetLimit(DescriptorsLimited, out Limits limits) == 0 ? (int)Math.Min(limits.Soft, int.MaxValue) : int.MaxValue;

    /// <summary>Where a link leads (readlink(2)), as far as it fits; null when it is not
    /// there.</summary>
    /// <exception cref="UnauthorizedAccessException">It may not be read.</exception>
    public static string? LinkOf(string path)
    {
        Span<byte> target = stackalloc byte[LongestLink];
        nint length = ReadLink(path, target, LongestLink);
        return length >= 0 ? Encoding.UTF8.GetString(target[..(int)length])
            : Marshal.GetLastPInvokeError() is Errno.NotPermitted or Errno.AccessDenied ? throw Failed(path)
            : null;
    }

    /// <summary>What the last call failed with, as an exception.</summary>
    private static Exception Failed(string path)
    {
        int error = Marshal.GetLastPInvokeError();
        string message = $"{new Win32Exception(error).Message} : '{path}'";
        return error is Errno.NotPermitted or Errno.AccessDenied
            ? new UnauthorizedAccessException(message)
            : new IOException(message, error);
    }

    [LibraryImport(LibC, EntryPoint = "readlink", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint ReadLink(string path, Span<byte> target, nuint size);

    [LibraryImport(LibC, EntryPoint = "geteuid")]
    private static partial uint GetEffectiveUser();

    [LibraryImport(LibC, EntryPoint = "getrlimit")]
    private static partial int GetLimit(int resource, out Limits limits);

    // rlim_t is a word of the machine.
    [StructLayout(LayoutKind.Sequential)]
    private readonly struct Limits
    {
        public readonly nuint Soft;
        public readonly nuint Hard;
    }
}
