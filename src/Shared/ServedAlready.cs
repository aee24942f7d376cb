using System.Globalization;

namespace Portmap;

/// <summary>What is said to who asks for an owner unless it is served.</summary>
internal static class ServedAlready
{
    /// <summary>Who serves it, and what to do.</summary>
    /// <param name="entry">What stands.</param>
    public static string Text(PortEntry entry)
    {
        string process = entry.ProcessId is { } id ? string.Create(CultureInfo.InvariantCulture, $" (pid {id})") : string.Empty;
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{entry.Owner} is {(entry.State == PortState.Recovered ? "recovered" : "served")} already: port {entry.Port}/{entry.Protocol}{process}, epoch {entry.Epoch}, since {entry.Since:u}. Leave that process, or acquire without UnlessServed to replace it.");
    }
}
