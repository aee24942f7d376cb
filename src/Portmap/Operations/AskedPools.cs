using System.Globalization;

namespace Portmap.Operations;

/// <summary>The ranges that requests ask for, read once each.</summary>
/// <remarks>
/// Hosts ask for the same few pools again and again. Any thread may use it: the list is replaced
/// whole, so a text that two threads read at once may be read twice. The last
/// <see cref="Most"/> are kept.
/// </remarks>
internal sealed class AskedPools(PortRegistrySettings settings)
{
    private const int Most = 64;

    private (string Text, PortPool Pool)[] _known = [];

    /// <summary>The ports of some ranges.</summary>
    /// <param name="text">The ranges; null is all that are handed out.</param>
    /// <param name="complaint">What is wrong with them, with the remedy; null when
    /// nothing is.</param>
    /// <returns>The ports; all of them when something is wrong.</returns>
    public PortPool Find(string? text, out string? complaint)
    {
        complaint = null;
        return text is null ? settings.Ports : FindAsked(text, out complaint);
    }

    /// <summary>The ranges that a worker says its lease names; null when it may be given any
    /// port.</summary>
    public string? Told(string? text)
    {
        _ = Find(text, out string? complaint);
        return text == settings.Ports.Text || complaint is not null ? null : text;
    }

    private PortPool FindAsked(string text, out string? complaint)
    {
        complaint = null;
        (string Text, PortPool Pool)[] known = Volatile.Read(ref _known);
        foreach ((string Text, PortPool Pool) one in known)
        {
            if (one.Text == text)
            {
                return one.Pool;
            }
        }

        List<string> complaints = [];
        PortRange[] ranges = PortRange.ParseList(text, complaints);
        PortRange outside = Array.Find(ranges, range => !IsHandedOut(range));
        complaint = complaints.Count != 0 ? string.Join(' ', complaints)
            : outside.Count != 0 ? Text($"{outside} is not wholly within {settings.Ports.Text}, the ports that are handed out. Ask within those, or widen Ports.")
            : null;
        if (complaint is not null)
        {
            return settings.Ports;
        }

        PortPool pool = settings.Ports.Within(ranges, settings.HandsOut);
        if (pool.Count == 0 && settings.Kept?.Ports.Any(pool.Contains) != true)
        {
            complaint = Text($"All its ports are excluded ({settings.Exclude}). Ask for others, or exclude fewer.");
            return settings.Ports;
        }

        // Publishes the pool; one that somebody else added meanwhile is read again. The oldest goes,
        // and with it the place where the next search of its ports would have begun.
        Volatile.Write(ref _known, [.. known.Length < Most ? known : known[1..], (text, pool)]);
        return pool;
    }

    private bool IsHandedOut(PortRange range) =>
        settings.Ports.Ranges.Sum(part => part.Intersect(range).Count) == range.Count;

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
