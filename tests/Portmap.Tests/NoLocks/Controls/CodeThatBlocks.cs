using System.Buffers;
using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Threading.Channels;

namespace Portmap.Tests.NoLocks.Controls;

/// <summary>Uses everything a table operation may not use, each the way it would slip in. Never
/// run; it exists to be found.</summary>
internal sealed class CodeThatBlocks
{
    private readonly object _gate = new();
    private readonly Lock _newGate = new();
    private readonly ConcurrentDictionary<string, int> _ports = new();
    private readonly List<ManualResetEventSlim> _signals = [];
    private SpinLock _spinLock;

    public Func<int> InALambda() => () =>
    {
        lock (_gate)
        {
            return _ports.Count;
        }
    };

    public async Task InAStateMachineAsync(SemaphoreSlim semaphore)
    {
        await semaphore.WaitAsync();
        lock (_newGate)
        {
            _ports["a"] = 1;
        }
    }

    public IEnumerable<int> InAnIterator(ConcurrentBag<int> bag, ConcurrentQueue<int> queue, BlockingCollection<int> collection)
    {
        bag.Add(1);
        queue.Enqueue(1);
        collection.Add(1);
        yield return _signals.Count;
    }

    [MethodImpl(MethodImplOptions.Synchronized)]
    public void Locks(ReaderWriterLock old, ReaderWriterLockSlim slim, Mutex mutex, Semaphore semaphore)
    {
        bool taken = false;
        _spinLock.Enter(ref taken);
        old.AcquireReaderLock(0);
        slim.EnterReadLock();
        mutex.ReleaseMutex();
        semaphore.Release();
    }

    public static void Waits(WaitHandle handle, CountdownEvent countdown, Barrier barrier, Thread thread, SpinWait spin)
    {
        handle.WaitOne();
        new ManualResetEvent(false).Set();
        new AutoResetEvent(false).Set();
        new EventWaitHandle(false, EventResetMode.AutoReset).Set();
        countdown.Wait();
        barrier.SignalAndWait();
        thread.Join();
        spin.SpinOnce();
    }

    public int Blocks(Task<int> task, Channel<int> channel, ConditionalWeakTable<object, object> table)
    {
        Parallel.Invoke(task.Wait, () => channel.Writer.TryWrite(1));
        table.Add(_gate, _gate);
        int[] rented = ArrayPool<int>.Shared.Rent(1);
        Lazy<int> lazy = new(() => rented.Length);
        ThreadLocal<int> local = new(() => lazy.Value);
        object? made = null;
        LazyInitializer.EnsureInitialized(ref made, () => local);
        return task.GetAwaiter().GetResult();
    }
}
