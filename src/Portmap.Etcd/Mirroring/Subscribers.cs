using System.Collections.Immutable;
using System.Threading.Channels;

namespace Portmap.Etcd.Mirroring;

/// <summary>The readers of changes. The writer waits for none: one that falls behind is cut off,
/// and comes again for a listing.</summary>
internal sealed class Subscribers
{
    private ImmutableArray<Subscriber> _all = [];
    private bool _isOver;

    public bool IsEmpty => _all.IsEmpty;

    public Subscriber Add(FleetUpdate first, int capacity)
    {
        Subscriber subscriber = new(first, capacity);
        ImmutableInterlocked.Update(ref _all, static (all, one) => all.Add(one), subscriber);

        // After it was added: either this sees the end, or the end sees it.
        if (Volatile.Read(ref _isOver))
        {
            Remove(subscriber);
            subscriber.End();
        }

        return subscriber;
    }

    public void Remove(Subscriber subscriber) => ImmutableInterlocked.Update(ref _all, static (all, one) => all.Remove(one), subscriber);

    public void Tell(FleetUpdate update)
    {
        foreach (Subscriber subscriber in _all)
        {
            if (!subscriber.TryTell(update))
            {
                Remove(subscriber);
            }
        }
    }

    /// <summary>No more updates will come, also to those that are added later.</summary>
    public void End()
    {
        Volatile.Write(ref _isOver, true);   // before the exchange, which pairs with Add
        foreach (Subscriber subscriber in ImmutableInterlocked.InterlockedExchange(ref _all, []))
        {
            subscriber.End();
        }
    }
}

/// <summary>One reader of changes.</summary>
internal sealed class Subscriber
{
    private readonly Channel<FleetUpdate> _updates;

    public Subscriber(FleetUpdate first, int capacity)
    {
        _updates = Channel.CreateBounded<FleetUpdate>(new BoundedChannelOptions(capacity + 1) { SingleReader = true, SingleWriter = true });
        _updates.Writer.TryWrite(first);
    }

    /// <summary>It fell behind: what it has not read yet is not to be read any more.</summary>
    public bool IsBehind { get; private set; }

    public ChannelReader<FleetUpdate> Updates => _updates.Reader;

    public bool TryTell(FleetUpdate update)
    {
        if (_updates.Writer.TryWrite(update))
        {
            return true;
        }

        IsBehind = true;   // published by the completion
        _updates.Writer.TryComplete();
        return false;
    }

    public void End() => _updates.Writer.TryComplete();
}
