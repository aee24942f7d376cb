using System.Collections.Concurrent;

namespace Portmap.Tests.NoLocks.Controls;

/// <summary>What a table operation may do, near the edge of the list. Never run; it exists to be
/// left alone.</summary>
internal sealed class CodeThatDoesNotBlock(ConcurrentDictionary<string, int> ports)
{
    private long _word;

    public bool Swap(long next) => Interlocked.CompareExchange(ref _word, next, Volatile.Read(ref _word)) != next;

    public async Task<int> AwaitAsync(Task<int> task, ValueTask other)
    {
        await other;
        return await task + (ports.TryGetValue("a", out int port) ? port : 0);
    }

    public static int Processor() => Thread.GetCurrentProcessorId();
}
