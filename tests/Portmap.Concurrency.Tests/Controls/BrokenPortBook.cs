using System.Collections.Concurrent;
using Portmap.Concurrency.Tests.Audit;

namespace Portmap.Concurrency.Tests.Controls;

/// <summary>A small port book as one would write it in a hurry, with one seeded bug. Frozen: it
/// exists to be caught by the audit.</summary>
internal sealed class BrokenPortBook(SeededBug bug) : IPortBook
{
    private readonly Lock _gate = new();
    private readonly List<Holding> _claims = [];
    private readonly ConcurrentQueue<HistoryEvent> _history = new();
    private long _lastEpoch;
    private int _lingering;

    public long Acquire(string owner, bool allocatorPicks)
    {
        int port;
        lock (_gate)
        {
            port = allocatorPicks ? Enumerable.Range(StressPlan.FirstPort, StressPlan.Ports).FirstOrDefault(IsFree) : 0;
            if (HasLease(owner) || (allocatorPicks && port == 0))
            {
                return 0;
            }

            if (bug is not (SeededBug.PortCheckThenAct or SeededBug.OwnerCheckThenAct))
            {
                return Begin(new Holding(owner, port, 0, 0));
            }
        }

        Linger(); // the window
        lock (_gate)
        {
            bool lostRace = bug == SeededBug.PortCheckThenAct ? HasLease(owner) : port != 0 && !IsFree(port);
            return lostRace ? 0 : Begin(new Holding(owner, port, 0, 0));
        }
    }

    public long Register(int process, string owner, int port, bool withEpoch)
    {
        lock (_gate)
        {
            process++; // 0 is the mark of a lease
            Holding lease = _claims.FirstOrDefault(claim => claim.Owner == owner && !claim.IsBound);
            if (withEpoch && lease.Port != 0)
            {
                port = lease.Port;
            }

            Holding before = _claims.FirstOrDefault(claim => claim.Owner == owner && claim.IsBound);
            if (_claims.Exists(claim => claim.Port == port && claim.Process != process && claim != lease)
                || (before.IsBound && before.Process != process && !withEpoch)
                || before.Port == port)
            {
                return 0;
            }

            Replace(before, owner, port, process);
            if (withEpoch || lease.Port == port)
            {
                End(lease);
            }

            return _lastEpoch;
        }
    }

    public bool Release(int process, string owner)
    {
        lock (_gate)
        {
            End(_claims.FirstOrDefault(claim => claim.Owner == owner && claim.Process == process + 1));
            return true;
        }
    }

    public void ReleaseLease(string owner)
    {
        lock (_gate)
        {
            End(_claims.FirstOrDefault(claim => claim.Owner == owner && !claim.IsBound));
        }
    }

    public void ReportBindFailure(int process, string owner) => ReleaseLease(owner);

    public bool TryGetPort(string owner, out int port)
    {
        lock (_gate)
        {
            port = _claims.FirstOrDefault(claim => claim.Owner == owner && claim.IsBound).Port;
            return port != 0;
        }
    }

    public IReadOnlyList<Holding> Holdings()
    {
        lock (_gate)
        {
            return [.. _claims];
        }
    }

    public IReadOnlyList<Holding> OwnersOn(int port)
    {
        lock (_gate)
        {
            return [.. _claims.Where(claim => claim.Port == port)];
        }
    }

    public Task<IReadOnlyList<HistoryEvent>> HistoryAsync() => Task.FromResult<IReadOnlyList<HistoryEvent>>([.. _history]);

    private void Replace(Holding before, string owner, int port, int process)
    {
        if (bug == SeededBug.GapInReplacement && before.IsBound)
        {
            End(before);
            _gate.Exit();
            Linger(); // the gap
            _gate.Enter();
            Begin(new Holding(owner, port, 0, process));
            return;
        }

        Begin(new Holding(owner, port, 0, process));
        if (bug == SeededBug.LostEnding)
        {
            _claims.Remove(before);
        }
        else
        {
            End(before);
        }
    }

    /// <summary>Stays in the window until another thread is in one too, or for a little
    /// while.</summary>
    private void Linger()
    {
        SpinWait spin = default;
        Interlocked.Increment(ref _lingering);
        while (Volatile.Read(ref _lingering) < 2 && spin.Count < 15)
        {
            spin.SpinOnce(sleep1Threshold: -1);
        }

        Interlocked.Decrement(ref _lingering);
    }

    private bool IsFree(int port) => !_claims.Exists(claim => claim.Port == port);

    private bool HasLease(string owner) => _claims.Exists(claim => claim.Owner == owner && !claim.IsBound);

    private long Begin(Holding claim)
    {
        claim = claim with { Epoch = ++_lastEpoch };
        _claims.Add(claim);
        _history.Enqueue(new HistoryEvent(Ended: false, claim.Owner, claim.Epoch, "begun"));
        return claim.Epoch;
    }

    private void End(Holding claim)
    {
        if (_claims.Remove(claim))
        {
            _history.Enqueue(new HistoryEvent(Ended: true, claim.Owner, claim.Epoch, "ended"));
        }
    }
}
