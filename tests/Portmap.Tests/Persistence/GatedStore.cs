using Portmap.Persistence;

namespace Portmap.Tests.Persistence;

/// <summary>A store in memory whose fsync the test releases by hand, and that fails when it is told
/// to.</summary>
internal sealed class GatedStore : IPortStore
{
    private readonly PortFactSet _facts;
    private bool _isDead;
    private TaskCompletionSource? _gate;
    private TaskCompletionSource _arrived = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Exception? _failure;
    private bool _durableAllTheSame;

    public GatedStore()
        : this(new PortFactSet())
    {
    }

    private GatedStore(PortFactSet facts) => _facts = facts;

    public List<IReadOnlyList<PortFact>> Batches { get; } = [];

    public bool IsDisposed { get; private set; }

    /// <summary>The facts about claims that a run which starts now would read.</summary>
    public PortFact[] Durable
    {
        get
        {
            lock (_facts)
            {
                return [.. _facts.Claims];
            }
        }
    }

    public long Mark => _facts.Mark!.Epoch;

    public long MarkOrZero
    {
        get
        {
            lock (_facts)
            {
                return _facts.Mark?.Epoch ?? 0;
            }
        }
    }

    /// <summary>What the store says it could not read.</summary>
    public string? UnreadablePart { get; set; }

    /// <summary>Damage: the mark of the epochs is gone.</summary>
    public void LoseMark() => Replace(Durable);

    /// <summary>Somebody deleted the state.</summary>
    public void LoseAll() => Replace([]);

    /// <summary>As if a fact had never been written.</summary>
    public void LosePort(int port) => Replace([PortFact.Mark(Mark), .. Durable.Where(fact => fact.Port != port)]);

    /// <summary>What a daemon that starts after <c>kill -9</c> opens; the old one never gets an
    /// answer any more.</summary>
    public GatedStore AfterKill()
    {
        _isDead = true;
        return new GatedStore(_facts) { UnreadablePart = UnreadablePart };
    }

    /// <summary>From now on a batch waits for <see cref="Release"/>.</summary>
    public void Hold()
    {
        _arrived = new(TaskCreationOptions.RunContinuationsAsynchronously);
        _gate = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    /// <summary>Completes when a batch has come to the gate.</summary>
    public Task ArrivedAsync() => _arrived.Task;

    /// <summary>Lets the batch at the gate through, and those that follow.</summary>
    public void Release()
    {
        TaskCompletionSource? gate = _gate;
        _gate = null;
        gate?.SetResult();
    }

    /// <summary>Lets the batch at the gate through; the next one waits there.</summary>
    public void ReleaseOne()
    {
        TaskCompletionSource? gate = _gate;
        Hold();
        gate?.SetResult();
    }

    /// <summary>From now on a batch fails; it may be on disk all the same.</summary>
    public void Fail(bool durableAllTheSame = false)
    {
        _durableAllTheSame = durableAllTheSame;
        _failure = new IOException("No space left on device.");
    }

    public void Heal() => _failure = null;

    public async ValueTask LoadAsync(Action<PortFact> onFact, Action<string> onUnreadable, CancellationToken cancellationToken)
    {
        if (_gate is { } gate)
        {
            await gate.Task.WaitAsync(cancellationToken);
        }

        if (UnreadablePart is not null)
        {
            onUnreadable(UnreadablePart);
        }

        foreach (PortFact fact in _facts.Mark is { } mark ? [mark, .. Durable] : Durable)
        {
            onFact(fact);
        }
    }

    public async ValueTask AppendAsync(IReadOnlyList<PortFact> batch, CancellationToken cancellationToken)
    {
        PortFact[] facts = [.. batch];
        _arrived.TrySetResult();
        if (_gate is { } gate)
        {
            await gate.Task;
        }

        if (_isDead)
        {
            await new TaskCompletionSource().Task;
        }

        lock (_facts)
        {
            Batches.Add(facts);
            foreach (PortFact fact in _failure is null || _durableAllTheSame ? facts : [])
            {
                _facts.Apply(fact);
            }
        }

        if (_failure is not null)
        {
            throw _failure;
        }
    }

    private void Replace(IEnumerable<PortFact> facts)
    {
        lock (_facts)
        {
            PortFact[] kept = [.. facts];
            _facts.Clear();
            Array.ForEach(kept, _facts.Apply);
        }
    }

    public ValueTask DisposeAsync()
    {
        IsDisposed = true;
        return ValueTask.CompletedTask;
    }
}
