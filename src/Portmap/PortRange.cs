using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Portmap;

/// <summary>A range of ports, both ends included.</summary>
/// <remarks>
/// Immutable. <c>default</c> is the one value that no constructor makes: it holds no port and its
/// <see cref="Count"/> is 0.
/// </remarks>
public readonly record struct PortRange
{
    /// <summary>How many ranges one text may have: each search of a port walks them.</summary>
    internal const int MaxRanges = 256;

    /// <summary>How much that is wrong with a text is told.</summary>
    internal const int MaxComplaints = 8;

    /// <summary>Makes a range.</summary>
    /// <param name="first">The first port, 1 to 65535.</param>
    /// <param name="last">The last port, <paramref name="first"/> to 65535.</param>
    /// <exception cref="ArgumentOutOfRangeException">
    /// A bound is not 1 to 65535, or the range is reversed.
    /// </exception>
    public PortRange(int first, int last)
    {
        if (Complaint(first, last) is { } complaint)
        {
            throw new ArgumentOutOfRangeException(first is < 1 or > 65535 ? nameof(first) : nameof(last), complaint);
        }

        First = (ushort)first;
        Last = (ushort)last;
    }

    /// <summary>The first port.</summary>
    public int First { get; }

    /// <summary>The last port.</summary>
    public int Last { get; }

    /// <summary>How many ports it holds.</summary>
    public int Count => First == 0 ? 0 : Last - First + 1;

    /// <summary>Whether a port lies in it.</summary>
    /// <param name="port">Any number.</param>
    public bool Contains(int port) => port >= First && port <= Last && First != 0;

    /// <summary>Reads <c>FIRST-LAST</c> or a single number.</summary>
    /// <param name="text">For example <c>49152-65535</c>.</param>
    /// <returns>The range.</returns>
    /// <exception cref="FormatException">
    /// The text is not a range; the message says what is wrong and what is expected.
    /// </exception>
    public static PortRange Parse(string text) => TryParse(text, out PortRange range, out string? complaint) ? range : throw new FormatException(complaint);

    /// <summary>Reads <c>FIRST-LAST</c> or a single number.</summary>
    /// <param name="text">For example <c>49152-65535</c>.</param>
    /// <param name="range">The range, or <c>default</c>.</param>
    /// <returns>Whether the text is a range.</returns>
    public static bool TryParse([NotNullWhen(true)] string? text, out PortRange range) => TryParse(text, out range, out _);

    /// <summary>Reads several ranges, as <see cref="PortRegistryOptions.Ports"/> and
    /// <see cref="PortRequest.Ports"/> take them.</summary>
    /// <param name="text">
    /// <c>FIRST-LAST</c> or single numbers, separated by commas, for example
    /// <c>49152-65535,7000-7099</c>. No port may stand in two of them, and there may be at most 256.
    /// </param>
    /// <returns>The ranges in the order they are written.</returns>
    /// <exception cref="FormatException">
    /// The text is no such list; the message names the parts that are wrong, the first eight of them.
    /// </exception>
    public static IReadOnlyList<PortRange> ParseList(string text)
    {
        List<string> complaints = [];
        IReadOnlyList<PortRange> ranges = ParseList(text, complaints);
        return complaints.Count == 0 ? ranges : throw new FormatException(string.Join(' ', complaints));
    }

    /// <summary>As <see cref="ParseList(string)"/>, with the complaints as a list; what is wrong is
    /// left out.</summary>
    internal static PortRange[] ParseList(string? text, List<string> complaints)
    {
        List<PortRange> ranges = [];
        text ??= string.Empty;
        int count = text.AsSpan().Count(',') + 1, most = complaints.Count + MaxComplaints;
        if (count > MaxRanges)
        {
            complaints.Add(string.Create(CultureInfo.InvariantCulture, $"These are {count} ranges, and one text may have at most {MaxRanges}; join those that adjoin, or name fewer."));
            return [];
        }

        foreach (string part in text.Split(','))
        {
            if (complaints.Count == most)
            {
                break;
            }

            if (!TryParse(part, out PortRange range, out string? complaint))
            {
                complaints.Add(complaint);
                continue;
            }

            int before = complaints.Count;
            foreach (PortRange other in ranges)
            {
                PortRange both = range.Intersect(other);
                if (both.Count != 0 && complaints.Count < most)
                {
                    complaints.Add(range == other
                        ? $"The range {range} stands there twice; write it once."
                        : $"The ranges {other} and {range} overlap in {both}; write each port once.");
                }
            }

            if (complaints.Count == before)
            {
                ranges.Add(range);
            }
        }

        return [.. ranges];
    }

    /// <summary>The ports of both; <c>default</c> when there is none.</summary>
    internal PortRange Intersect(PortRange other)
    {
        int first = Math.Max(First, other.First), last = Math.Min(Last, other.Last);
        return first > last || first == 0 ? default : new PortRange(first, last);
    }

    /// <summary><c>FIRST-LAST</c>, which <see cref="Parse"/> reads.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{First}-{Last}");

    internal static bool TryParse([NotNullWhen(true)] string? text, out PortRange range, [NotNullWhen(false)] out string? complaint)
    {
        range = default;
        ReadOnlySpan<char> span = text.AsSpan().Trim();
        int dash = span.IndexOf('-');
        ReadOnlySpan<char> left = dash < 0 ? span : span[..dash], right = dash < 0 ? span : span[(dash + 1)..];
        if (!int.TryParse(left, NumberStyles.None | NumberStyles.AllowLeadingWhite | NumberStyles.AllowTrailingWhite, CultureInfo.InvariantCulture, out int first)
            || !int.TryParse(right, NumberStyles.None | NumberStyles.AllowLeadingWhite | NumberStyles.AllowTrailingWhite, CultureInfo.InvariantCulture, out int last))
        {
            complaint = $"'{text}' is not a port range; write FIRST-LAST with numbers from 1 to 65535, for example 49152-65535.";
            return false;
        }

        complaint = Complaint(first, last);
        if (complaint is not null)
        {
            return false;
        }

        range = new PortRange(first, last);
        return true;
    }

    private static string? Complaint(int first, int last) =>
        first is < 1 or > 65535 || last is < 1 or > 65535
            ? string.Create(CultureInfo.InvariantCulture, $"The port range {first}-{last} is not within 1 to 65535; choose both ends within it.")
            : first > last
                ? string.Create(CultureInfo.InvariantCulture, $"The port range {first}-{last} is reversed and so holds no port; write {last}-{first}.")
                : null;
}
