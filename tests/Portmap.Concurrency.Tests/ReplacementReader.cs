using Portmap.Concurrency.Tests.Audit;

namespace Portmap.Concurrency.Tests;

/// <summary>Reads an owner's port without pause while the owner moves to and fro: the old port or
/// the new one, never neither.</summary>
internal static class ReplacementReader
{
    public const string Owner = "owner0";

    /// <summary>How often a reader found no port, or a port the owner never had.</summary>
    public static async Task<int> CountGapsAsync(IPortBook book, int replacements, bool stopAtFirst = false)
    {
        book.Register(0, Owner, StressPlan.FirstPort, withEpoch: false).Should().NotBe(0);
        int gaps = 0, done = 0;
        Task[] readers = [.. Enumerable.Range(0, 2).Select(_ => Task.Factory.StartNew(
            () =>
            {
                while (Volatile.Read(ref done) == 0)
                {
                    if (!book.TryGetPort(Owner, out int port) || port < StressPlan.FirstPort || port >= StressPlan.FirstPort + StressPlan.Ports)
                    {
                        Interlocked.Increment(ref gaps);
                    }
                }
            },
            CancellationToken.None,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default))];

        for (int i = 1; i <= replacements && !(stopAtFirst && Volatile.Read(ref gaps) > 0); i++)
        {
            Move(book, i);
        }

        Volatile.Write(ref done, 1);
        await Task.WhenAll(readers).Within();
        return gaps;
    }

    /// <summary>Every third time the host acquires again and another process takes over; else the
    /// process moves by itself.</summary>
    private static void Move(IPortBook book, int i)
    {
        if (i % 3 == 0 && book.Acquire(Owner, allocatorPicks: true) != 0)
        {
            book.Register(i / 3 % StressPlan.Processes, Owner, StressPlan.FirstPort, withEpoch: true);
        }
        else
        {
            book.Register(i / 3 % StressPlan.Processes, Owner, StressPlan.FirstPort + (i % 5), withEpoch: false);
        }
    }
}
