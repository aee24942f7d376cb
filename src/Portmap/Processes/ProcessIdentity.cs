using System.Diagnostics;
using System.Globalization;
using Portmap.Native;

namespace Portmap.Processes;

/// <summary>A process as a fact that cannot be confused: its id and its start time.</summary>
/// <remarks>
/// <para>
/// On Linux the start time is field 22 of /proc/pid/stat (proc(5)), in clock ticks since boot, read
/// raw after the last ')' because the command in field 2 may hold anything.
/// <c>Process.StartTime</c> is not used there: five readers got five values, 2.5 ms apart.
/// Elsewhere (not verified) it is the start time the runtime reports.
/// </para>
/// <para>
/// Alive is what the kernel would still let serve. A main thread that has ended leaves state Z
/// while the other threads go on. A process that hidepid=2 keeps out of /proc is there for kill(2).
/// Where /proc is of another pid namespace than ours, every process is unknown.
/// </para>
/// <para>
/// Two processes that had one number within one clock tick (10 ms) are alike here. A
/// <see cref="WatchedProcess"/> tells them apart.
/// </para>
/// </remarks>
internal readonly record struct ProcessIdentity(int Id, long StartTime)
{
    /// <summary>A process nothing is known about: pid 0, or one of another pid namespace.</summary>
    public static ProcessIdentity Unknown => default;

    /// <summary>Whether the numbers in /proc are ours: /proc/self leads to our own.</summary>
    /// <remarks>It cannot be asked of a /proc that is not there.</remarks>
    public static bool IsProcOurs { get; } = !OperatingSystem.IsLinux() || ReadSelf() == Environment.ProcessId;

    /// <summary>This process; read once, so that no want of descriptors hides it.</summary>
    public static ProcessIdentity Own { get; } = Of(Environment.ProcessId, out _);

    public bool IsKnown => StartTime != 0;

    /// <summary>
    /// Reads the identity of a process; <see cref="Unknown"/> with the id when it is dead or cannot
    /// be looked at.
    /// </summary>
    public static ProcessIdentity Of(int processId, out bool isDead)
    {
        long start = 0;
        isDead = processId > 0 && Look(processId, out start) == Sight.Dead;
        return new ProcessIdentity(processId, isDead ? 0 : start);
    }

    /// <summary>As <see cref="Of(int, out bool)"/>, of a host that may be made up.</summary>
    public static ProcessIdentity Of(int processId, SimulatedHost? host, out bool isDead) =>
        host is null ? Of(processId, out isDead) : new ProcessIdentity(processId, host.StartOrZero(processId, out isDead));

    /// <summary>As <see cref="IsAlive()"/>, in a host that may be made up.</summary>
    public bool IsAlive(SimulatedHost? host) => host?.IsAlive(Id, StartTime) ?? IsAlive();

    /// <summary>
    /// Whether this very process lives: dead is gone for the kernel, another start time, state X,
    /// or Z with one thread. One that cannot be looked at, because descriptors ran out or /proc is
    /// hidden, is believed to live as long as its number is there.
    /// </summary>
    public bool IsAlive() => Id <= 0 || Look(Id, out long start) switch
    {
        Sight.Alive => StartTime == 0 || start == StartTime,
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

        if (!IsProcOurs)
        {
            return Sight.Hidden;
        }

        try
        {
            bool isWhole = ProcessStat.TryReadOrThrow(processId, out ProcessStat stat);
            start = stat.Start;
            return isWhole && stat.IsAlive ? Sight.Alive : Sight.Dead;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return !Posix.IsThere(processId) ? Sight.Dead : Sight.Hidden;
        }
    }

    private static int ReadSelf()
    {
        try
        {
            return int.Parse(new FileInfo("/proc/self").LinkTarget ?? "0", CultureInfo.InvariantCulture);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or FormatException)
        {
            return 0;
        }
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
