using System.Collections;
using System.Diagnostics.CodeAnalysis;

namespace Portmap.Benchmarks.Baselines;

/// <summary>One lock around a BitArray and a Dictionary, next-fit: what most would write
/// first.</summary>
/// <typeparam name="TClock">What it tells the time by.</typeparam>
internal sealed class LockBook<TClock>(int first, int last, TimeSpan reuseDelay) : IPortBook
    where TClock : struct, IBookClock
{
    private readonly Lock _gate = new();
    private readonly BitArray _free = new(last - first + 1, defaultValue: true);
    private readonly BookClaim?[] _slots = new BookClaim?[last - first + 1];
    private readonly Dictionary<string, BookClaim> _owners = new(StringComparer.Ordinal);
    private readonly Queue<(int Index, long Until)> _cooling = new();
    private readonly long _reuseDelay = (long)(reuseDelay.TotalSeconds * TClock.BySecond);
    private int _cursor;
    private long _epoch;

    public bool TryAcquire(string owner, [NotNullWhen(true)] out BookClaim? claim)
    {
        long now = TClock.Now;
        lock (_gate)
        {
            claim = null;
            if (_owners.ContainsKey(owner))
            {
                return false;
            }

            BringBack(now);
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

    /// <summary>Notes that an owner listens on a port that it brings.</summary>
    public bool TryRegister(string owner, int port, [NotNullWhen(true)] out BookClaim? claim)
    {
        long now = TClock.Now;
        int index = port - first;
        lock (_gate)
        {
            claim = null;
            if (_slots[index] is not null || _owners.ContainsKey(owner))
            {
                return false;
            }

            BringBack(now);
            _free[index] = false;
            claim = new BookClaim(owner, port, ++_epoch, now);
            _slots[index] = claim;
            _owners.Add(owner, claim);
            return true;
        }
    }

    public bool TryRelease(BookClaim claim)
    {
        long now = TClock.Now;
        lock (_gate)
        {
            int index = claim.Port - first;
            if (_slots[index] != claim)
            {
                return false;
            }

            _slots[index] = null;
            _owners.Remove(claim.Owner);
            _cooling.Enqueue((index, now + _reuseDelay));
            return true;
        }
    }

    private void BringBack(long now)
    {
        while (_cooling.TryPeek(out (int Index, long Until) cooled) && cooled.Until <= now)
        {
            _cooling.Dequeue();
            _free[cooled.Index] = true;
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
