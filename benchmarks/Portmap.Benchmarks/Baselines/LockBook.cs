using System.Collections;
using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;

namespace Portmap.Benchmarks.Baselines;

/// <summary>One lock around a BitArray and a Dictionary, next-fit: what most would write
/// first.</summary>
internal sealed class LockBook(int first, int last, TimeSpan reuseDelay) : IPortBook
{
    private readonly Lock _gate = new();
    private readonly BitArray _free = new(last - first + 1, defaultValue: true);
    private readonly BookClaim?[] _slots = new BookClaim?[last - first + 1];
    private readonly Dictionary<string, BookClaim> _owners = new(StringComparer.Ordinal);
    private readonly Queue<(int Index, long Until)> _cooling = new();
    private readonly long _reuseDelayTicks = (long)(reuseDelay.TotalSeconds * Stopwatch.Frequency);
    private int _cursor;
    private long _epoch;

    public bool TryAcquire(string owner, [NotNullWhen(true)] out BookClaim? claim)
    {
        long now = Stopwatch.GetTimestamp();
        lock (_gate)
        {
            claim = null;
            if (_owners.ContainsKey(owner))
            {
                return false;
            }

            while (_cooling.TryPeek(out (int Index, long Until) cooled) && cooled.Until <= now)
            {
                _cooling.Dequeue();
                _free[cooled.Index] = true;
            }

            for (int tried = 0; tried < _free.Length; tried++)
            {
                int index = _cursor;
                _cursor = index + 1 == _free.Length ? 0 : index + 1;
                if (_free[index])
                {
                    _free[index] = false;
                    claim = new BookClaim(owner, first + index, ++_epoch, now);
                    _slots[index] = claim;
                    _owners.Add(owner, claim);
                    return true;
                }
            }

            return false;
        }
    }

    public bool TryRelease(BookClaim claim)
    {
        long now = Stopwatch.GetTimestamp();
        lock (_gate)
        {
            int index = claim.Port - first;
            if (_slots[index] != claim)
            {
                return false;
            }

            _slots[index] = null;
            _owners.Remove(claim.Owner);
            _cooling.Enqueue((index, now + _reuseDelayTicks));
            return true;
        }
    }

    public int PortOf(string owner)
    {
        lock (_gate)
        {
            return _owners.TryGetValue(owner, out BookClaim? claim) ? claim.Port : 0;
        }
    }
}
