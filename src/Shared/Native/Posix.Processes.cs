using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Portmap.Native;

// The calls about processes: whether there is one, a descriptor of it, and to be told when it ends.
internal static partial class Posix
{
    private const int PidfdOpen = 434;
    private const int EpollAdd = 1, EpollIn = 1, EpollOneShot = 1 << 30;

    private const int MostEventSize = 16;

    // struct epoll_event is packed on x86, and there only.
    private static readonly int s_eventSize =
        RuntimeInformation.ProcessArchitecture is Architecture.X64 or Architecture.X86 ? 12 : MostEventSize;

    /// <summary>Whether there is such a process, another user's and a zombie too.</summary>
    /// <remarks>kill(2) with signal 0 needs no /proc.</remarks>
    /// <param name="processId">Its id, above 0: other numbers mean groups of processes.</param>
    public static bool IsThere(int processId) =>
        Kill(processId, 0) == 0 || Marshal.GetLastPInvokeError() != Errno.NoSuchProcess;

    /// <summary>A descriptor of a process (pidfd_open(2)).</summary>
    /// <remarks>It stays the process's own when the number is given to another one.</remarks>
    /// <param name="processId">Its id, above 0.</param>
    /// <param name="isGone">There is no such process.</param>
    /// <returns>
    /// Null where it cannot be had: the kernel is older, a filter forbids the call, no descriptor
    /// is left.
    /// </returns>
    public static SafeFileHandle? OpenProcess(int processId, out bool isGone)
    {
        nint descriptor = SystemCall(PidfdOpen, processId, 0);
        isGone = descriptor < 0 && Marshal.GetLastPInvokeError() == Errno.NoSuchProcess;
        return descriptor >= 0 ? new SafeFileHandle(descriptor, ownsHandle: true) : null;
    }

    /// <summary>Whether the last thread of a process has ended, reaped or not.</summary>
    public static bool HasExited(SafeFileHandle process) => (Poll(process, PollIn) & PollIn) != 0;

    /// <summary>Something that waits for many descriptors at once (epoll(7)).</summary>
    /// <returns>Null where it cannot be had.</returns>
    public static SafeFileHandle? MakeWaiter()
    {
        int descriptor = EpollCreate(CloseOnExec);
        return descriptor >= 0 ? new SafeFileHandle(descriptor, ownsHandle: true) : null;
    }

    /// <summary>
    /// Has a waiter tell when a descriptor becomes readable, by the number given.
    /// </summary>
    /// <param name="waiter">The waiter.</param>
    /// <param name="descriptor">The descriptor.</param>
    /// <param name="number">Its number.</param>
    /// <param name="once">
    /// Whether it is told once; else as long as the descriptor is readable and open.
    /// </param>
    public static bool TryAwait(SafeFileHandle waiter, SafeFileHandle descriptor, int number, bool once)
    {
        Span<byte> wanted = stackalloc byte[MostEventSize];
        BitConverter.TryWriteBytes(wanted, once ? EpollIn | EpollOneShot : EpollIn);
        BitConverter.TryWriteBytes(wanted[(s_eventSize - sizeof(long))..], (long)number);
        return EpollControl(waiter, EpollAdd, descriptor, wanted) == 0;
    }

    /// <summary>Blocks until descriptors are readable.</summary>
    /// <param name="waiter">The waiter.</param>
    /// <param name="buffer">Of <see cref="WaitBuffer"/>.</param>
    /// <param name="numbers">Gets their numbers.</param>
    /// <returns> How many there are; 0 when a signal came first; below 0 when the waiter is of no
    /// use any more.
    /// </returns>
    public static int Wait(SafeFileHandle waiter, byte[] buffer, Span<int> numbers)
    {
        return Wait(waiter, buffer, numbers, milliseconds: -1);
    }

    /// <summary>As <see cref="Wait(SafeFileHandle, byte[], Span{int})"/>, of what is readable now:
    /// it does not block.</summary>
    public static int Look(SafeFileHandle waiter, Span<int> numbers)
    {
        const int AtOnce = 64;
        Span<byte> buffer = stackalloc byte[AtOnce * MostEventSize];
        return Wait(waiter, buffer, numbers[..Math.Min(numbers.Length, AtOnce)], milliseconds: 0);
    }

    private static int Wait(SafeFileHandle waiter, Span<byte> buffer, Span<int> numbers, int milliseconds)
    {
        int count = EpollWait(waiter, buffer, Math.Min(numbers.Length, buffer.Length / s_eventSize), milliseconds);
        for (int i = 0; i < count; i++)
        {
            numbers[i] = (int)BitConverter.ToInt64(buffer[(((i + 1) * s_eventSize) - sizeof(long))..]);
        }

        return count >= 0 ? count : Marshal.GetLastPInvokeError() == Errno.Interrupted ? 0 : -1;
    }

    /// <summary>What <see cref="Wait(SafeFileHandle, byte[], Span{int})"/> needs.</summary>
    /// <remarks>It stays where it is, because the kernel writes into it at any time.</remarks>
    public static byte[] WaitBuffer(int events) => GC.AllocateArray<byte>(events * s_eventSize, pinned: true);

    [LibraryImport(LibC, EntryPoint = "kill", SetLastError = true)]
    private static partial int Kill(int processId, int signal);

    [LibraryImport(LibC, EntryPoint = "syscall", SetLastError = true)]
    private static partial nint SystemCall(nint number, nint first, nint second);

    [LibraryImport(LibC, EntryPoint = "epoll_create1", SetLastError = true)]
    private static partial int EpollCreate(int flags);

    [LibraryImport(LibC, EntryPoint = "epoll_ctl", SetLastError = true)]
    private static partial int EpollControl(SafeFileHandle waiter, int operation, SafeFileHandle descriptor, ReadOnlySpan<byte> wanted);

    [LibraryImport(LibC, EntryPoint = "epoll_wait", SetLastError = true)]
    private static partial int EpollWait(SafeFileHandle waiter, Span<byte> events, int count, int milliseconds);
}
