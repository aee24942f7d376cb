using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace Portmap.TestKit;

/// <summary>Waits for something another thread or another process does, by looking again and
/// again.</summary>
public static class Eventually
{
    /// <summary>Looks until it is so; for what another thread is about to do, so that there is no
    /// pause to guess the length of.</summary>
    public static async Task TrueAsync(Func<bool> condition, [CallerArgumentExpression(nameof(condition))] string what = "")
    {
        ArgumentNullException.ThrowIfNull(condition);
        long start = Stopwatch.GetTimestamp();
        while (!condition())
        {
            if (Stopwatch.GetElapsedTime(start) > Deadline.Default)
            {
                throw Missed(Deadline.Default, what);
            }

            await Task.Yield();
        }
    }

    /// <summary>Looks from time to time until it is so; for what another process does, which needs
    /// the processor.</summary>
    public static async Task SeenAsync(Func<bool> condition, TimeSpan? limit = null, [CallerArgumentExpression(nameof(condition))] string what = "")
    {
        ArgumentNullException.ThrowIfNull(condition);
        using CancellationTokenSource end = Deadline.Source(limit);
        using PeriodicTimer timer = new(TimeSpan.FromMilliseconds(10));
        while (!condition())
        {
            try
            {
                await timer.WaitForNextTickAsync(end.Token);
            }
            catch (OperationCanceledException)
            {
                throw Missed(limit ?? Deadline.Default, what);
            }
        }
    }

    private static TimeoutException Missed(TimeSpan limit, string what) => new($"'{what}' did not become true within {limit.TotalSeconds:0} s.");
}
