using Portmap.Concurrency.Tests.Audit;

namespace Portmap.Concurrency.Tests;

/// <summary>A bounded number of random operations on a few owners and ports, so that threads meet
/// on both all the time.</summary>
internal sealed record StressPlan(int Seed, int Threads = 4, int OperationsPerThread = 20_000)
{
    public const int FirstPort = 20000;
    public const int Ports = 8;
    public const int Processes = 3;

    public static string[] Owners { get; } = [.. Enumerable.Range(0, 10).Select(i => FormattableString.Invariant($"owner{i}"))];

    /// <summary>Runs it; each thread belongs to one process, and two threads share one.</summary>
    public async Task RunAsync(IPortBook book)
    {
        using Barrier start = new(Threads);
        (int Number, string Owner, int Port, int Count)[] doing = new (int, string, int, int)[Threads];
        Task[] threads = [.. Enumerable.Range(0, Threads).Select(thread => Task.Factory.StartNew(
            () =>
            {
                start.SignalAndWait();
                Random random = new((Seed * 1009) + thread);
                for (int i = 0; i < OperationsPerThread; i++)
                {
                    Step(book, random, thread % Processes, ref doing[thread]);
                }
            },
            CancellationToken.None,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default))];
        try
        {
            await Task.WhenAll(threads).Within();
        }
        catch (TimeoutException)
        {
            throw new TimeoutException($"Not all threads of seed {Seed} finished; they are at (operation, owner, port, count): {string.Join(", ", doing)}");
        }
    }

    private static void Step(IPortBook book, Random random, int process, ref (int Number, string Owner, int Port, int Count) doing)
    {
        string owner = Owners[random.Next(Owners.Length)];
        int port = FirstPort + random.Next(Ports + 1); // one more than the range has
        doing = (random.Next(20), owner, port, doing.Count + 1);
        switch (doing.Number)
        {
            case < 4:
                book.Acquire(owner, allocatorPicks: true);
                break;
            case 4:
                book.Acquire(owner, allocatorPicks: false);
                break;
            case < 9:
                book.Register(process, owner, port, withEpoch: true);
                break;
            case < 12:
                book.Register(process, owner, port, withEpoch: false);
                break;
            case < 15:
                book.Release(process, owner);
                break;
            case 15:
                book.ReleaseLease(owner);
                break;
            case 16:
                book.ReportBindFailure(process, owner);
                break;
            case 17:
                book.OwnersOn(port);
                break;
            default:
                book.TryGetPort(owner, out _);
                break;
        }
    }
}
