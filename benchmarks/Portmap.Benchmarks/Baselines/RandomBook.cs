using System.Collections;
using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;

namespace Portmap.Benchmarks.Baselines;

/// <summary>As Nomad's network index: a bitmap under one lock, 20 random tries, then a scan of the
/// whole range.</summary>
internal sealed class RandomBook(int first, int last, TimeSpan reuseDelay, int seed) : IPortBook
{
    private const int RandomTries = 20;

    private readonly Lock _gate = new();
    private readonly BitArray _free = new(last - first + 1, defaultValue: true);
    private readonly BookClaim?[] _slots = new BookClaim?[last - first + 1];
    private readonly Dictionary<string, BookClaim> _owners = new(StringComparer.Ordinal);
    private readonly Queue<(int Index, long Until)> _cooling = new();
    private readonly long _reuseDelayTicks = (long)(reuseDelay.TotalSeconds * Stopwatch.Frequency);
    private readonly Random _random = new(seed);
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

            int index = Pick();
            if (index < 0)
            {
                return false;
            }

            _free[index] = false;
            claim = new BookClaim(owner, first + index, ++_epoch, now);
            _slots[index] = claim;
            _owners.Add(owner, claim);
            return true;
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

    private int Pick()
    {
        for (int tried = 0; tried < RandomTries; tried++)
        {
            int index = _random.Next(_free.Length);
            if (_free[index])
            {
                return index;
            }
        }

        for (int index = 0; index < _free.Length; index++)
        {
            if (_free[index])
            {
                return index;
            }
        }

        return -1;
    }
}
