using System.Runtime.InteropServices;
using System.Runtime.Versioning;

namespace Portmap.Etcd.Leasing;

/// <summary>The system's clock, whose timestamps go on while the machine is suspended.</summary>
/// <remarks>.NET's own (CLOCK_MONOTONIC) stand still then, and a lease at etcd does not. Only on
/// Linux; elsewhere the timestamps are .NET's, and <see cref="Lifetime"/> has the wall clock
/// beside.</remarks>
internal sealed partial class BootTime : TimeProvider
{
    private const int BootTimeClock = 7;   // CLOCK_BOOTTIME of linux/time.h
    private const long NanosecondsPerSecond = 1_000_000_000;

    private readonly bool _isThere = OperatingSystem.IsLinux() && IsThere();

    /// <summary>By which clock leases are counted: a clock of the host's own is left as it
    /// is.</summary>
    public static TimeProvider Of(TimeProvider time) => ReferenceEquals(time, System) ? new BootTime() : time;

    public override long TimestampFrequency => _isThere ? NanosecondsPerSecond : base.TimestampFrequency;

    public override long GetTimestamp() => _isThere && OperatingSystem.IsLinux() ? Read() : base.GetTimestamp();

    [SupportedOSPlatform("linux")]
    private static bool IsThere()
    {
        try
        {
            return GetTime(BootTimeClock, out _) == 0;
        }
        catch (Exception exception) when (exception is DllNotFoundException or EntryPointNotFoundException)
        {
            return false;
        }
    }

    [SupportedOSPlatform("linux")]
    private static long Read() =>
        GetTime(BootTimeClock, out Timespec now) == 0 ? ((long)now.Seconds * NanosecondsPerSecond) + now.Nanoseconds : long.MaxValue;   // nobody knows: over

    [SupportedOSPlatform("linux")]
    [LibraryImport("libc", EntryPoint = "clock_gettime")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int GetTime(int clock, out Timespec time);

    private struct Timespec
    {
        public nint Seconds;
        public nint Nanoseconds;
    }
}
