using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Portmap.Rpc.Working;

/// <summary>
/// The numbers that the kernel hands out by itself, and how it is asked for one of some of them.
/// </summary>
internal static class EphemeralPorts
{
    private const int IpProtoIp = 0;
    private const int IpLocalPortRange = 51;

    /// <summary>
    /// The part of a range that the kernel also hands out to others, or <c>default</c> when it has
    /// none or does not say.
    /// </summary>
    public static PortRange OverlapWith(PortRange range)
    {
        if (!PortRange.TryParse(KernelSettings.EphemeralRange(), out PortRange ephemeral))
        {
            return default;
        }

        int first = Math.Max(range.First, ephemeral.First), last = Math.Min(range.Last, ephemeral.Last);
        return first <= last ? new PortRange(first, last) : default;
    }

    /// <summary>
    /// Has the next bind to port 0 choose inside a range, in one step (Linux 6.3 and later; other
    /// kernels refuse or ignore it).
    /// </summary>
    /// <exception cref="SocketException">The kernel does not know the option.</exception>
    public static void Narrow(Socket socket, PortRange range)
    {
        Span<byte> value = stackalloc byte[4];
        uint bounds = ((uint)range.Last << 16) | (uint)range.First;
        MemoryMarshal.Write(value, bounds);
        socket.SetRawSocketOption(IpProtoIp, IpLocalPortRange, value);
    }
}
