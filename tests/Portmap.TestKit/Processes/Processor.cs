using System.Runtime.InteropServices;

namespace Portmap.TestKit.Processes;

/// <summary>Keeps threads that take turns on one processor: a turn then costs a context switch (3
/// µs) instead of waking another processor (20 µs and more), and what depends on the processor a
/// thread runs on is the same in every run.</summary>
public static class Processor
{
    private static int s_next;

    public static int Count { get; } = Environment.ProcessorCount;

    /// <summary>The processors in turn, one for each set of threads.</summary>
    public static int Next() => (int)((uint)Interlocked.Increment(ref s_next) % (uint)Count);

    /// <summary>Runs something on one processor, on a thread of its own, and waits for
    /// it.</summary>
    public static T Run<T>(int processor, Func<T> act)
    {
        T? result = default;
        Exception? failure = null;
        Thread thread = new(() =>
        {
            Keep(processor % Count);
            try
            {
                result = act();
            }
#pragma warning disable CA1031 // whatever it is, the caller gets it
            catch (Exception exception)
#pragma warning restore CA1031
            {
                failure = exception;
            }
        });
        thread.Start();
        thread.Join();
        return failure is null ? result! : throw new InvalidOperationException(failure.Message, failure);
    }

    /// <summary>Keeps this thread on one processor; where that is not allowed it runs as
    /// before.</summary>
    public static void Keep(int processor)
    {
        if (OperatingSystem.IsLinux() && processor < 64)
        {
            ulong mask = 1UL << processor;
            _ = SetAffinity(0, sizeof(ulong), ref mask);
        }
    }

    [DllImport("libc", EntryPoint = "sched_setaffinity")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int SetAffinity(int thread, nuint size, ref ulong mask);
}
