using System.Buffers.Text;
using System.Diagnostics;
using System.Globalization;

namespace Portmap.Processes;

/// <summary>A process as a fact that cannot be confused: its id and its start time.</summary>
/// <remarks>
/// On Linux the start time is field 22 of /proc/pid/stat (proc(5)), in clock ticks since boot, read raw after the last ')' because the
/// command in field 2 may hold anything. <c>Process.StartTime</c> is not used there: five readers got five values, 2.5 ms apart.
/// Elsewhere (not verified) it is the start time the runtime reports.
/// </remarks>
internal readonly record struct ProcessIdentity(int Id, long StartTime)
{
    /// <summary>A process nothing is known about: pid 0, or one of another pid namespace.</summary>
    public static ProcessIdentity Unknown => default;

    public bool IsKnown => StartTime != 0;

    /// <summary>Reads the identity of a living process; <see cref="Unknown"/> with the id when there is none.</summary>
    public static ProcessIdentity Of(int processId) =>
        processId > 0 && TryReadStart(processId, out long start) ? new ProcessIdentity(processId, start) : new ProcessIdentity(processId, 0);

    /// <summary>Whether this very process lives: dead is no /proc entry, another start time, or state Z or X.</summary>
    public bool IsAlive() => IsKnown && TryReadStart(Id, out long start) && start == StartTime;

    private static bool TryReadStart(int processId, out long start)
    {
        start = 0;
        if (!OperatingSystem.IsLinux())
        {
            return TryReadStartElsewhere(processId, out start);
        }

        Span<byte> buffer = stackalloc byte[1_024];
        try
        {
            using Microsoft.Win32.SafeHandles.SafeFileHandle file = File.OpenHandle(string.Create(CultureInfo.InvariantCulture, $"/proc/{processId}/stat"));
            int length = RandomAccess.Read(file, buffer, 0);
            return TryParseStat(buffer[..length], out start);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return false;   // no such process, or it went while it was read
        }
    }

    /// <summary>Field 3 is the state, field 22 the start time; both are counted from the last ')'.</summary>
    internal static bool TryParseStat(ReadOnlySpan<byte> stat, out long start)
    {
        start = 0;
        int paren = stat.LastIndexOf((byte)')');
        if (paren < 0 || paren + 2 >= stat.Length)
        {
            return false;
        }

        ReadOnlySpan<byte> rest = stat[(paren + 2)..];
        if (rest[0] is (byte)'Z' or (byte)'X' or (byte)'x')
        {
            return false;
        }

        for (int field = 3; field < 22; field++)
        {
            int blank = rest.IndexOf((byte)' ');
            if (blank < 0)
            {
                return false;
            }

            rest = rest[(blank + 1)..];
        }

        return Utf8Parser.TryParse(rest, out start, out _) && start >= 0 && (start = Math.Max(start, 1)) > 0;
    }

    private static bool TryReadStartElsewhere(int processId, out long start)
    {
        start = 0;
        try
        {
            using Process process = Process.GetProcessById(processId);
#pragma warning disable RS0030 // the only source on these systems, see the remarks
            start = process.StartTime.ToUniversalTime().Ticks;
#pragma warning restore RS0030
            return !process.HasExited;
        }
        catch (Exception exception) when (exception is ArgumentException or InvalidOperationException or System.ComponentModel.Win32Exception)
        {
            return false;
        }
    }
}
