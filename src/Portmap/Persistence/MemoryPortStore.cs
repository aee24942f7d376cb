namespace Portmap.Persistence;

/// <summary>The store that a test can look through: the object is the state, and may be loaded
/// again once it was disposed.</summary>
internal sealed class MemoryPortStore : IPortStore
{
    private readonly PortFactSet _facts = new();
    private bool _isOpen;

    public ValueTask LoadAsync(Action<PortFact> onFact, Action<string> onUnreadable, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (_isOpen)
        {
            StoreRefusals.StateInUse("The state in memory", Environment.ProcessId).Throw();
        }

        _isOpen = true;
        foreach (PortFact fact in _facts.Mark is { } mark ? [mark, .. _facts.Claims] : _facts.ToArray())
        {
            onFact(fact);
        }

        return ValueTask.CompletedTask;
    }

    public ValueTask AppendAsync(IReadOnlyList<PortFact> batch, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        foreach (PortFact fact in batch)
        {
            _facts.Apply(fact);
        }

        return ValueTask.CompletedTask;
    }

    public ValueTask DisposeAsync()
    {
        _isOpen = false;
        return ValueTask.CompletedTask;
    }
}
