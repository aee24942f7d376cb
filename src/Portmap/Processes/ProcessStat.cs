using System.Buffers.Text;
using System.Globalization;
using Microsoft.Win32.SafeHandles;
using Portmap.Native;

namespace Portmap.Processes;

/// <summary>What /proc/pid/stat (proc(5)) says of a process, as far as anybody here asks.</summary>
/// <param name="State">Field 3: R, S, Z and so on.</param>
/// <param name="Parent">Field 4.</param>
/// <param name="Group">Field 5, the process group.</param>
/// <param name="Session">Field 6, the session of terminals.</param>
/// <param name="Threads">
/// Field 20; a main thread that has ended counts until the last one has.
/// </param>
/// <param name="Start">Field 22: when it began, in clock ticks since boot, at least 1.</param>
internal readonly record struct ProcessStat(char State, int Parent, int Group, int Session, int Threads, long Start)
{
    private const int Fields = 22;

    /// <summary>
    /// It can still serve: not X, and Z only as long as other threads than the main one go on.
    /// </summary>
    public bool IsAlive => State is not ('X' or 'x') && (State != 'Z' || Threads > 1);

    /// <summary>
    /// Its main thread has ended and others go on: /proc/pid itself shows no descriptors and no
    /// network then, those of the threads do.
    /// </summary>
    public bool IsHeadless => State == 'Z' && Threads > 1;

    /// <summary>Reads it; false when there is none, or it may not be read.</summary>
    public static bool TryRead(int processId, out ProcessStat stat)
    {
        bool isShort = false;
        return TryRead(processId, out stat, ref isShort);
    }

    /// <inheritdoc cref="TryRead(int, out ProcessStat)"/>
    /// <param name="processId">The process.</param>
    /// <param name="stat">What it says.</param>
    /// <param name="isShort">Becomes true for want of a descriptor or of memory.</param>
    public static bool TryRead(int processId, out ProcessStat stat, ref bool isShort)
    {
        try
        {
            return TryReadOrThrow(processId, out stat);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            stat = default;
            isShort |= IsShort(exception);
            return false;
        }
    }

    /// <summary>
    /// Whether a failure to read a file of a process says nothing about it, for want of a
    /// descriptor or of memory: another look may tell.
    /// </summary>
    /// <remarks>
    /// Else /proc shows no such process (no such file, or ESRCH when it went between the opening
    /// and the reading), or there is no right to look.
    /// </remarks>
    public static bool IsShort(Exception exception) =>
        exception is IOException { HResult: not Errno.NoSuchProcess } and not (FileNotFoundException or DirectoryNotFoundException);

    /// <summary>When a process began; with its id that names one process until the next
    /// boot.</summary>
    /// <returns>0 where there is none, or it may not be read; null where that says nothing of it
    /// (<see cref="IsShort"/>).</returns>
    public static long? StartOf(int processId)
    {
        bool isShort = false;
        return TryRead(processId, out ProcessStat stat, ref isShort) ? stat.Start : isShort ? null : 0;
    }

    /// <summary>As <see cref="TryRead(int, out ProcessStat)"/>; false only when it says nothing.</summary>
    /// <exception cref="IOException">It is not there, or cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be read.</exception>
    public static bool TryReadOrThrow(int processId, out ProcessStat stat)
    {
        Span<byte> buffer = stackalloc byte[1_024];
        using SafeFileHandle file = File.OpenHandle(string.Create(CultureInfo.InvariantCulture, $"/proc/{processId}/stat"));
        return TryParse(buffer[..RandomAccess.Read(file, buffer, 0)], out stat);
    }

    /// <summary>
    /// The fields are counted from the last ')', because the command in field 2 may hold anything.
    /// </summary>
    public static bool TryParse(ReadOnlySpan<byte> text, out ProcessStat stat)
    {
        stat = default;
        int paren = text.LastIndexOf((byte)')');
        if (paren < 0 || paren + 2 >= text.Length)
        {
            return false;
        }

        ReadOnlySpan<byte> rest = text[(paren + 2)..];
        Span<long> fields = stackalloc long[Fields + 1];
        char state = (char)rest[0];
        for (int field = 4; field <= Fields; field++)
        {
            int blank = rest.IndexOf((byte)' ');
            if (blank < 0 || !Utf8Parser.TryParse(rest = rest[(blank + 1)..], out fields[field], out _))
            {
                return false;
            }
        }

        stat = new ProcessStat(state, (int)fields[4], (int)fields[5], (int)fields[6], (int)fields[20], Math.Max(fields[22], 1));
        return fields[22] >= 0;
    }
}
