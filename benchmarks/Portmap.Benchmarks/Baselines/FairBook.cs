using System.Collections;
using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace Portmap.Benchmarks.Baselines;

/// <summary>As <see cref="LockBook{TClock}"/> with the cheap clock, and with what the registry
/// checks too: the name, protocol and owner together as the key, and the state of the
/// claim.</summary>
internal sealed class FairBook(int first, int last, TimeSpan reuseDelay) : IPortBook
{
    private const int MaxName = 4_096;

    private readonly Lock _gate = new();
    private readonly BitArray _free = new(last - first + 1, defaultValue: true);
    private readonly BookClaim?[] _slots = new BookClaim?[last - first + 1];
    private readonly Dictionary<Key, BookClaim> _owners = [];
    private readonly Queue<(int Index, long Until)> _cooling = new();
    private readonly long _reuseDelayMs = (long)reuseDelay.TotalMilliseconds;
    private int _cursor;
    private long _epoch;

    public bool TryAcquire(string owner, [NotNullWhen(true)] out BookClaim? claim) => TryAcquire(owner, PortProtocol.Tcp, out claim);

    public bool TryAcquire(string owner, PortProtocol protocol, [NotNullWhen(true)] out BookClaim? claim)
    {
        claim = null;
        if (!IsName(owner))
        {
            return false;
        }

        long now = TickClock.Now;
        lock (_gate)
        {
            Key key = new(protocol, owner);
            if (_owners.TryGetValue(key, out BookClaim? standing) && standing.IsOpen)
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
                    claim = new BookClaim(owner, first + index, ++_epoch, now) { IsOpen = true };
                    _slots[index] = claim;
                    _owners.Add(key, claim);
                    return true;
                }
            }

            return false;
        }
    }

    public bool TryRelease(BookClaim claim)
    {
        long now = TickClock.Now;
        lock (_gate)
        {
            int index = claim.Port - first;
            if (!claim.IsOpen || _slots[index] != claim)
            {
                return false;
            }

            claim.IsOpen = false;
            _slots[index] = null;
            _owners.Remove(new Key(PortProtocol.Tcp, claim.Owner));
            _cooling.Enqueue((index, now + _reuseDelayMs));
            return true;
        }
    }

    public int PortOf(string owner)
    {
        lock (_gate)
        {
            return _owners.TryGetValue(new Key(PortProtocol.Tcp, owner), out BookClaim? claim) && claim.IsOpen ? claim.Port : 0;
        }
    }

    private static bool IsName(string owner) =>
        owner.Length is > 0 and <= MaxName && !owner.Contains('\0', StringComparison.Ordinal) && Ascii.IsValid(owner);

    private readonly record struct Key(PortProtocol Protocol, string Owner);
}
