using System.Collections;

namespace Portmap;

/// <summary>Ports written as numbers and ranges separated by commas.</summary>
/// <remarks>So options name what is excluded, and the kernel what it reserves.</remarks>
internal static class PortList
{
    /// <summary>Reads a list.</summary>
    /// <param name="text">The list; null is empty.</param>
    /// <param name="complaints">What could not be read is added here, and left out.</param>
    /// <returns>A bit for each of 65,536 ports.</returns>
    public static BitArray Parse(string? text, List<string> complaints)
    {
        BitArray ports = new(65_536);
        foreach (string part in (text ?? string.Empty).Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            if (!PortRange.TryParse(part, out PortRange range, out string? complaint))
            {
                complaints.Add(complaint);
            }

            for (int port = range.First; port <= range.Last && port != 0; port++)
            {
                ports[port] = true;
            }
        }

        return ports;
    }

    /// <summary>All ports but those of some ranges.</summary>
    /// <returns>A bit for each of 65,536 ports.</returns>
    public static BitArray Outside(IEnumerable<PortRange> ranges)
    {
        byte[] ports = new byte[65_536 / 8];
        ports.AsSpan().Fill(byte.MaxValue);
        foreach (PortRange range in ranges)
        {
            int port = range.First;
            for (; port <= range.Last && (port & 7) != 0; port++)
            {
                ports[port >> 3] &= (byte)~(1 << (port & 7));
            }

            for (; port + 7 <= range.Last; port += 8)
            {
                ports[port >> 3] = 0;
            }

            for (; port <= range.Last; port++)
            {
                ports[port >> 3] &= (byte)~(1 << (port & 7));
            }
        }

        return new BitArray(ports);
    }
}
