using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace Portmap.Tests.Support;

/// <summary>Waits for something another thread does, by looking again and again; there is no pause
/// to guess the length of.</summary>
internal static class Eventually
{
    public static async Task TrueAsync(Func<bool> condition, [CallerArgumentExpression(nameof(condition))] string what = "")
    {
        long start = Stopwatch.GetTimestamp();
        while (!condition())
        {
            if (Stopwatch.GetElapsedTime(start) > Deadline.Default)
            {
                throw new TimeoutException($"'{what}' did not become true within {Deadline.Default.TotalSeconds:0} s.");
            }

            await Task.Yield();
        }
    }
}
