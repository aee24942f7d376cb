namespace Portmap.Persistence;

/// <summary>
/// Brings facts to the store: any thread puts one in, one loop writes all that has come together as
/// one batch.
/// </summary>
/// <remarks>
/// <code>
///   _head ──► newest fact ──Next──► older ──► …      a stack; the loop takes all of it and turns it round
///   _turn     completes when the batch that takes whatever was pushed before it was read is over: with what went wrong, or null
///
///   open ──DisposeAsync──► closing ──seal: the loop takes the stack for the last time──► sealed ──► ended, the store disposed
/// </code>
/// <list type="bullet">
/// <item>I1. A fact is in the stack, in the batch that is written, or among the unwritten ones,
/// until the store has confirmed it.</item>
/// <item>I2. What failed is written before anything newer. So when a fact is confirmed, all that
/// were pushed before it are on disk or were answered as failed.</item>
/// <item>I3. Unwritten facts are kept folded, so that a store that fails for days costs at most one
/// fact per owner and port.</item>
/// <item>I4. Once sealed nothing comes into the stack, so what TryPush took in is in a batch, and
/// who is told false knows that its fact is in none. <see cref="HasEnded"/> is set when all that
/// was taken in has been answered.</item>
/// <item>I5. The work is linear in the facts: gathering looks at most at <see cref="Worthwhile"/>
/// of them, and a store that fails is tried with at most <see cref="Probe"/> before all that is
/// unwritten is brought to it again.</item>
/// <item>I6. No exception of the store ends the loop: it is what went wrong with that batch.</item>
/// </list>
/// Progress: TryPush is lock-free and one CAS when nobody else pushes; the loop is one asynchronous
/// method, which alone calls the store.
/// </remarks>
internal sealed class FactWriter : IAsyncDisposable, IDisposable
{
    /// <summary>What is worth an fsync.</summary>
    /// <remarks>To wait for thousands would cost more turns of the loop than they bring.</remarks>
    private const int Worthwhile = 64;

    /// <summary>
    /// How many of the unwritten facts tell whether a store that failed works again.
    /// </summary>
    private const int Probe = 64;

    /// <summary>What the stack leads to once it is sealed.</summary>
    private static readonly PortFact s_sealed = new();

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
    private bool _hasEnded;

    /// <param name="store">
    /// The store; loaded, and called by nobody else. It is disposed by the loop's end.
    /// </param>
    /// <param name="outcome">Told what became of each fact, by the loop.</param>
    /// <param name="eager">
    /// Whether a push wakes the loop; otherwise <see cref="Kick"/> does.
    /// </param>
    public FactWriter(IPortStore store, IFactOutcome outcome, bool eager)
    {
        _store = store;
        _outcome = outcome;
        _eager = eager;
        _loop = RunAsync();
    }

    /// <summary>What the last batch failed with; null when it was written.</summary>
    public Exception? Failure => Volatile.Read(ref _failure);

    /// <summary>Nothing is on its way to the disk.</summary>
    /// <remarks>In this order: what the loop takes out of the stack makes it busy before.</remarks>
    public bool IsIdle => Volatile.Read(ref _head) is null && Volatile.Read(ref _busy) == 0 && Failure is null;

    /// <summary>How many facts wait, about: those in the stack and those that could not be
    /// written.</summary>
    /// <remarks>What the loop takes meanwhile ends the walk.</remarks>
    public int QueueLength
    {
        get
        {
            int count = _unwritten.Count;
            for (PortFact? fact = Volatile.Read(ref _head); fact is not null && !ReferenceEquals(fact, s_sealed); fact = fact.Next)
            {
                count++;
            }

            return count;
        }
    }

    /// <summary>Whether all that was taken in is answered, and nothing comes any more.</summary>
    public bool HasEnded => Volatile.Read(ref _hasEnded);

    /// <summary>
    /// Completes when whatever was pushed before this was read has been written or has failed.
    /// </summary>
    public Task<Exception?> Turn => Volatile.Read(ref _turn).Task;

    /// <returns>False when it comes too late: the writer has been sealed.</returns>
    public bool TryPush(PortFact fact) => TryPush(fact, fact);

    /// <summary>Puts in facts that come into one batch, next to each other.</summary>
    /// <param name="oldest">The first of them.</param>
    /// <param name="newest">The last, which leads to the first by
    /// <see cref="PortFact.Next"/>.</param>
    public bool TryPush(PortFact oldest, PortFact newest)
    {
        PortFact? head = Volatile.Read(ref _head);
        while (true)
        {
            if (ReferenceEquals(head, s_sealed))
            {
                return false;
            }

            oldest.Next = head;
            PortFact? seen = Interlocked.CompareExchange(ref _head, newest, head);   // publishes the facts to the loop
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

        return true;
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

    /// <summary>
    /// Completes when all that was pushed before is on disk (null), or with what went wrong.
    /// </summary>
    public Task<Exception?> FlushAsync()
    {
        if (IsIdle || HasEnded)
        {
            return Task.FromResult(Failure);
        }

        Task<Exception?> turn = Turn;
        Kick();
        return turn;
    }

    /// <summary>As <see cref="DisposeAsync"/>; blocks until it is done.</summary>
    public void Dispose() => DisposeAsync().AsTask().GetAwaiter().GetResult();

    /// <summary>Writes what is left, ends the loop, and disposes the store.</summary>
    /// <remarks>Never throws because of the store.</remarks>
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
        int lastCount = 0;
        while (Volatile.Read(ref _stopping) == 0)
        {
            await SleepAsync().ConfigureAwait(false);
            await GatherAsync(lastCount).ConfigureAwait(false);
            lastCount = await WriteAsync(seal: false).ConfigureAwait(false);
        }

        // What came until now is written, and the ends of what that withdrew.
        await WriteAsync(seal: true).ConfigureAwait(false);
        Keep(_outcome.Sealed());
        if (Failure is null && _unwritten.Count > 0)
        {
            await WriteAsync(seal: true).ConfigureAwait(false);
        }

        Volatile.Write(ref _hasEnded, true);
        Volatile.Read(ref _turn).TrySetResult(Failure);
        await CloseAsync().ConfigureAwait(false);
    }

    private async ValueTask CloseAsync()
    {
        try
        {
            await _store.DisposeAsync().ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            _outcome.NotClosed(exception);
        }
    }

    /// <summary>One turn: takes what there is, has it written, and answers.</summary>
    /// <returns>How many facts came since the last turn.</returns>
    private async ValueTask<int> WriteAsync(bool seal)
    {
        Interlocked.Exchange(ref _busy, 1);
        TaskCompletionSource<Exception?> turn = Interlocked.Exchange(ref _turn, NewTurn());   // before the facts are taken, see Turn
        Exception? failure;
        try
        {
            Take(seal);
            failure = await TryWriteAsync().ConfigureAwait(false);
            Answer(failure);
        }
        catch (Exception exception)
        {
            failure = exception;   // of our own, so that the loop goes on
        }

        Volatile.Write(ref _failure, failure);
        Volatile.Write(ref _busy, 0);
        turn.SetResult(failure);
        return _taken.Count;
    }

    private async ValueTask<Exception?> TryWriteAsync()
    {
        Exception? failure = null;
        if (Failure is not null && _unwritten.Count > Probe)
        {
            failure = await TryAppendAsync([.. _unwritten.Claims.Take(Probe)]).ConfigureAwait(false);
        }

        return failure ?? (_unwritten.IsEmpty && _taken.Count == 0 ? null : await TryAppendAsync(Batch()).ConfigureAwait(false));
    }

    /// <summary>
    /// Lets those come whom the last batch has just woken: each that comes again wakes the loop,
    /// and the first one alone is not worth an fsync. Gives way at most twice for each of them, so
    /// that one caller never waits for others.
    /// </summary>
    private async ValueTask GatherAsync(int lastCount)
    {
        int expected = Math.Min(lastCount, Worthwhile);
        for (int i = 2 * expected; i > 0 && Volatile.Read(ref _stopping) == 0 && !HasWaiting(expected); i--)
        {
            await Task.Yield();
        }
    }

    /// <summary>Whether so many facts wait.</summary>
    /// <remarks>The loop alone takes them out, so what it walks over stays.</remarks>
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

    private void Take(bool seal)
    {
        _taken.Clear();
        PortFact? fact = Interlocked.Exchange(ref _head, seal ? s_sealed : null);
        for (PortFact? next; fact is not null && !ReferenceEquals(fact, s_sealed); fact = next)
        {
            next = fact.Next;
            fact.Next = null;   // the store may keep it
            _taken.Add(fact);
        }

        _taken.Reverse();
    }

    /// <summary>What failed before, then what was pushed since, oldest first.</summary>
    private List<PortFact> Batch()
    {
        List<PortFact> batch = new(1 + _unwritten.Count + _taken.Count);
        if (_unwritten.Mark is { } mark)
        {
            batch.Add(mark);
        }

        batch.AddRange(_unwritten.Claims);
        batch.AddRange(_taken);
        return batch;
    }

    private async ValueTask<Exception?> TryAppendAsync(List<PortFact> batch)
    {
        long? began = _outcome.BeginWrite();
        Exception? failure = null;
        try
        {
            await _store.AppendAsync(batch, CancellationToken.None).ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            failure = exception;   // of any type: whatever the store met, the next batch is tried
        }

        _outcome.EndWrite(began, failure);
        return failure;
    }

    private void Answer(Exception? failure)
    {
        if (failure is null)
        {
            bool isClosing = Volatile.Read(ref _stopping) != 0;
            PortFact[] written = [.. _unwritten.Claims];
            _unwritten.Clear();
            foreach (PortFact fact in written.Concat(_taken))
            {
                Keep(_outcome.Written(fact, isClosing));
            }

            return;
        }

        foreach (PortFact fact in _taken)
        {
            Keep(_outcome.Failed(fact));
        }
    }

    private void Keep(PortFact? fact)
    {
        for (PortFact? next; fact is not null; fact = next)
        {
            next = fact.Next;
            fact.Next = null;   // the store may keep it
            _unwritten.Apply(fact);
        }
    }
}
