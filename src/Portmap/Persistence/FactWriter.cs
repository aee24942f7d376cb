namespace Portmap.Persistence;

/// <summary>Brings facts to the store: any thread puts one in, one loop writes all that has come together as one batch.</summary>
/// <remarks>
/// <code>
///   _head ──► newest fact ──Next──► older ──► …      a stack; the loop takes all of it and turns it round
///   _turn     completes when the batch that takes whatever was pushed before it was read is over: with what went wrong, or null
/// </code>
/// <list type="bullet">
/// <item>I1. A fact is in the stack, in the batch that is written, or among the unwritten ones, until the store has confirmed it.</item>
/// <item>I2. What failed is written before anything newer. So when a fact is confirmed, all that were pushed before it are on disk or were answered as failed.</item>
/// <item>I3. Unwritten facts are kept folded, so that a store that fails for days costs at most one fact per owner and port.</item>
/// </list>
/// Progress: Push is lock-free and one CAS when nobody else pushes; the loop is one asynchronous method, which alone calls the store.
/// </remarks>
internal sealed class FactWriter : IAsyncDisposable
{
    private readonly IPortStore _store;
    private readonly IFactOutcome _outcome;
    private readonly PortFactSet _unwritten = new();
    private readonly List<PortFact> _taken = [];
    private readonly bool _eager;
    private readonly Task _loop;
    private PortFact? _head;
    private TaskCompletionSource<Exception?> _turn = NewTurn();
    private TaskCompletionSource _wake = NewWake();
    private Exception? _failure;
    private int _kicked;
    private int _busy;
    private int _stopping;

    /// <param name="store">The store; loaded, and called by nobody else.</param>
    /// <param name="outcome">Told what became of each fact, by the loop.</param>
    /// <param name="eager">Whether a push wakes the loop; otherwise <see cref="Kick"/> does.</param>
    public FactWriter(IPortStore store, IFactOutcome outcome, bool eager)
    {
        _store = store;
        _outcome = outcome;
        _eager = eager;
        _loop = RunAsync();
    }

    /// <summary>What the last batch failed with; null when it was written.</summary>
    public Exception? Failure => Volatile.Read(ref _failure);

    /// <summary>Nothing is on its way to the disk. In this order: what the loop takes out of the stack makes it busy before.</summary>
    public bool IsIdle => Volatile.Read(ref _head) is null && Volatile.Read(ref _busy) == 0 && Failure is null;

    /// <summary>Completes when whatever was pushed before this was read has been written or has failed.</summary>
    public Task<Exception?> Turn => Volatile.Read(ref _turn).Task;

    public void Push(PortFact fact)
    {
        PortFact? head = Volatile.Read(ref _head);
        while (true)
        {
            fact.Next = head;
            PortFact? seen = Interlocked.CompareExchange(ref _head, fact, head);   // publishes the fact to the loop
            if (ReferenceEquals(seen, head))
            {
                break;
            }

            head = seen;
        }

        if (_eager)
        {
            Kick();
        }
    }

    /// <summary>Has the loop write what there is.</summary>
    public void Kick()
    {
        // The note first: a loop that is just about to sleep finds it, one that sleeps is woken.
        Interlocked.Exchange(ref _kicked, 1);
        Volatile.Read(ref _wake).TrySetResult();
    }

    /// <summary>As <see cref="Kick"/>, when there is something to write.</summary>
    public void KickIfAny()
    {
        if (Volatile.Read(ref _head) is not null || Failure is not null)
        {
            Kick();
        }
    }

    /// <summary>Completes when all that was pushed before is on disk (null), or with what went wrong.</summary>
    public Task<Exception?> FlushAsync()
    {
        if (IsIdle)
        {
            return Task.FromResult<Exception?>(null);
        }

        Task<Exception?> turn = Turn;
        Kick();
        return turn;
    }

    /// <summary>Writes what is left, once, and ends the loop.</summary>
    public async ValueTask DisposeAsync()
    {
        Interlocked.Exchange(ref _stopping, 1);
        Kick();
        await _loop.ConfigureAwait(false);
    }

    private static TaskCompletionSource<Exception?> NewTurn() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private static TaskCompletionSource NewWake() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private async Task RunAsync()
    {
        bool isLast = false;
        int lastCount = 0;
        while (!isLast)
        {
            await SleepAsync().ConfigureAwait(false);
            await GatherAsync(lastCount).ConfigureAwait(false);
            isLast = Volatile.Read(ref _stopping) != 0;
            Interlocked.Exchange(ref _busy, 1);
            TaskCompletionSource<Exception?> turn = Interlocked.Exchange(ref _turn, NewTurn());   // before the facts are taken, see Turn
            List<PortFact> batch = Take();
            lastCount = batch.Count;
            Exception? failure = batch.Count == 0 ? null : await TryAppendAsync(batch).ConfigureAwait(false);
            Answer(batch, failure);
            Volatile.Write(ref _failure, failure);
            Volatile.Write(ref _busy, 0);
            turn.SetResult(failure);
        }

        Volatile.Read(ref _turn).TrySetResult(new ObjectDisposedException(nameof(PortRegistry)));
    }

    /// <summary>Lets those come whom the last batch has just woken: each that comes again wakes the loop, and the first one alone is not worth an fsync.
    /// Gives way at most twice for each of them, so that one caller never waits for others.</summary>
    private async ValueTask GatherAsync(int expected)
    {
        for (int i = 2 * expected; i > 0 && Volatile.Read(ref _stopping) == 0 && !HasWaiting(expected); i--)
        {
            await Task.Yield();
        }
    }

    /// <summary>Whether so many facts wait. The loop alone takes them out, so what it walks over stays.</summary>
    private bool HasWaiting(int count)
    {
        PortFact? fact = Volatile.Read(ref _head);
        for (; fact is not null && count > 0; count--)
        {
            fact = fact.Next;
        }

        return count == 0;
    }

    private Task SleepAsync()
    {
        TaskCompletionSource wake = NewWake();
        Volatile.Write(ref _wake, wake);
        if (Interlocked.Exchange(ref _kicked, 0) != 0)
        {
            wake.TrySetResult();   // the note was left while the loop worked; still awaited, so that the loop never runs on the thread of a caller
        }

        return wake.Task;
    }

    /// <summary>What failed before, then what was pushed since, oldest first.</summary>
    private List<PortFact> Take()
    {
        _taken.Clear();
        List<PortFact> batch = [];
        if (_unwritten.Mark is { } mark)
        {
            batch.Add(mark);
        }

        batch.AddRange(_unwritten.Claims);
        for (PortFact? fact = Interlocked.Exchange(ref _head, null), next; fact is not null; fact = next)
        {
            next = fact.Next;
            fact.Next = null;   // the store may keep it
            _taken.Add(fact);
        }

        _taken.Reverse();
        batch.AddRange(_taken);
        return batch;
    }

    private async ValueTask<Exception?> TryAppendAsync(List<PortFact> batch)
    {
        try
        {
            await _store.AppendAsync(batch, CancellationToken.None).ConfigureAwait(false);
            return null;
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)
        {
            return exception;
        }
    }

    private void Answer(List<PortFact> batch, Exception? failure)
    {
        if (failure is null)
        {
            _unwritten.Clear();
            foreach (PortFact fact in batch)
            {
                _outcome.Written(fact);
            }

            return;
        }

        foreach (PortFact fact in _taken)
        {
            if (_outcome.Failed(fact, failure) is { } kept)
            {
                _unwritten.Apply(kept);
            }
        }
    }
}
