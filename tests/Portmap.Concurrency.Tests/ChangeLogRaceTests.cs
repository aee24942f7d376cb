using Portmap.Table;

namespace Portmap.Concurrency.Tests;

/// <summary>Who waits for a change while the log is completed is woken, or sees that nothing comes
/// any more.</summary>
public sealed class ChangeLogRaceTests
{
    private const int Batches = 6;
    private const int Rounds = 20_000;   // beside busy programs each takes a turn of the scheduler

    [Fact]
    public async Task Complete_WhileAReaderGoesToSleep_LeavesNobodyAsleep()
    {
        for (int batch = 0; batch < Batches; batch++)
        {
            (await RunAsync()).Should().Be(0, "of {0} readers each was woken or saw the end", Rounds);
        }
    }

    /// <returns>How many readers sleep on.</returns>
    private static async Task<int> RunAsync()
    {
        // A store and a load after it change places unless a fence is between them. The two meet in
        // a few nanoseconds, so the threads keep step by words in memory.
        ChangeLog[] logs = [.. Enumerable.Range(0, Rounds).Select(_ => new ChangeLog(1, 0))];
        Task[] asleep = new Task[Rounds];
        int[] at = new int[2 * 64];   // a cache line for each

        Task completes = Task.Factory.StartNew(
            () =>
            {
                for (int i = 0; i < Rounds; i++)
                {
                    Meet(at, mine: 0, others: 64, i + 1);
                    logs[i].Complete();
                }
            },
            CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        Task reads = Task.Factory.StartNew(
            () =>
            {
                for (int i = 0; i < Rounds; i++)
                {
                    Meet(at, mine: 64, others: 0, i + 1);
                    Task changed = logs[i].Changed;
                    asleep[i] = logs[i].IsCompleted ? Task.CompletedTask : changed;
                }
            },
            CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        await Task.WhenAll(completes, reads).Within(TimeSpan.FromMinutes(5));

        return asleep.Count(task => !task.IsCompleted);
    }

    private static void Meet(int[] at, int mine, int others, int step)
    {
        Volatile.Write(ref at[mine], step);
        SpinWait spin = default;
        while (Volatile.Read(ref at[others]) < step)
        {
            spin.SpinOnce(sleep1Threshold: -1);   // gives way where there is one processor
        }
    }
}
