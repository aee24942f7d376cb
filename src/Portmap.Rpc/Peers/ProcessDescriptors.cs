using System.Buffers.Text;
using System.Globalization;
using System.Net.Sockets;
using Microsoft.Win32.SafeHandles;
using Portmap.Native;

namespace Portmap.Rpc.Peers;

/// <summary>
/// The sockets among the descriptors of a process, as /proc/pid/fd says (proc(5)).
/// </summary>
internal static class ProcessDescriptors
{
    private const string Prefix = "socket:[";
    private const int TooManyInSystem = 23, TooManyOpen = 24;   // errno(3)

    /// <summary>The effective user of a process: whose its folder is (proc(5)).</summary>
    public static uint? UserOf(int processId) => PosixFile.At(string.Create(CultureInfo.InvariantCulture, $"/proc/{processId}"), follow: false)?.UserId;

    /// <summary>When a process began, in clock ticks since boot; 0 where that cannot be read.</summary>
    /// <remarks>With the process id it names one process until the next boot: field 22 of
    /// /proc/pid/stat (proc(5)). It costs no more than to open and read that file.</remarks>
    public static long StartOf(int processId)
    {
        const int FieldsFromState = 19;   // state is field 3
        Span<byte> buffer = stackalloc byte[1_024];
        try
        {
            using SafeFileHandle file = File.OpenHandle(string.Create(CultureInfo.InvariantCulture, $"/proc/{processId}/stat"));
            ReadOnlySpan<byte> rest = buffer[..RandomAccess.Read(file, buffer, 0)];
            rest = rest[(rest.LastIndexOf((byte)')') + 1)..].TrimStart((byte)' ');   // the command before it may hold anything
            for (int i = 0; i < FieldsFromState; i++)
            {
                rest = rest[(rest.IndexOf((byte)' ') + 1)..];
            }

            return Utf8Parser.TryParse(rest, out long start, out _) ? start : 0;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return 0;
        }
    }

    /// <summary>
    /// Whether a process has a socket; no, where its descriptors may not be read (another user's
    /// process). Null when this process has no descriptor left to read them by.
    /// </summary>
    public static bool? Has(int processId, long inode)
    {
        string wanted = string.Create(CultureInfo.InvariantCulture, $"{Prefix}{inode}]");
        try
        {
            return DescriptorLinks.Of(string.Create(CultureInfo.InvariantCulture, $"/proc/{processId}")).Contains(wanted);
        }
        catch (IOException e) when (e.HResult is TooManyOpen or TooManyInSystem)
        {
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
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
