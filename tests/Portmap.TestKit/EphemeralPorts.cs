using System.Globalization;

namespace Portmap.TestKit;

/// <summary>The ports the kernel hands out by itself; a test that wants a port to stay free keeps
/// away from them.</summary>
public static class EphemeralPorts
{
    private const string LinuxSetting = "/proc/sys/net/ipv4/ip_local_port_range";

    /// <summary>The range, as the kernel says; where it says nothing, what RFC 6335 sets aside for
    /// it.</summary>
    public static PortRange Range { get; } = Read();

    private static PortRange Read()
    {
        if (!File.Exists(LinuxSetting))
        {
            return new PortRange(49152, 65535);
        }

        string[] ends = File.ReadAllText(LinuxSetting).Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        return new PortRange(int.Parse(ends[0], CultureInfo.InvariantCulture), int.Parse(ends[1], CultureInfo.InvariantCulture));
    }
}
