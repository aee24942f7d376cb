using Portmap.Diagnostics;
using Portmap.Persistence;
using Portmap.Processes;
using Portmap.Table;

namespace Portmap.Operations;

/// <summary>Tells the store of claims, and the table of what the store said.</summary>
/// <remarks> What the marks of claims mean and what follows from them is the table's
/// (<see cref="ClaimFacts"/>). While the registry is being disposed an acquisition whose fact comes
/// to the disk is withdrawn, and its end written, because its caller is told so; a registration
/// takes effect, for its process does listen. Progress: TryQueue is lock-free.
/// </remarks>
internal sealed class ClaimJournal : IClaimJournal, IFactOutcome, IAsyncDisposable, IDisposable
{
    /// <summary>Ranges that take more characters are not stored: a line has its limit.</summary>
    private const int LongestPorts = 1_024;

    /// <summary>Timers of the system take less for none, and go off once.</summary>
    private static readonly TimeSpan s_shortestPeriod = TimeSpan.FromMilliseconds(1);

    /// <summary>What is later than this was the time of no clock.</summary>
    private static readonly DateTimeOffset s_latest = new(9_000, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private readonly RegistryParts _parts;
    private readonly Findings _findings;
    private readonly FactWriter _writer;
    private readonly ITimer? _flush;
    private readonly Guid _bootId;
    private readonly long _aheadMs;
    private long _extendAt;
    private Exception? _lastFailure;
    private bool _isTold;   // the loop's own: a store that fails is logged once

    /// <param name="parts">What it works with; its table is the one whose claims these are.</param>
    /// <param name="findings">Who is told what the host should know.</param>
    /// <param name="opened">The store, loaded; it ends with this.</param>
    public ClaimJournal(RegistryParts parts, Findings findings, OpenedStore opened)
    {
        _parts = parts;
        _findings = findings;
        _bootId = opened.BootId;
        _aheadMs = AheadMs(opened.Recovery);
        _extendAt = opened.Mark - (OpenedStore.MarkAhead / 2);
        Confirms = parts.Settings.Durability == PortDurability.Confirmed;
        _writer = new FactWriter(opened.Store, this, eager: Confirms);
        if (!Confirms)
        {
            // Half of it: what comes just after a tick waits for the next one, and the disk takes
            // its time.
            TimeSpan period = parts.Settings.BackgroundFlush / 2;
            period = period > s_shortestPeriod ? period : s_shortestPeriod;
            _flush = parts.Clock.Provider.CreateTimer(static state => ((FactWriter)state!).KickIfAny(), _writer, period, period);
        }
    }

    /// <summary>Whether a change counts only when it is on disk.</summary>
    public bool Confirms { get; }

    public bool IsFailing => Failure is not null;

    /// <inheritdoc cref="FactWriter.Failure"/>
    public Exception? Failure => _writer.Failure;

    /// <summary>What the store failed with last, for those whose facts it cost.</summary>
    public Exception LastFailure => Volatile.Read(ref _lastFailure)!;

    /// <inheritdoc cref="FactWriter.IsIdle"/>
    public bool IsIdle => _writer.IsIdle;

    /// <inheritdoc cref="FactWriter.QueueLength"/>
    public int QueueLength => _writer.QueueLength;

    /// <inheritdoc cref="FactWriter.HasEnded"/>
    public bool HasEnded => _writer.HasEnded;

    /// <inheritdoc cref="FactWriter.Turn"/>
    public Task<Exception?> Turn => _writer.Turn;

    public void Kick() => _writer.Kick();

    /// <summary>Tries again to write what could not be written. Called by each pass of the
    /// registry.</summary>
    public void RetryIfFailing()
    {
        if (IsFailing)
        {
            _writer.Kick();
        }
    }

    /// <inheritdoc cref="FactWriter.FlushAsync"/>
    public Task<Exception?> FlushAsync() => _writer.FlushAsync();

    bool IClaimJournal.TryQueue(ClaimView claim)
    {
        if (!_writer.TryPush(FactOf(claim, AtMs(claim))))
        {
            return false;
        }

        if (claim.Epoch > Volatile.Read(ref _extendAt))
        {
            ExtendMark(claim.Epoch);
        }

        return true;
    }

    bool IClaimJournal.TryQueue(ReadOnlySpan<PortClaim> group)
    {
        PortFact? oldest = null, newest = null;
        foreach (PortClaim member in group)
        {
            ClaimView claim = new(member);
            claim = claim.Stage == ClaimStage.Ended ? claim.WhenPending() : claim;   // its end, if it is to be told, is a fact of its own
            PortFact fact = FactOf(claim, AtMs(claim), group[0].Epoch);
            oldest ??= fact;
            fact.Next = newest;
            newest = fact;
        }

        if (!_writer.TryPush(oldest!, newest!))
        {
            return false;
        }

        foreach (PortClaim member in group)
        {
            if (member.Epoch > Volatile.Read(ref _extendAt))
            {
                ExtendMark(member.Epoch);
            }
        }

        return true;
    }

    /// <summary>Puts the facts of all open leases into the queue once more: the wall clock was set
    /// ahead, and a restart would find their time over.</summary>
    public void TellLeasesAgain()
    {
        foreach (OwnerView owner in _parts.Table.Owners())
        {
            if (ILease.Of(owner.Lease) is not { } lease)
            {
                continue;
            }

            // Of both protocols the first tells both, as long as it is open itself.
            if (ReferenceEquals(owner.Lease.Claim, lease.Claim))
            {
                TryQueueAgain(owner.Lease, lease.Twin is { } twin ? new ClaimView(twin) : default);
            }
            else if (new ClaimView(lease.Claim) is not { IsLease: true, Stage: ClaimStage.Reserved })
            {
                TryQueueAgain(owner.Lease);
            }
        }
    }

    /// <summary>Puts the fact of a claim in force into the queue once more: its process is another
    /// one now, or its lease has more time. The later of two facts stands.</summary>
    /// <param name="claim">The claim; what has ended meanwhile has told its end.</param>
    /// <param name="twin">The other half of a lease for both protocols: both facts are written, or
    /// none.</param>
    /// <returns>False: nothing is written any more.</returns>
    public bool TryQueueAgain(ClaimView claim, ClaimView twin = default)
    {
        PortFact? oldest = FactAgain(claim), newest = FactAgain(twin);
        if ((oldest ?? newest) is not { } last)
        {
            return true;
        }

        if (oldest is not null && newest is not null)
        {
            newest.Next = oldest;
            last = newest;
        }

        Hook.At(Step.TellAgain);
        bool isTaken = _writer.TryPush(oldest ?? last, last);
        TellEndAgain(claim);
        TellEndAgain(twin);
        return isTaken;
    }

    private void TellEndAgain(ClaimView claim)
    {
        if (claim.Claim is { } told)
        {
            ClaimFacts.QueueEndAgain(this, told);   // it may have ended meanwhile
        }
    }

    long? IFactOutcome.BeginWrite() => _parts.Metrics.BeginWrite(_parts.Clock.Provider);

    void IFactOutcome.EndWrite(long? began, Exception? failure)
    {
        _parts.Metrics.EndWrite(began, _parts.Clock.Provider, failure is not null);
        if (failure is not null)
        {
            Note(failure);
        }
    }

    PortFact? IFactOutcome.Written(PortFact fact, bool isClosing)
    {
        if (_isTold)
        {
            _isTold = false;
            PortmapLog.StoreWorks(_parts.Log.Logger);
        }

        return Confirms && !fact.IsMark ? EndOf(_parts.Table.Facts.Written(KeyOf(fact), isClosing)) : null;
    }

    PortFact? IFactOutcome.Failed(PortFact fact)
    {
        if (!Confirms || fact.IsMark || fact.State == PortState.Cooling)
        {
            return fact;
        }

        FactKey key = KeyOf(fact);
        if (!fact.IsAgain)
        {
            return EndOf(_parts.Table.Facts.Failed(key));   // whoever asked for it is refused, so it must not come to the disk later
        }

        // Of a claim in force: whoever waits for the next turn is told that it is on disk.
        return _parts.Table.Facts.IsInForce(key) ? fact : null;
    }

    /// <summary>Of a lease for both protocols one half may be on disk, and the fact of the other one
    /// was withdrawn or comes too late: nobody is given that lease, and one that was to move
    /// stays.</summary>
    PortFact? IFactOutcome.Sealed()
    {
        if (!Confirms)
        {
            return null;
        }

        List<ClaimView> withdrawn = [];
        foreach (OwnerView owner in _parts.Table.Owners())
        {
            if ((ILease.Of(new ClaimView(owner.Top)) ?? ILease.Of(owner.Lease)) is { Claim.IsLease: true, Twin.IsLease: true } lease)
            {
                withdrawn.AddRange(_parts.Table.Facts.WithdrawAlone(lease.Owner, lease));
            }
        }

        return EndOf([.. withdrawn]);
    }

    void IFactOutcome.NotClosed(Exception failure) => PortmapLog.StoreNotClosed(_parts.Log.Logger, failure);

    /// <summary>As <see cref="DisposeAsync"/>; blocks until it is done.</summary>
    public void Dispose()
    {
        _flush?.Dispose();
        _writer.Dispose();
    }

    /// <summary>Writes what is left, and gives the state up. Never throws because of the
    /// store.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_flush is not null)
        {
            await _flush.DisposeAsync().ConfigureAwait(false);
        }

        await _writer.DisposeAsync().ConfigureAwait(false);
    }

    private static FactKey KeyOf(PortFact fact) => new()
    {
        Protocol = fact.Protocol,
        Owner = fact.Owner,
        Port = fact.Port,
        Epoch = fact.Epoch,
        IsEnd = fact.State == PortState.Cooling,
        IsLease = fact.State == PortState.Reserved,
        IsAgain = fact.IsAgain,
    };

    /// <summary>How far the clock was set back since what this run goes on with was written: what it
    /// writes again of that has to be later. What the clock does in this run the clock itself
    /// knows.</summary>
    private long AheadMs(Recovery recovery)
    {
        long latest = recovery.Bound.Concat(recovery.Reserved).Select(fact => fact.AtMs).Where(at => at < s_latest.ToUnixTimeMilliseconds()).DefaultIfEmpty().Max();
        return Math.Max(0, latest + 1 - _parts.Clock.ToUtc(_parts.NowMs).ToUnixTimeMilliseconds());
    }

    /// <summary>By the loop; what the store failed with may cost no fact: what waited before waits
    /// on.</summary>
    private void Note(Exception failure)
    {
        Volatile.Write(ref _lastFailure, failure);
        if (!_isTold)
        {
            _isTold = true;
            PortmapLog.StoreFailed(_parts.Log.Logger, failure);
        }

        if (failure is PortRefusedException { Refusal.Finding: { } finding })
        {
            _findings.Add(finding);
        }
    }

    /// <summary>When a claim came to its stage. One that is pending does now, but not later than it
    /// came to nothing: what was told again then, in its place, is to stand.</summary>
    private long AtMs(ClaimView claim)
    {
        if (!claim.IsPending)
        {
            return claim.AtMs;
        }

        long now = _parts.NowMs;
        return claim.Now() is { Stage: ClaimStage.Ended } ended ? Math.Min(now, ended.AtMs) : now;
    }

    private PortFact? FactAgain(ClaimView claim) =>
        !claim.IsNone && claim.Now() is { Stage: ClaimStage.Bound or ClaimStage.Reserved } now ? FactOf(now, _parts.NowMs, isAgain: true) : null;

    private PortFact? EndOf(ClaimView[] withdrawn)
    {
        PortFact? ends = null;
        foreach (ClaimView claim in withdrawn)
        {
            PortFact end = FactOf(claim, claim.AtMs);
            end.Next = ends;
            ends = end;
        }

        return ends;
    }

    /// <param name="claim">The claim, as it was.</param>
    /// <param name="atMs">Since when.</param>
    /// <param name="group">See <see cref="PortFact.Group"/>.</param>
    /// <param name="isAgain">All of it is told later than what was told before.</param>
    private PortFact FactOf(ClaimView claim, long atMs, long group = 0, bool isAgain = false)
    {
        (ClaimView told, long epoch) = _parts.Table.Facts.Told(claim);
        isAgain |= !told.IsSame(claim);
        atMs += told.IsSame(claim) ? 0 : 1;   // later than the fact of the one that came to nothing, which has the same epoch
        claim = told;
        PortState state = claim.Stage == ClaimStage.Ended ? PortState.Cooling : claim.IsLease ? PortState.Reserved : PortState.Bound;
        DateTimeOffset at = ToUtc(atMs);

        // One that never took effect has used up no lease, and is nobody's last registration.
        bool neverWas = claim is { IsLease: false, Stage: ClaimStage.Ended, WasBound: false };
        ProcessIdentity process = neverWas ? default : SessionHolder.Of(claim)?.Process ?? default;
        return new PortFact
        {
            Protocol = claim.Protocol,
            Port = claim.Port,
            Owner = claim.Owner,
            Epoch = epoch,
            Group = group,
            Origin = !neverWas && !claim.IsLease && (claim.Origin != epoch || !process.IsKnown) ? claim.Origin : 0,
            State = state,
            IsAgain = isAgain,
            ProcessId = process.Id,
            ProcessStart = process.StartTime,
            UserId = state == PortState.Cooling ? null : OwnerRights.UserOf(claim),
            BootId = _bootId,
            Ports = state == PortState.Reserved && ILease.Of(claim)?.Ports is { Length: <= LongestPorts } ports ? ports : null,
            At = at,
            Until = state switch
            {
                PortState.Reserved => ToUtc(LeaseTimes.EndsAtMs(_parts, claim, claim.IsPending ? atMs : claim.AtMs)),
                PortState.Cooling when CameToNothing(claim) => DateTimeOffset.UnixEpoch,
                PortState.Cooling when claim.Port != 0 && claim.Cools => at + _parts.Settings.ReuseDelay,
                _ => at,
            },
            Strategy = _parts.Strategies.NameOf(claim.Strategy),
        };

        DateTimeOffset ToUtc(long ms) => isAgain ? _parts.Clock.ToLatestUtc(ms + _aheadMs) : _parts.Clock.ToUtc(ms);
    }

    /// <summary>It never took effect, and its owner had another port before, or none: nobody is to
    /// remember it.</summary>
    private bool CameToNothing(ClaimView ended) =>
        ended.Cause is ClaimEnd.Withdrawn or ClaimEnd.PortHeld or ClaimEnd.LeaseGone or ClaimEnd.StoreFailed
        && _parts.Table.Memory.LastPort(_parts.Table.Key(ended.Protocol, ended.Owner)) != ended.Port;

    private void ExtendMark(long epoch)
    {
        long extendAt = Volatile.Read(ref _extendAt);
        if (epoch > extendAt && Interlocked.CompareExchange(ref _extendAt, extendAt + (OpenedStore.MarkAhead / 2), extendAt) == extendAt)
        {
            _writer.TryPush(PortFact.Mark(extendAt + OpenedStore.MarkAhead));
        }
    }
}
