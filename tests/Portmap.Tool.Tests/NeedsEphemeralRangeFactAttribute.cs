namespace Portmap.Tool.Tests;

/// <summary>A test that needs a kernel which hands out ports, and leaves some above them
/// alone.</summary>
public sealed class NeedsEphemeralRangeFactAttribute : FactAttribute
{
    private const string File = "/proc/sys/net/ipv4/ip_local_port_range", Reserved = "/proc/sys/net/ipv4/ip_local_reserved_ports";

    public NeedsEphemeralRangeFactAttribute() =>
        Skip = Range is { Count: > 200, Last: < 65_000 } ? null! : "The kernel's range of ephemeral ports does not end below 65000, or some are reserved.";

    /// <summary>What the kernel hands out; null where that cannot be read.</summary>
    public static PortRange? Range { get; } =
        System.IO.File.Exists(File) && System.IO.File.ReadAllText(Reserved).Trim().Length == 0
            && PortRange.TryParse(System.IO.File.ReadAllText(File).Trim().Replace('\t', '-'), out PortRange range) ? range : null;
}
