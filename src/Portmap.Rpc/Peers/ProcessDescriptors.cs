using System.Globalization;
using System.Net.Sockets;
using Portmap.Native;
using Portmap.Processes;

namespace Portmap.Rpc.Peers;

/// <summary>
/// The sockets among the descriptors of a process, as /proc/pid/fd says (proc(5)).
/// </summary>
internal static class ProcessDescriptors
{
    private const string Prefix = "socket:[";

    /// <summary>
    /// Whether a process has a socket; no, where its descriptors may not be read (another user's
    /// process). Null when that says nothing of it (<see cref="ProcessStat.IsShort"/>).
    /// </summary>
    public static bool? Has(int processId, long inode)
    {
        string wanted = string.Create(CultureInfo.InvariantCulture, $"{Prefix}{inode}]");
        try
        {
            return DescriptorLinks.Of(string.Create(CultureInfo.InvariantCulture, $"/proc/{processId}")).Contains(wanted);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return ProcessStat.IsShort(e) ? null : false;
        }
    }

    /// <summary>
    /// The number of a socket of this process; null when it is closed or cannot be looked at.
    /// </summary>
    public static long? InodeOf(Socket socket)
    {
        try
        {
            string? link = DescriptorLinks.TryRead(string.Create(CultureInfo.InvariantCulture, $"/proc/self/fd/{socket.Handle}"));
            return link is not null && link.StartsWith(Prefix, StringComparison.Ordinal)
                && long.TryParse(link.AsSpan(Prefix.Length).TrimEnd(']'), NumberStyles.None, CultureInfo.InvariantCulture, out long inode)
                ? inode
                : null;
        }
        catch (ObjectDisposedException)
        {
            return null;
        }
    }
}
