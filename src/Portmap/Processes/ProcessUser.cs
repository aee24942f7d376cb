using System.Buffers.Text;
using System.Globalization;
using Microsoft.Win32.SafeHandles;

namespace Portmap.Processes;

/// <summary>Which user a process acts as.</summary>
/// <remarks>
/// The effective user in the Uid line of /proc/pid/status (proc(5)). The owner of the folder says
/// the same, but .NET has no call for it. Safe for any thread.
/// </remarks>
internal static class ProcessUser
{
    public const uint Root = 0;

    /// <summary>The user of this process; null where users are not known (not Linux).</summary>
    public static uint? Own { get; } = Of(Environment.ProcessId);

    /// <summary>The effective user of a process; null when it is not known.</summary>
    public static uint? Of(int processId)
    {
        if (processId <= 0 || !OperatingSystem.IsLinux())
        {
            return null;
        }

        Span<byte> buffer = stackalloc byte[4_096];
        try
        {
            using SafeFileHandle file = File.OpenHandle(string.Create(CultureInfo.InvariantCulture, $"/proc/{processId}/status"));
            return Parse(buffer[..RandomAccess.Read(file, buffer, 0)]);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;   // gone, or hidden from us
        }
    }

    /// <summary>Reads <c>Uid: real effective saved file</c>.</summary>
    internal static uint? Parse(ReadOnlySpan<byte> status)
    {
        // The name of the program comes first, with its line breaks escaped, so no name looks like
        // the line.
        int line = status.IndexOf("\nUid:\t"u8);
        if (line < 0)
        {
            return null;
        }

        ReadOnlySpan<byte> users = status[(line + "\nUid:\t"u8.Length)..];
        users = users[(users.IndexOf((byte)'\t') + 1)..];
        return Utf8Parser.TryParse(users, out uint effective, out _) ? effective : null;
    }
}
