using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Portmap.Rpc.Serving;

/// <summary>Asks the kernel about one socket (sock_diag(7)): what it costs does not grow with the number of sockets.</summary>
/// <remarks>Linux only; .NET has no netlink sockets. Safe for any thread: each question has a socket of its own.</remarks>
internal static class SocketDiagnosis
{
    // linux/netlink.h, linux/sock_diag.h, linux/inet_diag.h, linux/unix_diag.h
    private const int Netlink = 16, Raw = 3, CloseOnExec = 0x80000, DiagnosisProtocol = 4, DontWait = 0x40;
    private const int MessageHeader = 16, AttributeHeader = 4, Error = 2, ByFamily = 20, Request = 1;
    private const int NoSuchEntry = -2;
    private const byte Unix = 1, Inet = 2, Inet6 = 10, Tcp = 6;
    private const int SocketIdBytes = 48, TcpRequestBytes = 56, UnixRequestBytes = 24;
    private const int UnixShowPeer = 4, UnixPeerAttribute = 2, UnixAnswerBytes = 16;

    // struct inet_diag_msg: family, state, timer, retrans, id, expires, rqueue, wqueue, uid, inode
    private const int SocketIdAt = 4, UserAt = 64, InodeAt = 68, TcpAnswerBytes = 72;

    /// <summary>Finds a TCP socket by its two ends.</summary>
    /// <param name="local">The end of the socket that is looked for.</param>
    /// <param name="remote">The other one.</param>
    /// <param name="socket">The socket; null when no process of this network has such a one open.</param>
    /// <returns>False when the kernel cannot be asked.</returns>
    public static bool TryFindTcp(IPEndPoint local, IPEndPoint remote, out PeerSocket? socket)
    {
        socket = null;
        byte[] message = new byte[MessageHeader + TcpRequestBytes];
        Span<byte> request = message.AsSpan(MessageHeader);
        IPAddress address = Plain(local.Address);
        request[0] = address.AddressFamily == AddressFamily.InterNetwork ? Inet : Inet6;
        request[1] = Tcp;
        Write(request[4..], uint.MaxValue);   // whatever its state
        PutSocketId(request[8..], local, remote);
        byte[]? answer = Ask(message, out int error);
        if (answer is null)
        {
            return error == NoSuchEntry;
        }

        // Where there is no connection of these ends, the kernel answers with a listener on the first of them. One that was closed lingers
        // without an inode, and some kernels say that it is root's.
        if (answer.Length >= TcpAnswerBytes && TcpStates.IsConnected(answer[1]) && IsSame(answer.AsSpan(SocketIdAt), answer[0], local, remote)
            && Read(answer.AsSpan(InodeAt)) is > 0 and uint inode)
        {
            socket = new PeerSocket(Read(answer.AsSpan(UserAt)), inode);
        }

        return true;
    }

    /// <summary>Finds the other end of a connected Unix socket.</summary>
    /// <param name="inode">The socket.</param>
    /// <param name="peer">The inode of the other end; 0 when it is closed.</param>
    /// <returns>False when the kernel cannot be asked.</returns>
    public static bool TryFindUnixPeer(long inode, out long peer)
    {
        peer = 0;
        byte[] message = new byte[MessageHeader + UnixRequestBytes];
        Span<byte> request = message.AsSpan(MessageHeader);
        request[0] = Unix;
        Write(request[4..], uint.MaxValue);
        Write(request[8..], (uint)inode);
        Write(request[12..], UnixShowPeer);
        request[16..24].Fill(0xff);   // no cookie
        byte[]? answer = Ask(message, out _);
        if (answer is null)
        {
            return false;
        }

        for (int at = UnixAnswerBytes; at + AttributeHeader + 4 <= answer.Length;)
        {
            int length = MemoryMarshal.Read<ushort>(answer.AsSpan(at));
            if (MemoryMarshal.Read<ushort>(answer.AsSpan(at + 2)) == UnixPeerAttribute)
            {
                peer = Read(answer.AsSpan(at + AttributeHeader));
                return true;
            }

            at += Math.Max(AttributeHeader, (length + 3) & ~3);
        }

        return true;
    }

    /// <summary>A v4 address that is written as a v6 one is the v4 address: the kernel finds both by it.</summary>
    public static IPAddress Plain(IPAddress address) => address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;

    private static void PutSocketId(Span<byte> id, IPEndPoint local, IPEndPoint remote)
    {
        BinaryPrimitives.WriteUInt16BigEndian(id, (ushort)local.Port);
        BinaryPrimitives.WriteUInt16BigEndian(id[2..], (ushort)remote.Port);
        Plain(local.Address).TryWriteBytes(id[4..20], out _);
        Plain(remote.Address).TryWriteBytes(id[20..36], out _);
        Write(id[36..], local.Address.IsIPv6LinkLocal ? (uint)local.Address.ScopeId : 0);
        id[40..SocketIdBytes].Fill(0xff);   // no cookie
    }

    private static bool IsSame(ReadOnlySpan<byte> id, byte family, IPEndPoint local, IPEndPoint remote)
    {
        int length = family == Inet ? 4 : 16;
        return BinaryPrimitives.ReadUInt16BigEndian(id) == local.Port && BinaryPrimitives.ReadUInt16BigEndian(id[2..]) == remote.Port
            && IsSame(id.Slice(4, length), local.Address) && IsSame(id.Slice(20, length), remote.Address);
    }

    private static bool IsSame(ReadOnlySpan<byte> bytes, IPAddress address) =>
        Plain(new IPAddress(bytes)).GetAddressBytes().AsSpan().SequenceEqual(Plain(address).GetAddressBytes());

    /// <returns>The body of the answer, or null with what the kernel said: 0 when it could not be asked.</returns>
    private static byte[]? Ask(byte[] message, out int error)
    {
        error = 0;
        if (!OperatingSystem.IsLinux())
        {
            return null;
        }

        Write(message, (uint)message.Length);
        MemoryMarshal.Write(message.AsSpan(4), (ushort)ByFamily);
        MemoryMarshal.Write(message.AsSpan(6), (ushort)Request);
        int socket = OpenSocket(Netlink, Raw | CloseOnExec, DiagnosisProtocol);
        if (socket < 0)
        {
            return null;
        }

        try
        {
            // The kernel answers before send returns.
            byte[] answer = new byte[512];
            nint length = Send(socket, message, (nuint)message.Length, 0) < 0 ? -1 : Receive(socket, answer, (nuint)answer.Length, DontWait);
            if (length < MessageHeader + 4)
            {
                return null;
            }

            switch (MemoryMarshal.Read<ushort>(answer.AsSpan(4)))
            {
                case Error:
                    error = MemoryMarshal.Read<int>(answer.AsSpan(MessageHeader));
                    return null;
                case ByFamily:
                    return answer[MessageHeader..(int)Math.Min(length, Read(answer))];
                default:
                    return null;
            }
        }
        finally
        {
            _ = Close(socket);
        }
    }

    private static uint Read(ReadOnlySpan<byte> from) => MemoryMarshal.Read<uint>(from);

    private static void Write(Span<byte> to, uint value) => MemoryMarshal.Write(to, value);

#pragma warning disable SYSLIB1054 // arrays of bytes need no generated marshalling, which would need unsafe code
    [DllImport("libc", EntryPoint = "socket")]
    private static extern int OpenSocket(int family, int type, int protocol);

    [DllImport("libc", EntryPoint = "send")]
    private static extern nint Send(int socket, byte[] message, nuint length, int flags);

    [DllImport("libc", EntryPoint = "recv")]
    private static extern nint Receive(int socket, byte[] answer, nuint length, int flags);

    [DllImport("libc", EntryPoint = "close")]
    private static extern int Close(int socket);
#pragma warning restore SYSLIB1054
}
