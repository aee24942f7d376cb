using System.Collections;
using System.Globalization;

namespace Portmap;

/// <summary>What the operating system says about ports and descriptors.</summary>
/// <remarks>
/// Read once. Other systems than Linux say nothing here (not verified): then no port is taken for
/// an ephemeral one.
/// </remarks>
internal sealed class KernelPorts
{
    private readonly BitArray _reserved = new(65_536);
    private bool _hasReserved;

    private KernelPorts()
    {
    }

    /// <summary>Of a host of which nothing is known, and where everything is allowed.</summary>
    public static KernelPorts Unknown { get; } = new();

    /// <inheritdoc cref="KernelSettings.EphemeralRange"/>
    public PortRange? Ephemeral { get; private init; }

    /// <summary>The text of ip_local_reserved_ports.</summary>
    /// <remarks>Ports of the ephemeral range that the kernel leaves alone all the same.</remarks>
    public string Reserved { get; private init; } = string.Empty;

    /// <inheritdoc cref="KernelSettings.DescriptorLimit"/>
    public int DescriptorLimit { get; private init; } = int.MaxValue;

    /// <summary>
    /// The first port that needs no privilege (ip_unprivileged_port_start, ip(7)).
    /// </summary>
    /// <value>0 where that cannot be read, or where this process has the privilege.</value>
    public int FirstUnprivileged { get; private init; }

    /// <param name="proc">Where the kernel's files are.</param>
    public static KernelPorts Read(string proc = KernelSettings.Proc)
    {
        string reserved = KernelSettings.ReadText($"{proc}/sys/net/ipv4/ip_local_reserved_ports").Trim();
        string start = KernelSettings.ReadText($"{proc}/sys/net/ipv4/ip_unprivileged_port_start");
        KernelPorts kernel = new()
        {
            Ephemeral = PortRange.TryParse(KernelSettings.EphemeralRange(proc), out PortRange range) ? range : null,
            Reserved = reserved,
            DescriptorLimit = KernelSettings.DescriptorLimit(proc),
            FirstUnprivileged = MayBindAll(proc) ? 0 : ParseNumber(start),
        };
        kernel._reserved.Or(PortList.Parse(reserved.StartsWith("0-", StringComparison.Ordinal) ? $"1{reserved[1..]}" : reserved, []));   // the kernel takes 0, and tells in ascending order
        kernel._hasReserved = kernel._reserved.HasAnySet();
        return kernel;
    }

    /// <summary>
    /// Whether the kernel may give the port to somebody's outgoing connection or bind to port 0.
    /// </summary>
    public bool MayHandOut(int port) => Ephemeral?.Contains(port) == true && !_reserved[port];

    /// <summary>The parts of a range the kernel may hand out, or those it never does.</summary>
    public IReadOnlyList<PortRange> PartsOf(PortRange range, bool handedOut)
    {
        List<PortRange> parts = [];
        int first = 0, end = range.Last + 1;
        for (int port = range.First; port <= end; port = port < end ? Math.Min(NextChange(port), end) : end + 1)
        {
            bool isIn = port < end && MayHandOut(port) == handedOut;
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

    /// <summary>Up to where the answer of <see cref="MayHandOut"/> is the same as of a
    /// port.</summary>
    private int NextChange(int port) =>
        Ephemeral is not { } range || port > range.Last ? int.MaxValue
        : port < range.First ? range.First
        : _hasReserved ? port + 1
        : range.Last + 1;

    /// <summary>The same of several ranges, in ascending order.</summary>
    public PortRange[] PartsOf(IEnumerable<PortRange> ranges, bool handedOut) =>
        [.. ranges.OrderBy(range => range.First).SelectMany(range => PartsOf(range, handedOut))];

    /// <summary>CAP_NET_BIND_SERVICE, capability 10 (capabilities(7)), or not to be read.</summary>
    private static bool MayBindAll(string proc)
    {
        const int NetBindService = 10;
        string? effective = KernelSettings.FieldOf(KernelSettings.ReadText($"{proc}/self/status"), "CapEff:");
        return !ulong.TryParse(effective, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ulong held)
            || (held >> NetBindService & 1) != 0;
    }

    private static int ParseNumber(string text) =>
        int.TryParse(text.Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number : 0;
}
