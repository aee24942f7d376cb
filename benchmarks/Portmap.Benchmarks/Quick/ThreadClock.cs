using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Portmap.Benchmarks.Quick;

/// <summary>The processor time of the calling thread, which other work on the machine does not add
/// to; wall time where the system has no such clock.</summary>
internal static partial class ThreadClock
{
    private const int SetTimerSlack = 29;   // PR_SET_TIMERSLACK, in nanoseconds
    private const int ProcessCpuTime = 2, ThreadCpuTime = 3;   // CLOCK_…_CPUTIME_ID of Linux
    private const int ThreadUsage = 1;     // RUSAGE_THREAD of Linux
    private const int UsageLongs = 18, Involuntary = 17;   // struct rusage, and ru_nivcsw in it

    public static long NowNs =>
        OperatingSystem.IsLinux() && GetTime(ThreadCpuTime, out Timespec time) == 0
            ? (time.Seconds * 1_000_000_000L) + time.Nanoseconds
            : (long)(Stopwatch.GetTimestamp() * (1_000_000_000.0 / Stopwatch.Frequency));

    /// <summary>That of all threads of this process.</summary>
    public static long ProcessNs =>
        OperatingSystem.IsLinux() && GetTime(ProcessCpuTime, out Timespec time) == 0
            ? (time.Seconds * 1_000_000_000L) + time.Nanoseconds
            : (long)Environment.CpuUsage.TotalTime.TotalNanoseconds;

    /// <summary>How often this thread was taken off its processor though it could have gone on; 0
    /// where the system does not say.</summary>
    public static long Preemptions
    {
        get
        {
            Span<long> usage = stackalloc long[UsageLongs];
            return OperatingSystem.IsLinux() && GetUsage(ThreadUsage, ref usage[0]) == 0 ? usage[Involuntary] : 0;
        }
    }

    [LibraryImport("libc", EntryPoint = "getrusage")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int GetUsage(int who, ref long usage);

    /// <summary>Sleeps as long as that, to some microseconds, where <see cref="Thread.Sleep(TimeSpan)"/>
    /// knows milliseconds; at least as long elsewhere than on Linux.</summary>
    public static void Sleep(TimeSpan time)
    {
        if (!OperatingSystem.IsLinux() || time >= TimeSpan.FromMilliseconds(1))
        {
            Thread.Sleep(time);
            return;
        }

        _ = SetOfProcess(SetTimerSlack, 1, 0, 0, 0);   // of this thread; 50 us else
        Timespec wanted = new() { Nanoseconds = (nint)time.TotalNanoseconds };
        _ = Sleep(wanted, 0);
    }

    [LibraryImport("libc", EntryPoint = "prctl")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int SetOfProcess(int option, nuint value, nuint second, nuint third, nuint fourth);

    [LibraryImport("libc", EntryPoint = "nanosleep")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Sleep(in Timespec wanted, nint left);

    [LibraryImport("libc", EntryPoint = "clock_gettime")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int GetTime(int clock, out Timespec time);

    [StructLayout(LayoutKind.Sequential)]
    private struct Timespec
    {
        public nint Seconds;
        public nint Nanoseconds;
    }
}
