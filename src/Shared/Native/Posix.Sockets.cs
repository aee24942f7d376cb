using System.Net.Sockets;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Portmap.Native;

// Sockets that .NET cannot make, those that ask the kernel about other sockets; and whose a socket
// is.
internal static partial class Posix
{
    private const int NetlinkFamily = 16, RawType = 3, SockDiagProtocol = 4, DontWait = 0x40;

    /// <summary>A socket to ask the kernel about sockets by (sock_diag(7)).</summary>
    /// <returns>Null where it cannot be had.</returns>
    public static SafeFileHandle? OpenSockDiag()
    {
        int descriptor = OpenSocket(NetlinkFamily, RawType | CloseOnExec, SockDiagProtocol);
        return descriptor >= 0 ? new SafeFileHandle(descriptor, ownsHandle: true) : null;
    }

    /// <summary>Sends a whole message; false when that fails.</summary>
    public static bool TrySend(SafeFileHandle socket, ReadOnlySpan<byte> message) =>
        Send(socket, message, (nuint)message.Length, 0) == message.Length;

    /// <summary>Receives a message.</summary>
    /// <param name="socket">The socket.</param>
    /// <param name="buffer">Where to.</param>
    /// <param name="wait">Whether to wait for one; else there has to be one.</param>
    /// <returns>Its length; below 0 when there is none.</returns>
    public static int Receive(SafeFileHandle socket, Span<byte> buffer, bool wait)
    {
        while (true)
        {
            nint length = Receive(socket, buffer, (nuint)buffer.Length, wait ? 0 : DontWait);
            if (length >= 0 || Marshal.GetLastPInvokeError() != Interrupted)
            {
                return (int)length;
            }
        }
    }

    /// <summary>Makes a socket another user's, as if he had made it; only root may.</summary>
    /// <returns>False when that fails.</returns>
    public static bool TryGiveTo(SafeSocketHandle socket, uint user) =>
        ChangeOwner(socket, user, group: uint.MaxValue) == 0;

    [LibraryImport(LibC, EntryPoint = "socket", SetLastError = true)]
    private static partial int OpenSocket(int family, int type, int protocol);

    [LibraryImport(LibC, EntryPoint = "send", SetLastError = true)]
    private static partial nint Send(SafeFileHandle socket, ReadOnlySpan<byte> message, nuint length, int flags);

    [LibraryImport(LibC, EntryPoint = "recv", SetLastError = true)]
    private static partial nint Receive(SafeFileHandle socket, Span<byte> buffer, nuint length, int flags);

    [LibraryImport(LibC, EntryPoint = "fchown", SetLastError = true)]
    private static partial int ChangeOwner(SafeSocketHandle socket, uint user, uint group);
}
