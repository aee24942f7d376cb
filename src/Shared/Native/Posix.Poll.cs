using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Portmap.Native;

// What can be seen of a descriptor now, without waiting (poll(2)).
internal static partial class Posix
{
    private const short PollIn = 1, PollHungUp = 16;

    /// <summary>Whether nothing can be said to the other end of a connection any more.</summary>
    /// <remarks>
    /// A Unix socket tells it as soon as the other end is closed. Of TCP the kernel knows only that
    /// the other end says no more, and that may be waiting for an answer: there it is true once the
    /// connection was reset.
    /// </remarks>
    public static bool HasHungUp(SafeSocketHandle connection) => (Poll(connection, 0) & PollHungUp) != 0;

    /// <returns>Which of the wanted events there are, and hang-ups; 0 where the kernel cannot be
    /// asked.</returns>
    private static short Poll(SafeHandle descriptor, short wanted)
    {
        bool isHeld = false;
        try
        {
            descriptor.DangerousAddRef(ref isHeld);
            PollDescriptor poll = new() { Descriptor = (int)descriptor.DangerousGetHandle(), Wanted = wanted };
            int ready;
            while ((ready = Poll(ref poll, 1, 0)) < 0 && Marshal.GetLastPInvokeError() == Errno.Interrupted)
            {
                // A signal came first.
            }

            return ready == 1 ? poll.Seen : (short)0;
        }
        finally
        {
            if (isHeld)
            {
                descriptor.DangerousRelease();
            }
        }
    }

    [LibraryImport(LibC, EntryPoint = "poll", SetLastError = true)]
    private static partial int Poll(ref PollDescriptor descriptors, nuint count, int milliseconds);

    private struct PollDescriptor
    {
        public int Descriptor;
        public short Wanted;
        public short Seen;
    }
}
