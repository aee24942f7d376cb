using System.Collections;
using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;

namespace Portmap.Benchmarks.Baselines;

/// <summary>As glusterd's portmap: one array by port under one lock, first-fit from the base, and
/// an owner is found by comparing names up to the highest port that was ever given out.</summary>
internal sealed class LinearBook(int first, int last, TimeSpan reuseDelay) : IPortBook
{
    private readonly Lock _gate = new();
    private readonly BitArray _free = new(last - first + 1, defaultValue: true);
    private readonly BookClaim?[] _ports = new BookClaim?[last - first + 1];
    private readonly Queue<(int Index, long Until)> _cooling = new();
    private readonly long _reuseDelayTicks = (long)(reuseDelay.TotalSeconds * Stopwatch.Frequency);
    private int _end;
    private long _epoch;

    public bool TryAcquire(string owner, [NotNullWhen(true)] out BookClaim? claim)
    {
        long now = Stopwatch.GetTimestamp();
        lock (_gate)
        {
            claim = null;
            if (Find(owner) is not null)
            {
                return false;
            }

            while (_cooling.TryPeek(out (int Index, long Until) cooled) && cooled.Until <= now)
            {
                _cooling.Dequeue();
                _free[cooled.Index] = true;
            }

            for (int index = 0; index < _ports.Length; index++)
            {
                if (_free[index])
                {
                    _free[index] = false;
                    claim = new BookClaim(owner, first + index, ++_epoch, now);
                    _ports[index] = claim;
                    _end = Math.Max(_end, index + 1);
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
            if (_ports[index] != claim)
            {
                return false;
            }

            _ports[index] = null;
            _cooling.Enqueue((index, now + _reuseDelayTicks));
            return true;
        }
    }

    /// <summary>Gives an owner the next port without asking whether it has one: filling a table of
    /// 60,000 by <see cref="TryAcquire"/> takes a minute.</summary>
    public void Add(string owner)
    {
        _free[_end] = false;
        _ports[_end] = new BookClaim(owner, first + _end, ++_epoch, 0);
        _end++;
    }

    public int PortOf(string owner)
    {
        lock (_gate)
        {
            return Find(owner)?.Port ?? 0;
        }
    }

    private BookClaim? Find(string owner)
    {
        for (int index = 0; index < _end; index++)
        {
            if (_ports[index] is { } claim && claim.Owner == owner)
            {
                return claim;
            }
        }

        return null;
    }
}
