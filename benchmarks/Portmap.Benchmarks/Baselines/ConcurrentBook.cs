using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;

namespace Portmap.Benchmarks.Baselines;

/// <summary>The concurrent collections of the framework, no lock of one's own: the queue of free
/// ports is the one of cooling ports as well.</summary>
/// <remarks>Two steps are not one: between them an owner has a port and the port has no owner. Ours
/// is measured without that gap.</remarks>
internal sealed class ConcurrentBook : IPortBook
{
    private readonly ConcurrentQueue<(int Index, long Until)> _free = new();
    private readonly ConcurrentDictionary<string, BookClaim> _owners = new(StringComparer.Ordinal);
    private readonly BookClaim?[] _slots;
    private readonly int _first;
    private readonly long _reuseDelayTicks;
    private long _epoch;

    public ConcurrentBook(int first, int last, TimeSpan reuseDelay)
    {
        _first = first;
        _slots = new BookClaim?[last - first + 1];
        _reuseDelayTicks = (long)(reuseDelay.TotalSeconds * Stopwatch.Frequency);
        for (int i = 0; i < _slots.Length; i++)
        {
            _free.Enqueue((i, 0));
        }
    }

    public bool TryAcquire(string owner, [NotNullWhen(true)] out BookClaim? claim)
    {
        claim = null;
        if (_owners.ContainsKey(owner) || !_free.TryDequeue(out (int Index, long Until) free))
        {
            return false;
        }

        long now = Stopwatch.GetTimestamp();   // after the port was taken: one that came back meanwhile must not look as if it cooled
        if (free.Until > now)
        {
            _free.Enqueue(free);
            return false;
        }

        BookClaim made = new(owner, _first + free.Index, Interlocked.Increment(ref _epoch), now);
        if (!_owners.TryAdd(owner, made))
        {
            _free.Enqueue(free);
            return false;
        }

        Volatile.Write(ref _slots[free.Index], made);
        claim = made;
        return true;
    }

    public bool TryRelease(BookClaim claim)
    {
        long now = Stopwatch.GetTimestamp();
        int index = claim.Port - _first;
        if (!ReferenceEquals(Interlocked.CompareExchange(ref _slots[index], null, claim), claim))
        {
            return false;
        }

        _owners.TryRemove(new KeyValuePair<string, BookClaim>(claim.Owner, claim));
        _free.Enqueue((index, now + _reuseDelayTicks));
        return true;
    }

    public int PortOf(string owner) => _owners.TryGetValue(owner, out BookClaim? claim) ? claim.Port : 0;
}
