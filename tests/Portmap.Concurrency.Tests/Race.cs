using System.Diagnostics;

namespace Portmap.Concurrency.Tests;

/// <summary>Lets a few threads start the same round at the same moment, many times, and checks each
/// round when all have finished it.</summary>
internal static class Race
{
    private static readonly TimeSpan s_enough = TimeSpan.FromSeconds(30);

    public static async Task RunAsync<T>(int racers, int rounds, Func<int, int, T> run, Action<int, T[]> check)
    {
        T[] results = new T[racers];
        Exception? failure = null;
        bool isOver = false;
        long begun = Stopwatch.GetTimestamp();
        using Barrier barrier = new(racers, phase =>
        {
            // Even phases are the start of a round, odd ones its end.
            if (phase.CurrentPhaseNumber % 2 == 1 && failure is null)
            {
                Try(() => check((int)(phase.CurrentPhaseNumber / 2), results), ref failure);

                // Beside busy programs each phase takes a turn of the scheduler: what was played counts.
                isOver = Stopwatch.GetElapsedTime(begun) > s_enough;
            }
        });

        Task[] threads = [.. Enumerable.Range(0, racers).Select(racer => Task.Factory.StartNew(
            () =>
            {
                for (int round = 0; round < rounds && !Volatile.Read(ref isOver); round++)
                {
                    barrier.SignalAndWait();
                    if (Volatile.Read(ref failure) is null)
                    {
                        Try(() => results[racer] = run(round, racer), ref failure);
                    }

                    barrier.SignalAndWait();
                }
            },
            CancellationToken.None,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default))];
        await Task.WhenAll(threads).Within(TimeSpan.FromMinutes(3));
        if (failure is not null)
        {
            throw new InvalidOperationException($"A round failed: {failure.Message}", failure);
        }
    }

    private static void Try(Action action, ref Exception? failure)
    {
        try
        {
            action();
        }
#pragma warning disable CA1031 // a racer that threw must still meet the others at the barrier; the failure is thrown at the end
        catch (Exception e)
#pragma warning restore CA1031
        {
            Interlocked.CompareExchange(ref failure, e, null);
        }
    }
}
