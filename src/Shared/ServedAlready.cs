using System.Globalization;

namespace Portmap;

/// <summary>What is said to who asks for an owner unless it is served.</summary>
internal static class ServedAlready
{
    /// <summary>Who serves it, and what to do.</summary>
    /// <param name="owner">The owner.</param>
    /// <param name="isRecovered">Whether it waits for its process after a start of the daemon.</param>
    /// <param name="port">The port and its protocol.</param>
    /// <param name="processId">The process, if it is known.</param>
    /// <param name="epoch">The epoch of its claim.</param>
    /// <param name="since">Since when the claim stands.</param>
    public static string Text(string owner, bool isRecovered, string port, int? processId, long? epoch, DateTimeOffset since)
    {
        string process = processId is { } id ? string.Create(CultureInfo.InvariantCulture, $" (pid {id})") : string.Empty;
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{owner} is {(isRecovered ? "recovered" : "served")} already: port {port}{process}, epoch {epoch}, since {since:u}. Leave that process, or acquire without UnlessServed to replace it.");
    }
}
