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

    /// <summary>Its range, or <c>default</c> where it does not say.</summary>
    /// <param name="proc">Where the kernel's files are.</param>
    public static PortRange Range(string proc) => PortRange.TryParse(KernelSettings.EphemeralRange(proc), out PortRange ephemeral) ? ephemeral : default;

    /// <summary>The ports that it leaves alone all the same, because an administrator has reserved
    /// them (ip_local_reserved_ports), in ascending order.</summary>
    /// <param name="proc">Where the kernel's files are.</param>
    public static IEnumerable<PortRange> Reserved(string proc)
    {
        // The kernel takes 0, which is no port.
        foreach (string part in KernelSettings.ReadText($"{proc}/sys/net/ipv4/ip_local_reserved_ports").Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            if (PortRange.TryParse(part.StartsWith("0-", StringComparison.Ordinal) ? $"1{part[1..]}" : part, out PortRange range))
            {
                yield return range;
            }
        }
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
