using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Portmap.Native;

namespace Portmap.Rpc.Peers;

/// <summary>Asks the kernel about one socket (sock_diag(7)).</summary>
/// <remarks>
/// What it costs does not grow with the number of sockets. Linux only. Safe for any thread: each
/// question has a socket of its own.
/// </remarks>
internal static class SocketDiagnosis
{
    private const int SocketIdBytes = 48, UnixRequestBytes = 24;
    private const int UnixShowPeer = 4, UnixPeerAttribute = 2, UnixAnswerBytes = 16;

    /// <summary>Finds a TCP socket by its two ends.</summary>
    /// <param name="local">The end of the socket that is looked for.</param>
    /// <param name="remote">The other one.</param>
    /// <param name="socket">The socket; null when no process of this network has such a one
    /// open.</param>
    /// <returns>False when the kernel cannot be asked.</returns>
    public static bool TryFindTcp(IPEndPoint local, IPEndPoint remote, out PeerSocket? socket)
    {
        socket = null;
        byte[] message = new byte[SockDiag.HeaderSize + SockDiag.InetRequestSize];
        Span<byte> request = message.AsSpan(SockDiag.HeaderSize);
        IPAddress address = Plain(local.Address);
        request[0] = address.AddressFamily == AddressFamily.InterNetwork ? SockDiag.Ipv4 : SockDiag.Ipv6;
        request[1] = SockDiag.Tcp;
        Write(request[4..], uint.MaxValue);   // whatever its state
        PutSocketId(request[8..], local, remote);
        byte[]? answer = Ask(message, out int error);
        if (answer is null)
        {
            return error == Errno.NoEntry;
        }

        // Where there is no connection of these ends, the kernel answers with a listener on the
        // first of them. One that was closed lingers without an inode, and some kernels say that it
        // is root's.
        if (answer.Length >= SockDiag.InetAnswerSize && TcpStates.IsConnected(answer[1]) && IsSame(answer.AsSpan(SockDiag.SocketIdAt), answer[0], local, remote)
            && Read(answer.AsSpan(SockDiag.InodeAt)) is > 0 and uint inode)
        {
            socket = new PeerSocket(Read(answer.AsSpan(SockDiag.UserAt)), inode);
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
        byte[] message = new byte[SockDiag.HeaderSize + UnixRequestBytes];
        Span<byte> request = message.AsSpan(SockDiag.HeaderSize);
        request[0] = SockDiag.Unix;
        Write(request[4..], uint.MaxValue);
        Write(request[8..], (uint)inode);
        Write(request[12..], UnixShowPeer);
        request[16..24].Fill(0xff);   // no cookie
        byte[]? answer = Ask(message, out _);
        if (answer is null)
        {
            return false;
        }

        ReadOnlySpan<byte> attributes = answer.AsSpan(Math.Min(UnixAnswerBytes, answer.Length));
        ReadOnlySpan<byte> found = SockDiag.Attribute(attributes, UnixPeerAttribute);
        peer = found.Length >= sizeof(uint) ? Read(found) : 0;
        return true;
    }

    /// <summary>
    /// A v4 address that is written as a v6 one is the v4 address: the kernel finds both by it.
    /// </summary>
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
        int length = family == SockDiag.Ipv4 ? 4 : 16;
        return BinaryPrimitives.ReadUInt16BigEndian(id) == local.Port && BinaryPrimitives.ReadUInt16BigEndian(id[2..]) == remote.Port
            && IsSame(id.Slice(4, length), local.Address) && IsSame(id.Slice(20, length), remote.Address);
    }

    private static bool IsSame(ReadOnlySpan<byte> bytes, IPAddress address) =>
        Plain(new IPAddress(bytes)).GetAddressBytes().AsSpan().SequenceEqual(Plain(address).GetAddressBytes());

    /// <returns>The body of the answer, or null.</returns>
    /// <param name="message">The question.</param>
    /// <param name="error">What the kernel said; 0 when it could not be asked.</param>
    private static byte[]? Ask(byte[] message, out int error)
    {
        error = 0;
        using SafeFileHandle? socket = OperatingSystem.IsLinux() ? Posix.OpenSockDiag() : null;
        if (socket is null || !SockDiag.TryAsk(socket, message, forAll: false))
        {
            return null;
        }

        // The kernel answers before the call that asks returns.
        byte[] buffer = new byte[512];
        int length = Posix.Receive(socket, buffer, wait: false);
        ReadOnlySpan<byte> received = buffer.AsSpan(0, Math.Max(length, 0));
        switch (SockDiag.Next(ref received, out ReadOnlySpan<byte> body))
        {
            case SockDiag.Kind.Answer:
                return body.ToArray();
            case SockDiag.Kind.Error:
                error = SockDiag.ErrorIn(body);
                return null;
            default:
                return null;
        }
    }

    private static uint Read(ReadOnlySpan<byte> from) => MemoryMarshal.Read<uint>(from);

    private static void Write(Span<byte> to, uint value) => MemoryMarshal.Write(to, value);
}
