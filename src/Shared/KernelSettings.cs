using System.Globalization;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Portmap;

/// <summary>What the kernel's files say of the ports it hands out, and of descriptors.</summary>
/// <remarks>
/// Linux only: elsewhere there are no such files, and then nothing is said. Each call reads anew.
/// </remarks>
internal static class KernelSettings
{
    /// <summary>Where the kernel's files are.</summary>
    public const string Proc = "/proc";

    private const int UsualText = 4 * 1_024;

    /// <summary>A list of every second port, five digits and a comma each, takes less.</summary>
    private const int LongestText = 256 * 1_024;

    /// <summary>
    /// The ports that the kernel hands out by itself (ip_local_port_range, ip(7)).
    /// </summary>
    /// <remarks>IPv6 uses them too.</remarks>
    /// <returns>FIRST-LAST; null where it does not say.</returns>
    public static string? EphemeralRange(string proc = Proc)
    {
        string[] ends = ReadText($"{proc}/sys/net/ipv4/ip_local_port_range")
            .Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        return ends.Length == 2 ? $"{ends[0]}-{ends[1]}" : null;
    }

    /// <summary>How many descriptors this process may have ("Max open files", proc(5)).</summary>
    /// <returns>The soft limit, or <see cref="int.MaxValue"/> where it does not say.</returns>
    public static int DescriptorLimit(string proc = Proc)
    {
        string? soft = FieldOf(ReadText($"{proc}/self/limits"), "Max open files");
        return int.TryParse(soft, NumberStyles.None, CultureInfo.InvariantCulture, out int limit) ? limit : int.MaxValue;
    }

    /// <summary>
    /// The first word of the line that begins with a name; null when there is no such line.
    /// </summary>
    public static string? FieldOf(string text, string name)
    {
        foreach (ReadOnlySpan<char> line in text.AsSpan().EnumerateLines())
        {
            if (line.StartsWith(name, StringComparison.Ordinal))
            {
                ReadOnlySpan<char> rest = line[name.Length..].Trim();
                int end = rest.IndexOfAny(' ', '\t');
                return (end < 0 ? rest : rest[..end]).ToString();
            }
        }

        return null;
    }

    /// <summary>A file of the kernel's; empty where it cannot be read.</summary>
    /// <remarks>Each time from the beginning, for of some settings the kernel tells no more than a
    /// read asks for, and nothing at a later offset.</remarks>
    public static string ReadText(string path)
    {
        try
        {
            using SafeFileHandle file = File.OpenHandle(path);
            byte[] text = new byte[UsualText];
            int length = RandomAccess.Read(file, text, fileOffset: 0);
            if (length == text.Length)
            {
                text = new byte[LongestText];
                length = RandomAccess.Read(file, text, fileOffset: 0);
            }

            return Encoding.UTF8.GetString(text, 0, length);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return string.Empty;
        }
    }
}
