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

    /// <summary>ESRCH of errno(3).</summary>
    private const int NoSuchProcess = 3;

    /// <summary>Reads the identity of a process; <see cref="Unknown"/> with the id when it is dead or cannot be looked at.</summary>
    public static ProcessIdentity Of(int processId, out bool isDead)
    {
        long start = 0;
        isDead = processId > 0 && Look(processId, out start) == Sight.Dead;
        return new ProcessIdentity(processId, start);
    }

    /// <summary>Whether this very process lives: dead is no /proc entry, another start time, or state Z or X. One that cannot be looked at, because
    /// descriptors ran out or /proc is hidden, is believed to live.</summary>
    public bool IsAlive() => Look(Id, out long start) switch
    {
        Sight.Alive => start == StartTime,
        Sight.Dead => false,
        _ => true,
    };

    private static Sight Look(int processId, out long start)
    {
        start = 0;
        if (!OperatingSystem.IsLinux())
        {
            return LookElsewhere(processId, out start);
        }

        Span<byte> buffer = stackalloc byte[1_024];
        try
        {
            using Microsoft.Win32.SafeHandles.SafeFileHandle file = File.OpenHandle(string.Create(CultureInfo.InvariantCulture, $"/proc/{processId}/stat"));
            int length = RandomAccess.Read(file, buffer, 0);
            return TryParseStat(buffer[..length], out start) ? Sight.Alive : Sight.Dead;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return MeansDead(exception) ? Sight.Dead : Sight.Hidden;
        }
    }

    /// <summary>Whether a failure to read /proc/pid/stat says that the process is gone: no such file, or ESRCH when it went between the opening and the
    /// reading. Every other one (no descriptors left, no right to look) says nothing about the process.</summary>
    internal static bool MeansDead(Exception exception) =>
        exception is FileNotFoundException or DirectoryNotFoundException || exception is IOException { HResult: NoSuchProcess };

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

    private static Sight LookElsewhere(int processId, out long start)
    {
        start = 0;
        try
        {
            using Process process = Process.GetProcessById(processId);
#pragma warning disable RS0030 // the only source on these systems, see the remarks
            start = process.StartTime.ToUniversalTime().Ticks;
#pragma warning restore RS0030
            return process.HasExited ? Sight.Dead : Sight.Alive;
        }
        catch (Exception exception) when (exception is ArgumentException or InvalidOperationException)
        {
            return Sight.Dead;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return Sight.Hidden;
        }
    }

    private enum Sight
    {
        Alive,
        Dead,

        /// <summary>It could not be looked at.</summary>
        Hidden,
    }
}
