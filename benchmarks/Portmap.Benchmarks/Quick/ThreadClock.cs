using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Portmap.Benchmarks.Quick;

/// <summary>The processor time of the calling thread, which other work on the machine does not add
/// to; wall time where the system has no such clock.</summary>
internal static partial class ThreadClock
{
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
