using System.Collections;
using System.Globalization;

namespace Portmap.Guarding;

/// <summary>What the operating system says about the ports it hands out by itself, and how many descriptors this process may have.</summary>
/// <remarks>Read once. Other systems than Linux say nothing here (not verified): then no port is taken for an ephemeral one.</remarks>
internal sealed class KernelPorts
{
    private readonly BitArray _reserved = new(65_536);

    private KernelPorts()
    {
    }

    /// <summary>The ephemeral range (ip_local_port_range, ip(7)), which IPv6 uses too; null where it cannot be read.</summary>
    public PortRange? Ephemeral { get; private init; }

    /// <summary>The text of ip_local_reserved_ports: ports of the ephemeral range that the kernel leaves alone all the same.</summary>
    public string Reserved { get; private init; } = string.Empty;

    /// <summary>How many descriptors the process may have ("Max open files" of /proc/self/limits), or <see cref="int.MaxValue"/>.</summary>
    public int DescriptorLimit { get; private init; } = int.MaxValue;

    /// <summary>The first port that needs no privilege (ip_unprivileged_port_start, ip(7)); 0 where that cannot be read, or where this process has the privilege.</summary>
    public int FirstUnprivileged { get; private init; }

    /// <param name="proc">Where the kernel's files are.</param>
    public static KernelPorts Read(string proc = "/proc")
    {
        string reserved = ReadText($"{proc}/sys/net/ipv4/ip_local_reserved_ports").Trim();
        KernelPorts kernel = new()
        {
            Ephemeral = ParseRange(ReadText($"{proc}/sys/net/ipv4/ip_local_port_range")),
            Reserved = reserved,
            DescriptorLimit = ParseLimit(ReadText($"{proc}/self/limits")),
            FirstUnprivileged = MayBindAll(ReadText($"{proc}/self/status")) ? 0 : ParseNumber(ReadText($"{proc}/sys/net/ipv4/ip_unprivileged_port_start")),
        };
        kernel._reserved.Or(PortRegistrySettings.ParseExclude(reserved, []));
        return kernel;
    }

    /// <summary>Whether the kernel may give the port to somebody's outgoing connection or bind to port 0.</summary>
    public bool MayHandOut(int port) => Ephemeral?.Contains(port) == true && !_reserved[port];

    /// <summary>The parts of a range the kernel may hand out, or those it never does.</summary>
    public IReadOnlyList<PortRange> PartsOf(PortRange range, bool handedOut)
    {
        List<PortRange> parts = [];
        int first = 0;
        for (int port = range.First; port <= range.Last + 1; port++)
        {
            bool isIn = port <= range.Last && MayHandOut(port) == handedOut;
            if (isIn && first == 0)
            {
                first = port;
            }
            else if (!isIn && first != 0)
            {
                parts.Add(new PortRange(first, port - 1));
                first = 0;
            }
        }

        return parts;
    }

    private static PortRange? ParseRange(string text)
    {
        string[] ends = text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        return ends.Length == 2 && PortRange.TryParse($"{ends[0]}-{ends[1]}", out PortRange range) ? range : null;
    }

    private static int ParseLimit(string text)
    {
        const string Name = "Max open files";
        string? line = text.Split('\n').FirstOrDefault(line => line.StartsWith(Name, StringComparison.Ordinal));
        string? soft = line?[Name.Length..].Split(' ', StringSplitOptions.RemoveEmptyEntries).FirstOrDefault();
        return int.TryParse(soft, NumberStyles.None, CultureInfo.InvariantCulture, out int limit) ? limit : int.MaxValue;
    }

    /// <summary>CAP_NET_BIND_SERVICE, capability 10 (capabilities(7)), or not to be read.</summary>
    private static bool MayBindAll(string status)
    {
        const string Name = "CapEff:";
        const int NetBindService = 10;
        string? line = status.Split('\n').FirstOrDefault(line => line.StartsWith(Name, StringComparison.Ordinal));
        return !ulong.TryParse(line?[Name.Length..].Trim(), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ulong capabilities)
            || (capabilities >> NetBindService & 1) != 0;
    }

    private static int ParseNumber(string text) => int.TryParse(text.Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number : 0;

    private static string ReadText(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return string.Empty;
        }
    }
}
