using System.Buffers.Binary;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Portmap.Native;

// Sockets that ask the kernel about other sockets, which .NET cannot make; those that only hold a
// port, for which .NET's take half as long again; and whose a socket is.
internal static partial class Posix
{
    private const int NetlinkFamily = 16, RawType = 3, SockDiagProtocol = 4, DontWait = 0x40;
    private const int InetFamily = 2, InetV6Family = 10, StreamType = 1, DatagramType = 2;
    private const int V4AddressSize = 16, V6AddressSize = 28;
    private const int LevelOfSockets = 1, ReuseAddress = 2, LevelOfV6 = 41, V6Only = 26;

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
            if (length >= 0 || Marshal.GetLastPInvokeError() != Errno.Interrupted)
            {
                return (int)length;
            }
        }
    }

    /// <summary>A socket of IPv4 or IPv6 (ip(7)), as a bare descriptor: an object with a finalizer
    /// takes a tenth of what it is worth here. Who made it closes it, once
    /// (<see cref="CloseDescriptor"/>).</summary>
    /// <param name="isV6">IPv6; it may meet IPv4 as well, see <see cref="TryMeetBoth"/>.</param>
    /// <param name="isUdp">UDP, else TCP.</param>
    /// <returns>Below 0 where it cannot be had.</returns>
    public static int MakeInetSocket(bool isV6, bool isUdp) =>
        OpenSocket(isV6 ? InetV6Family : InetFamily, (isUdp ? DatagramType : StreamType) | CloseOnExec, 0);

    /// <summary>Has a socket of IPv6 meet the addresses of IPv4 too, whatever net.ipv6.bindv6only
    /// says.</summary>
    public static bool TryMeetBoth(int socket) => TrySet(socket, LevelOfV6, V6Only, isOn: false);

    /// <summary>SO_REUSEADDR: whether others that have it too may bind the port.</summary>
    public static bool TrySetReuseAddress(int socket, bool isOn) => TrySet(socket, LevelOfSockets, ReuseAddress, isOn);

    /// <summary>Binds a socket to a port of every address (bind(2)).</summary>
    public static bool TryBindEverywhere(int socket, bool isV6, int port)
    {
        // struct sockaddr_in and sockaddr_in6: family, port in network order; all else is zero, and
        // so is every address.
        Span<byte> address = stackalloc byte[V6AddressSize];
        address.Clear();
        BitConverter.TryWriteBytes(address, (ushort)(isV6 ? InetV6Family : InetFamily));
        BinaryPrimitives.WriteUInt16BigEndian(address[sizeof(ushort)..], (ushort)port);
        return Bind(socket, address, isV6 ? V6AddressSize : V4AddressSize) == 0;
    }

    /// <summary>Whether a socket has a peer now (getpeername(2)). .NET's tells what it was told
    /// when it was made.</summary>
    public static bool HasPeer(SafeSocketHandle socket)
    {
        Span<byte> address = stackalloc byte[V6AddressSize];
        int length = address.Length;
        return PeerOf(socket, address, ref length) == 0;
    }

    /// <summary>Closes a descriptor that no object owns.</summary>
    /// <remarks>Linux closes it whatever it answers (close(2)).</remarks>
    public static void CloseDescriptor(int descriptor) => _ = Close(descriptor);

    /// <summary>What the last of these calls failed with, as .NET's sockets name it.</summary>
    public static SocketError LastSocketError => Marshal.GetLastPInvokeError() switch
    {
        Errno.AddressInUse => SocketError.AddressAlreadyInUse,
        Errno.AddressNotThere => SocketError.AddressNotAvailable,
        Errno.AccessDenied or Errno.NotPermitted => SocketError.AccessDenied,
        Errno.FamilyUnsupported => SocketError.AddressFamilyNotSupported,
        Errno.TooManyOpen or Errno.TooManyInSystem => SocketError.TooManyOpenSockets,
        Errno.NoBuffers => SocketError.NoBufferSpaceAvailable,
        _ => SocketError.SocketError,
    };

    private static bool TrySet(int socket, int level, int option, bool isOn)
    {
        int value = isOn ? 1 : 0;
        return SetOption(socket, level, option, value, sizeof(int)) == 0;
    }

    /// <summary>Makes a socket another user's, as if he had made it; only root may.</summary>
    /// <returns>False when that fails.</returns>
    public static bool TryGiveTo(SafeSocketHandle socket, uint user) =>
        ChangeOwner(socket, user, group: uint.MaxValue) == 0;

    [LibraryImport(LibC, EntryPoint = "socket", SetLastError = true)]
    private static partial int OpenSocket(int family, int type, int protocol);

    [LibraryImport(LibC, EntryPoint = "setsockopt", SetLastError = true)]
    private static partial int SetOption(int socket, int level, int option, in int value, int length);

    [LibraryImport(LibC, EntryPoint = "bind", SetLastError = true)]
    private static partial int Bind(int socket, ReadOnlySpan<byte> address, int length);

    [LibraryImport(LibC, EntryPoint = "getpeername", SetLastError = true)]
    private static partial int PeerOf(SafeSocketHandle socket, Span<byte> address, ref int length);

    [LibraryImport(LibC, EntryPoint = "close")]
    private static partial int Close(int descriptor);

    [LibraryImport(LibC, EntryPoint = "send", SetLastError = true)]
    private static partial nint Send(SafeFileHandle socket, ReadOnlySpan<byte> message, nuint length, int flags);

    [LibraryImport(LibC, EntryPoint = "recv", SetLastError = true)]
    private static partial nint Receive(SafeFileHandle socket, Span<byte> buffer, nuint length, int flags);

    [LibraryImport(LibC, EntryPoint = "fchown", SetLastError = true)]
    private static partial int ChangeOwner(SafeSocketHandle socket, uint user, uint group);
}
