using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Portmap.Native;

/// <summary>The messages of sock_diag(7), by which the kernel is asked about sockets.</summary>
/// <remarks>
/// <code>
///   nlmsghdr (16 bytes)       │ of the family      │ attributes
///   length, type, flags, …    │ request or answer  │ length, type, value, …
/// </code>
/// From linux/netlink.h, linux/sock_diag.h, linux/inet_diag.h and linux/unix_diag.h. Numbers are in
/// the order of this machine but for ports and addresses.
/// </remarks>
internal static class SockDiag
{
    public const int HeaderSize = 16;

    // Address families and protocols.
    public const byte Unix = 1, Ipv4 = 2, Ipv6 = 10, Tcp = 6, Udp = 17;

    // struct inet_diag_req_v2 and inet_diag_msg: family, state, …, id at 4 (req: 8), uid, inode
    public const int InetRequestSize = 56, InetAnswerSize = 72, SocketIdAt = 4, UserAt = 64, InodeAt = 68;

    private const ushort Error = 2, Done = 3, ByFamily = 20;
    private const ushort Request = 1, Dump = 0x300;
    private const int AttributeHeader = 4;

    /// <summary>What a message is.</summary>
    public enum Kind
    {
        Answer,

        /// <summary>The last one of a list.</summary>
        Done,

        Error,

        /// <summary>Nothing that was asked for, or cut off.</summary>
        Other,
    }

    /// <summary>Asks; the request stands behind the place of the header.</summary>
    /// <param name="socket">Of <see cref="Posix.OpenSockDiag"/>.</param>
    /// <param name="message">The message, whose header is written here.</param>
    /// <param name="forAll">Whether all sockets are wanted that it describes, or the one.</param>
    public static bool TryAsk(SafeFileHandle socket, Span<byte> message, bool forAll)
    {
        MemoryMarshal.Write(message, message.Length);
        MemoryMarshal.Write(message[4..], ByFamily);
        MemoryMarshal.Write(message[6..], (ushort)(forAll ? Request | Dump : Request));
        return Posix.TrySend(socket, message);
    }

    /// <summary>Takes one message off what was received.</summary>
    /// <param name="received">What was received; the rest of it afterwards.</param>
    /// <param name="body">What stands behind the header.</param>
    public static Kind Next(ref ReadOnlySpan<byte> received, out ReadOnlySpan<byte> body)
    {
        body = default;
        int length = received.Length < HeaderSize ? 0 : MemoryMarshal.Read<int>(received);
        if (length < HeaderSize || length > received.Length)
        {
            received = default;
            return Kind.Other;
        }

        ushort type = MemoryMarshal.Read<ushort>(received[4..]);
        body = received[HeaderSize..length];
        received = received[Math.Min(received.Length, Aligned(length))..];
        return type switch
        {
            ByFamily => Kind.Answer,
            // A dump that failed after it had begun, such as of a protocol without a handler.
            Done => body.Length >= sizeof(int) && MemoryMarshal.Read<int>(body) < 0 ? Kind.Error : Kind.Done,
            Error when body.Length >= sizeof(int) => Kind.Error,
            _ => Kind.Other,
        };
    }

    /// <summary>The number of errno(3) that an <see cref="Kind.Error"/> bears.</summary>
    public static int ErrorIn(ReadOnlySpan<byte> body) => -MemoryMarshal.Read<int>(body);

    /// <summary>The value of an attribute; empty when there is none.</summary>
    public static ReadOnlySpan<byte> Attribute(ReadOnlySpan<byte> attributes, ushort type)
    {
        while (attributes.Length >= AttributeHeader)
        {
            int length = Math.Clamp(MemoryMarshal.Read<ushort>(attributes), AttributeHeader, attributes.Length);
            if (MemoryMarshal.Read<ushort>(attributes[2..]) == type)
            {
                return attributes[AttributeHeader..length];
            }

            attributes = attributes[Math.Min(Aligned(length), attributes.Length)..];
        }

        return default;
    }

    private static int Aligned(int length) => (length + 3) & ~3;
}
