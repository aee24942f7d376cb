namespace Portmap.Testing;

/// <summary>A store in memory that fails, waits and forgets on command.</summary>
/// <remarks>
/// <para>It keeps to what an <see cref="IPortStore"/> owes. The object is the state: once its
/// registry is disposed, the next one may be opened on it. <see cref="AfterKill"/> gives the state
/// of a daemon that was killed to the next one.</para>
/// <para>All members are safe for any thread.</para>
/// </remarks>
public sealed class FakePortStore : IPortStore
{
    private readonly State _state;
    private readonly List<IReadOnlyList<PortFact>> _batches = [];
    private readonly TaskCompletionSource _disposed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private TaskCompletionSource? _gate;
    private TaskCompletionSource _arrived = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Exception? _failure;
    private bool _writesAllTheSame;
    private bool _isOpen;
    private bool _isDead;

    /// <summary>Makes an empty one.</summary>
    public FakePortStore()
        : this(new State())
    {
    }

    private FakePortStore(State state) => _state = state;

    /// <summary>The facts about claims that a registry which opens now would read, in no
    /// order.</summary>
    public IReadOnlyList<PortFact> Facts
    {
        get
        {
            lock (_state)
            {
                return [.. _state.Standing.Values];
            }
        }
    }

    /// <summary>The mark of the epochs; null when none was written.</summary>
    public PortFact? Mark
    {
        get
        {
            lock (_state)
            {
                return _state.Mark;
            }
        }
    }

    /// <summary>What came to this object, batch by batch, those that failed too.</summary>
    public IReadOnlyList<IReadOnlyList<PortFact>> Batches
    {
        get
        {
            lock (_state)
            {
                return [.. _batches];
            }
        }
    }

    /// <summary>Completes when it has been disposed, by its registry or by an opening that was
    /// given up. Never faults.</summary>
    public Task WhenDisposed => _disposed.Task;

    /// <summary>What the next opening is told could not be read; null, the default, is
    /// nothing.</summary>
    public string? Unreadable { get; set; }

    /// <summary>From now on each batch fails.</summary>
    /// <param name="failure">What is thrown; null is an <see cref="IOException"/> that says that
    /// there is no space left.</param>
    /// <param name="writesAllTheSame">Whether the batch is durable in spite of that: a caller must
    /// bear both.</param>
    public void Fail(Exception? failure = null, bool writesAllTheSame = false)
    {
        lock (_state)
        {
            _writesAllTheSame = writesAllTheSame;
            _failure = failure ?? new IOException("No space left on device.");
        }
    }

    /// <summary>Batches are written again.</summary>
    public void Heal()
    {
        lock (_state)
        {
            _failure = null;
        }
    }

    /// <summary>From now on loading and appending wait for <see cref="Release"/>, as on a medium
    /// that hangs.</summary>
    public void Hold()
    {
        lock (_state)
        {
            _arrived = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _gate ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }

    /// <summary>Lets what waits go on, and what follows.</summary>
    public void Release()
    {
        TaskCompletionSource? gate;
        lock (_state)
        {
            (gate, _gate) = (_gate, null);
        }

        gate?.TrySetResult();
    }

    /// <summary>Completes when a call has come, since <see cref="Hold"/> or from the
    /// beginning.</summary>
    public Task ArrivedAsync()
    {
        lock (_state)
        {
            return _arrived.Task;
        }
    }

    /// <summary>Damage: as if these facts had never been written.</summary>
    /// <param name="which">The facts that are lost; it is asked about the mark as well.</param>
    /// <exception cref="ArgumentNullException"><paramref name="which"/> is null.</exception>
    public void Lose(Predicate<PortFact> which)
    {
        ArgumentNullException.ThrowIfNull(which);
        lock (_state)
        {
            foreach ((var key, PortFact fact) in _state.Standing)
            {
                if (which(fact))
                {
                    _state.Standing.Remove(key);
                }
            }

            _state.Mark = _state.Mark is { } mark && which(mark) ? null : _state.Mark;
        }
    }

    /// <summary>The same state as a daemon finds it that starts after the one before was killed.
    /// What that one still reads or writes has no effect, and fails.</summary>
    /// <returns>The store of the next daemon. It neither fails nor waits.</returns>
    public FakePortStore AfterKill()
    {
        lock (_state)
        {
            (_isDead, _isOpen) = (true, false);
            _state.IsTaken = false;
        }

        Release();
        return new FakePortStore(_state) { Unreadable = Unreadable };
    }

    /// <inheritdoc/>
    public async ValueTask LoadAsync(Action<PortFact> onFact, Action<string> onUnreadable, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(onFact);
        ArgumentNullException.ThrowIfNull(onUnreadable);
        cancellationToken.ThrowIfCancellationRequested();
        await ArriveAsync(cancellationToken).ConfigureAwait(false);
        List<PortFact> facts;
        lock (_state)
        {
            ThrowIfKilled();
            if (_state.IsTaken)
            {
                throw new PortRefusedException(new PortRefusal(
                    PortRefusalReason.StateInUse, $"The state in memory is in use by process {Environment.ProcessId}; dispose the registry that has it first.")
                { HolderProcessId = Environment.ProcessId });
            }

            _isOpen = _state.IsTaken = true;
            facts = [.. _state.Standing.Values];
            if (_state.Mark is { } mark)
            {
                facts.Add(mark);
            }
        }

        if (Unreadable is { } part)
        {
            onUnreadable(part);
        }

        facts.ForEach(onFact);
    }

    /// <inheritdoc/>
    public async ValueTask AppendAsync(IReadOnlyList<PortFact> batch, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(batch);
        cancellationToken.ThrowIfCancellationRequested();
        PortFact[] facts = [.. batch];
        await ArriveAsync(CancellationToken.None).ConfigureAwait(false);
        lock (_state)
        {
            ThrowIfKilled();
            _batches.Add(facts);
            if (_failure is null || _writesAllTheSame)
            {
                Array.ForEach(facts, _state.Apply);
            }

            if (_failure is not null)
            {
                throw _failure;
            }
        }
    }

    /// <summary>Gives the state up.</summary>
    public ValueTask DisposeAsync()
    {
        lock (_state)
        {
            _state.IsTaken &= !_isOpen;
            _isOpen = false;
        }

        _disposed.TrySetResult();
        return ValueTask.CompletedTask;
    }

    private void ThrowIfKilled()
    {
        if (_isDead)
        {
            throw new IOException("The daemon that had this store was killed.");
        }
    }

    private Task ArriveAsync(CancellationToken cancellationToken)
    {
        lock (_state)
        {
            _arrived.TrySetResult();
            return _gate?.Task.WaitAsync(cancellationToken) ?? Task.CompletedTask;
        }
    }

    /// <summary>What outlives a daemon; locked by who uses it.</summary>
    private sealed class State
    {
        public Dictionary<(PortProtocol Protocol, int Port, string Owner), PortFact> Standing { get; } = [];

        public PortFact? Mark { get; set; }

        public bool IsTaken { get; set; }

        public void Apply(PortFact fact)
        {
            if (fact.IsMark)
            {
                Mark = Mark is null || fact.Epoch > Mark.Epoch ? fact : Mark;
                return;
            }

            var key = (fact.Protocol, fact.Port, fact.Owner);
            if (!Standing.TryGetValue(key, out PortFact? standing) || Rank(fact).CompareTo(Rank(standing)) >= 0)
            {
                Standing[key] = fact;
            }
        }

        private static (long, PortState, DateTimeOffset, DateTimeOffset) Rank(PortFact fact) => (fact.Epoch, fact.State, fact.At, fact.Until);
    }
}
