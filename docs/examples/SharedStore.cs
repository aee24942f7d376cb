using Portmap;

namespace Examples;

/// <summary>A key-value store of the host's, as far as an <see cref="IPortStore"/> needs
/// it.</summary>
public interface IKeyValueStore
{
    /// <summary>Completes when all of it is durable.</summary>
    Task PutAsync(IReadOnlyDictionary<string, PortFact> facts, CancellationToken cancellationToken);

    /// <summary>All that was put.</summary>
    Task<IReadOnlyCollection<PortFact>> ReadAllAsync(CancellationToken cancellationToken);

    /// <summary>Keeps everybody else out until <see cref="Unlock"/>, or fails at once.</summary>
    Task LockAsync(CancellationToken cancellationToken);

    /// <summary>Lets others in.</summary>
    void Unlock();
}

/// <summary>The registry's state in a store that the host has anyway.</summary>
public sealed class SharedStore(IKeyValueStore store) : IPortStore
{
    private readonly Dictionary<string, PortFact> _standing = [];
    private bool _isLocked;

    public async ValueTask LoadAsync(Action<PortFact> onFact, Action<string> onUnreadable, CancellationToken cancellationToken)
    {
        await store.LockAsync(cancellationToken);
        _isLocked = true;
        foreach (PortFact fact in await store.ReadAllAsync(cancellationToken))
        {
            _standing[Key(fact)] = fact;
            onFact(fact);
        }
    }

    public async ValueTask AppendAsync(IReadOnlyList<PortFact> batch, CancellationToken cancellationToken)
    {
        foreach (PortFact fact in batch)
        {
            string key = Key(fact);
            if (!_standing.TryGetValue(key, out PortFact? standing) || Outweighs(fact, standing))
            {
                _standing[key] = fact;
            }
        }

        await store.PutAsync(_standing, cancellationToken);   // all of it: an earlier batch may have failed
    }

    public ValueTask DisposeAsync()
    {
        if (_isLocked)
        {
            _isLocked = false;
            store.Unlock();
        }

        return ValueTask.CompletedTask;
    }

    private static string Key(PortFact fact) => fact.IsMark ? "mark" : $"{fact.Protocol}/{fact.Port}/{fact.Owner}";

    // Of one key the highest epoch stands, of one epoch the later state, of one state the later
    // time.
    private static bool Outweighs(PortFact fact, PortFact standing) =>
        (fact.Epoch, Order(fact.State), fact.At).CompareTo((standing.Epoch, Order(standing.State), standing.At)) > 0;

    private static int Order(PortState state) => state switch { PortState.Reserved => 0, PortState.Bound => 1, _ => 2 };
}
