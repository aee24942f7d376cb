using System.Diagnostics;

namespace Portmap.Table;

/// <summary>Where the concurrency tests may stop a thread. The shipped assembly holds no call of
/// it: only tests/Portmap.Hooked defines the symbol.</summary>
/// <remarks>A call stands before each shared read that decides something and before each shared
/// write, so that whatever another thread may do between two steps can be made to happen
/// there.</remarks>
internal static class Hook
{
#if PORTMAP_HOOKS
    /// <summary>What this thread tells of its steps; null lets it run.</summary>
    [ThreadStatic]
    public static Action<Step>? Reached;
#endif

    /// <summary>Says that this thread is about to make a step.</summary>
    [Conditional("PORTMAP_HOOKS")]
    public static void At(Step step)
    {
#if PORTMAP_HOOKS
        Reached?.Invoke(step);
#endif
    }
}
