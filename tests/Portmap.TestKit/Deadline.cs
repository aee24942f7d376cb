using System.Runtime.CompilerServices;

namespace Portmap.TestKit;

/// <summary>Gives every await of a test a limit, so that a lost signal fails one test by name
/// instead of hanging the run.</summary>
public static class Deadline
{
    /// <summary>The limit when a test names none: long, because it is only reached by a failure; a
    /// busy machine must not reach it.</summary>
    public static TimeSpan Default { get; } = TimeSpan.FromSeconds(30);

    /// <summary>Awaits a task, at most for <paramref name="limit"/>.</summary>
    public static async Task Within(this Task task, TimeSpan? limit = null, [CallerArgumentExpression(nameof(task))] string what = "")
    {
        try
        {
            await task.WaitAsync(limit ?? Default);
        }
        catch (TimeoutException) when (!task.IsCompleted)
        {
            throw Missed(limit, what);
        }
    }

    /// <summary>Awaits a task for its result, at most for <paramref name="limit"/>.</summary>
    public static async Task<T> Within<T>(this Task<T> task, TimeSpan? limit = null, [CallerArgumentExpression(nameof(task))] string what = "")
    {
        try
        {
            return await task.WaitAsync(limit ?? Default);
        }
        catch (TimeoutException) when (!task.IsCompleted)
        {
            throw Missed(limit, what);
        }
    }

    /// <summary>Awaits a value task, at most for <paramref name="limit"/>.</summary>
    public static Task Within(this ValueTask task, TimeSpan? limit = null, [CallerArgumentExpression(nameof(task))] string what = "") =>
        task.AsTask().Within(limit, what);

    /// <summary>Awaits a value task for its result, at most for <paramref name="limit"/>.</summary>
    public static Task<T> Within<T>(this ValueTask<T> task, TimeSpan? limit = null, [CallerArgumentExpression(nameof(task))] string what = "") =>
        task.AsTask().Within(limit, what);

    /// <summary>A token that is cancelled at the limit, for what takes a token instead of giving a
    /// task: <c>await foreach</c> and the like.</summary>
    /// <returns>The source; dispose it at the end of the test.</returns>
    public static CancellationTokenSource Source(TimeSpan? limit = null) => new(limit ?? Default);

    private static TimeoutException Missed(TimeSpan? limit, string what) =>
        new($"'{what}' did not complete within {(limit ?? Default).TotalSeconds:0.###} s.");
}
