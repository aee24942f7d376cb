using System.Buffers.Binary;
using System.Net;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Portmap.Native;

namespace Portmap.Guarding;

/// <summary>
/// The sockets on one port, or all that listen, from the kernel's own list (sock_diag(7)).
/// </summary>
/// <remarks>
/// <para>
/// Beside /proc/net it knows whether a wildcard of IPv6 leaves IPv4 to others, it finds one port
/// without printing all of them, and since Linux 6.8 it lists sockets that are bound and silent.
/// Any user may ask. Linux only; where it is not to be had the answer is null.
/// </para>
/// <para>
/// Safe for any thread. It asks over a socket of its own each time.
/// </para>
/// </remarks>
internal static class PortSockets
{
    private const int Listen = 10, Closed = 7, Established = 1;   // net/tcp_states.h
    private const ushort V6OnlyAttribute = 11;
    private const int BufferSize = 32_768;
    private const int InterfaceAt = 36;   // of struct inet_diag_sockid: ports, two addresses, interface

    /// <summary>Who listens: on one port, or with 0 on any.</summary>
    public static IReadOnlyList<PortSocket>? Listening(PortProtocol protocol, int port) =>
        Find(new(protocol, port, protocol == PortProtocol.Udp ? 1u << Closed | 1u << Established : 1u << Listen));

    /// <summary>Every socket that has a port.</summary>
    /// <remarks>
    /// Those that listen, those of connections, and the bound, silent ones that the kernel tells
    /// of.
    /// </remarks>
    public static IReadOnlyList<PortSocket>? All(PortProtocol protocol, int port) =>
        Find(new(protocol, port, uint.MaxValue));

    private static List<PortSocket>? Find(in Question question)
    {
        if (!OperatingSystem.IsLinux())
        {
            return null;
        }

        using SafeFileHandle? socket = Posix.OpenSockDiag();
        List<PortSocket> found = [];
        return socket is not null
            && TryAsk(socket, SockDiag.Ipv4, question, found)
            && TryAsk(socket, SockDiag.Ipv6, question, found) ? found : null;
    }

    private static bool TryAsk(SafeFileHandle socket, byte family, in Question question, List<PortSocket> found)
    {
        Span<byte> message = stackalloc byte[SockDiag.HeaderSize + SockDiag.InetRequestSize];
        message.Clear();
        Span<byte> request = message[SockDiag.HeaderSize..];
        request[0] = family;
        request[1] = question.Protocol == PortProtocol.Udp ? SockDiag.Udp : SockDiag.Tcp;
        MemoryMarshal.Write(request[4..], question.States);
        BinaryPrimitives.WriteUInt16BigEndian(request[8..], (ushort)question.Port);
        if (!SockDiag.TryAsk(socket, message, forAll: true))
        {
            return false;
        }

        byte[] buffer = new byte[BufferSize];
        while (true)
        {
            int length = Posix.Receive(socket, buffer, wait: true);
            ReadOnlySpan<byte> received = buffer.AsSpan(0, Math.Max(length, 0));
            do
            {
                switch (SockDiag.Next(ref received, out ReadOnlySpan<byte> body))
                {
                    case SockDiag.Kind.Answer when body.Length >= SockDiag.InetAnswerSize:
                        Add(body, question, found);
                        break;
                    case SockDiag.Kind.Answer:
                        break;
                    case SockDiag.Kind.Done:
                        return true;
                    case SockDiag.Kind.Error:
                        // A family the kernel was built without has no sockets.
                        return SockDiag.ErrorIn(body) == Errno.FamilyUnsupported && family == SockDiag.Ipv6;
                    default:
                        return false;
                }
            }
            while (received.Length >= SockDiag.HeaderSize);
        }
    }

    private static void Add(ReadOnlySpan<byte> answer, in Question question, List<PortSocket> found)
    {
        bool isV6 = answer[0] == SockDiag.Ipv6;
        int state = answer[1];
        ReadOnlySpan<byte> id = answer[SockDiag.SocketIdAt..];
        int port = BinaryPrimitives.ReadUInt16BigEndian(id);
        if (question.Port != 0 && port != question.Port)
        {
            return;   // a kernel that does not filter
        }

        ReadOnlySpan<byte> v6Only = SockDiag.Attribute(answer[SockDiag.InetAnswerSize..], V6OnlyAttribute);
        found.Add(new PortSocket(
            port,
            AddressOf(id, isV6),
            IsV6Only: isV6 && v6Only.Length > 0 && v6Only[0] != 0,
            Listens: question.Protocol == PortProtocol.Udp ? state is Closed or Established : state == Listen,
            MemoryMarshal.Read<uint>(answer[SockDiag.UserAt..]),
            MemoryMarshal.Read<uint>(answer[SockDiag.InodeAt..]))
        {
            IsConnected = question.Protocol == PortProtocol.Udp && state == Established,
        });
    }

    /// <summary>Most sockets are at every address: one object for all of these.</summary>
    /// <remarks>
    /// A socket of IPv6 at an address of IPv4, such as ::ffff:0.0.0.0, serves that one and is as
    /// one of IPv4. An address of one link is one with its interface only.
    /// </remarks>
    private static IPAddress AddressOf(ReadOnlySpan<byte> id, bool isV6)
    {
        ReadOnlySpan<byte> bytes = id.Slice(4, isV6 ? 16 : 4);
        if (!bytes.ContainsAnyExcept((byte)0))
        {
            return isV6 ? IPAddress.IPv6Any : IPAddress.Any;
        }

        IPAddress address = new(bytes);
        return address.IsIPv4MappedToIPv6 ? address.MapToIPv4()
            : address.IsIPv6LinkLocal ? new IPAddress(bytes, MemoryMarshal.Read<uint>(id[InterfaceAt..]))
            : address;
    }

    /// <summary>What is asked for.</summary>
    /// <param name="Protocol">TCP or UDP.</param>
    /// <param name="Port">One port, or 0 for all.</param>
    /// <param name="States">A bit for each state that is wanted.</param>
    private readonly record struct Question(PortProtocol Protocol, int Port, uint States);
}
