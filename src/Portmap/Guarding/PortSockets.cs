using System.Buffers.Binary;
using System.Net;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Portmap.Guarding;

/// <summary>One socket that has a port, as the kernel lists it.</summary>
/// <param name="Port">Its local port.</param>
/// <param name="Address">Its local address.</param>
/// <param name="IsV6Only">A wildcard of IPv6 that leaves IPv4 to others.</param>
/// <param name="Listens">TCP: it listens. UDP: it is bound.</param>
/// <param name="UserId">Whose it is.</param>
/// <param name="Inode">What /proc/pid/fd calls it; 0 when no process has it any more.</param>
internal readonly record struct PortSocket(int Port, IPAddress Address, bool IsV6Only, bool Listens, uint UserId, long Inode)
{
    /// <summary>The addresses it serves: * is every one of both families, 0.0.0.0 and :: every one of IPv4 and of IPv6.</summary>
    public string Served => Address.Equals(IPAddress.IPv6Any) && !IsV6Only ? "*" : Address.ToString();
}

/// <summary>The sockets on one port, or all that listen, from the kernel's own list (sock_diag(7)).</summary>
/// <remarks>
/// <para>Beside /proc/net it knows whether a wildcard of IPv6 leaves IPv4 to others, it finds one port without printing all of them, and since Linux 6.8 it
/// lists sockets that are bound and silent. Any user may ask. Linux only; where it is not to be had the answer is null.</para>
/// <para>Safe for any thread. It asks over a socket of its own each time: about 20 µs for a port.</para>
/// </remarks>
internal static class PortSockets
{
    private const int NetlinkFamily = 16, RawCloseOnExec = 0x80003, SockDiagProtocol = 4;
    private const ushort ByFamily = 20, Done = 3, Error = 2, RequestDump = 0x301;
    private const byte Tcp = 6, Udp = 17, Ipv4 = 2, Ipv6 = 10;
    private const int Listen = 10, Closed = 7, Established = 1;
    private const int HeaderSize = 16, RequestSize = 72, MessageSize = 72, V6OnlyAttribute = 11, BufferSize = 32_768;
    private const int Interrupted = 4, NoSuchFamily = 97;   // errno(3)

    /// <summary>Who listens: on one port, or with 0 on any.</summary>
    public static IReadOnlyList<PortSocket>? Listening(PortProtocol protocol, int port) =>
        Find(protocol, port, protocol == PortProtocol.Udp ? 1u << Closed | 1u << Established : 1u << Listen);

    /// <summary>Every socket that has a port: those that listen, those of connections, and the bound, silent ones that the kernel tells of.</summary>
    public static IReadOnlyList<PortSocket>? All(PortProtocol protocol, int port) => Find(protocol, port, uint.MaxValue);

    private static List<PortSocket>? Find(PortProtocol protocol, int port, uint states)
    {
        if (!OperatingSystem.IsLinux())
        {
            return null;
        }

        using SafeFileHandle socket = new(OpenSocket(NetlinkFamily, RawCloseOnExec, SockDiagProtocol), ownsHandle: true);
        List<PortSocket> found = [];
        return !socket.IsInvalid && TryAsk(socket, Ipv4, protocol, port, states, found) && TryAsk(socket, Ipv6, protocol, port, states, found) ? found : null;
    }

    private static bool TryAsk(SafeFileHandle socket, byte family, PortProtocol protocol, int port, uint states, List<PortSocket> found)
    {
        Span<byte> request = stackalloc byte[RequestSize];
        request.Clear();
        MemoryMarshal.Write(request, RequestSize);
        MemoryMarshal.Write(request[4..], ByFamily);
        MemoryMarshal.Write(request[6..], RequestDump);
        request[16] = family;
        request[17] = protocol == PortProtocol.Udp ? Udp : Tcp;
        MemoryMarshal.Write(request[20..], states);
        BinaryPrimitives.WriteUInt16BigEndian(request[24..], (ushort)port);
        if (Send(socket, ref MemoryMarshal.GetReference(request), RequestSize, 0) != RequestSize)
        {
            return false;
        }

        byte[] buffer = new byte[BufferSize];
        while (true)
        {
            nint read = Receive(socket, buffer, BufferSize, 0);
            if (read < 0 && Marshal.GetLastPInvokeError() == Interrupted)
            {
                continue;
            }

            if (read < HeaderSize)
            {
                return false;
            }

            for (ReadOnlySpan<byte> rest = buffer.AsSpan(0, (int)read); rest.Length >= HeaderSize;)
            {
                int length = MemoryMarshal.Read<int>(rest);
                ushort type = MemoryMarshal.Read<ushort>(rest[4..]);
                if (type == Done)
                {
                    return true;
                }

                if (type == Error || length < HeaderSize || length > rest.Length)
                {
                    // A family the kernel was built without has no sockets.
                    return type == Error && rest.Length >= HeaderSize + 4 && -MemoryMarshal.Read<int>(rest[HeaderSize..]) is NoSuchFamily && family == Ipv6;
                }

                if (type == ByFamily && length >= HeaderSize + MessageSize)
                {
                    Add(rest[HeaderSize..length], protocol, port, found);
                }

                rest = rest[Math.Min(rest.Length, (length + 3) & ~3)..];
            }
        }
    }

    private static void Add(ReadOnlySpan<byte> message, PortProtocol protocol, int port, List<PortSocket> found)
    {
        bool isV6 = message[0] == Ipv6;
        int local = BinaryPrimitives.ReadUInt16BigEndian(message[4..]);
        if (port != 0 && local != port)
        {
            return;   // a kernel that does not filter
        }

        bool isV6Only = false;
        for (ReadOnlySpan<byte> rest = message[MessageSize..]; rest.Length > 4;)
        {
            int length = MemoryMarshal.Read<ushort>(rest);
            if (MemoryMarshal.Read<ushort>(rest[2..]) == V6OnlyAttribute)
            {
                isV6Only = rest[4] != 0;
            }

            rest = rest[Math.Clamp((length + 3) & ~3, 4, rest.Length)..];
        }

        bool listens = protocol == PortProtocol.Udp ? message[1] is Closed or Established : message[1] == Listen;
        found.Add(new PortSocket(
            local, new IPAddress(message.Slice(8, isV6 ? 16 : 4)), isV6 && isV6Only, listens,
            MemoryMarshal.Read<uint>(message[64..]), MemoryMarshal.Read<uint>(message[68..])));
    }

    [DllImport("libc", EntryPoint = "socket", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern nint OpenSocket(int family, int type, int protocol);

    [DllImport("libc", EntryPoint = "send", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern nint Send(SafeFileHandle socket, ref byte bytes, nint length, int flags);

    [DllImport("libc", EntryPoint = "recv", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern nint Receive(SafeFileHandle socket, byte[] buffer, nint length, int flags);
}
