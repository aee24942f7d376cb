using System.Globalization;

namespace Portmap.Guarding;

/// <summary>What the operating system says about the ports it hands out by itself.</summary>
internal static class KernelPorts
{
    /// <summary>The ephemeral range (ip_local_port_range, ip(7)), which IPv6 uses too; null where it cannot be read (other systems: not verified).</summary>
    public static PortRange? EphemeralRange()
    {
        try
        {
            string[] parts = File.ReadAllText("/proc/sys/net/ipv4/ip_local_port_range").Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
            return new PortRange(int.Parse(parts[0], CultureInfo.InvariantCulture), int.Parse(parts[1], CultureInfo.InvariantCulture));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or FormatException or IndexOutOfRangeException or ArgumentException)
        {
            return null;
        }
    }
}
