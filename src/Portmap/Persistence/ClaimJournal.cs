using Portmap.Diagnostics;
using Portmap.Processes;
using Portmap.Table;

namespace Portmap.Persistence;

/// <summary>Tells the store of claims, and claims of what the store said.</summary>
/// <remarks>
/// <code>
///   pending ──Queue──► fact ──► on disk: the claim may take effect      failed: it is withdrawn, and its end is written before anything newer
///   ended   ──Queue──► fact ──► on disk: the port becomes available     failed: it is tried again until it is there
///   either  ──Queue──► the writer is sealed: the claim is marked late, and whoever asked for the change is told that the registry is disposed
/// </code>
/// While the registry is being disposed an acquisition whose fact comes to the disk is withdrawn, and its end written, because its
/// caller is told so; a registration takes effect, for its process does listen.
/// Whoever meets a claim that waits and is not queued puts its fact into the queue: the mark is set afterwards, so a fact may be there twice, which
/// does no harm, and nobody waits for a thread that was suspended. Progress: Queue is lock-free.
/// </remarks>
internal sealed class ClaimJournal : IFactOutcome, IAsyncDisposable, IDisposable
{
    private readonly PortRegistry _registry;
    private readonly PortTable _table;
    private readonly FactWriter _writer;
    private readonly ITimer? _flush;
    private readonly Guid _bootId;
    private long _extendAt;
    private Exception? _lastFailure;
    private bool _isTold;   // the loop's own: a store that fails is logged once

    /// <param name="registry">The registry whose claims these are.</param>
    /// <param name="table">Its table.</param>
    /// <param name="store">The store, loaded; it ends with this.</param>
    /// <param name="bootId">The boot of the host.</param>
    /// <param name="mark">The mark of the epochs that is on disk.</param>
    public ClaimJournal(PortRegistry registry, PortTable table, IPortStore store, Guid bootId, long mark)
    {
        _registry = registry;
        _table = table;
        _bootId = bootId;
        _extendAt = mark - (OpenedStore.MarkAhead / 2);
        Confirms = registry.Settings.Durability == PortDurability.Confirmed;
        _writer = new FactWriter(store, this, eager: Confirms);
        if (!Confirms)
        {
            // Half of it: what comes just after a tick waits for the next one, and the disk takes its time.
            TimeSpan period = registry.Settings.BackgroundFlush / 2;
            _flush = registry.Clock.Provider.CreateTimer(static state => ((FactWriter)state!).KickIfAny(), _writer, period, period);
        }
    }

    /// <summary>Whether a change counts only when it is on disk.</summary>
    public bool Confirms { get; }

    public bool IsFailing => _writer.Failure is not null;

    /// <summary>What the store failed with last, for those whose facts it cost.</summary>
    public Exception LastFailure => Volatile.Read(ref _lastFailure)!;

    /// <inheritdoc cref="FactWriter.IsIdle"/>
    public bool IsIdle => _writer.IsIdle;

    /// <inheritdoc cref="FactWriter.HasEnded"/>
    public bool HasEnded => _writer.HasEnded;

    /// <inheritdoc cref="FactWriter.Turn"/>
    public Task<Exception?> Turn => _writer.Turn;

    public void Kick() => _writer.Kick();

    /// <summary>Tries again to write what could not be written. Called by each pass of the registry.</summary>
    public void RetryIfFailing()
    {
        if (IsFailing)
        {
            _writer.Kick();
        }
    }

    /// <inheritdoc cref="FactWriter.FlushAsync"/>
    public Task<Exception?> FlushAsync() => _writer.FlushAsync();

    /// <summary>Puts the fact of a claim's stage into the queue, unless it is there. One that comes too late is marked so (<see cref="ClaimWord.IsLate"/>).</summary>
    public void Queue(PortClaim claim, ClaimWord word)
    {
        if (word.IsQueued)
        {
            return;
        }

        if (!_writer.TryPush(FactOf(claim, word)))
        {
            while (!word.IsQueued && !word.IsLate && !claim.TryMark(word, word.Late()))
            {
                word = claim.Word;
            }

            return;
        }

        while (word.Waits && !claim.TryMark(word, word.Queued()))
        {
            word = claim.Word;
            if (word.IsQueued)
            {
                break;
            }
        }

        if (claim.Word.Stage == ClaimStage.Ended && word.Stage != ClaimStage.Ended)
        {
            _writer.TryPush(FactOf(claim, claim.Word));   // it ended meanwhile, and whoever did that did not know that its fact is on the way
        }

        if (claim.Epoch > Volatile.Read(ref _extendAt))
        {
            ExtendMark(claim.Epoch);
        }
    }

    /// <summary>Puts the fact of a claim in force into the queue once more: its process is another one now. The later of two facts stands.</summary>
    public void QueueAgain(PortClaim claim)
    {
        if (claim.Word is { Stage: ClaimStage.Bound } word)
        {
            _writer.TryPush(FactOf(claim, word, _registry.NowMs));   // too late only when the registry ends
        }
    }

    PortFact? IFactOutcome.Written(PortFact fact, bool isClosing)
    {
        if (_isTold)
        {
            _isTold = false;
            _registry.Report(static (log, _) => PortmapLog.StoreWorks(log), null);
        }

        if (!Confirms || fact.IsMark)
        {
            return null;
        }

        bool isEnd = fact.State == PortState.Cooling;
        PortClaim? claim = isEnd ? FindEnded(fact) : FindPending(fact);
        if (isClosing && claim is { IsLease: true } && !isEnd)
        {
            return Withdraw(claim, ClaimEnd.Withdrawn);
        }

        ClaimStage stage = isEnd ? ClaimStage.Ended : ClaimStage.Taking;
        for (ClaimWord word = claim?.Word ?? default; word.Waits && word.Stage == stage; word = claim!.Word)
        {
            if (claim!.TryMark(word, word.Written()))
            {
                if (stage == ClaimStage.Ended)
                {
                    _table.MakeAvailable(claim, word.Written(), _registry.NowMs);
                }

                return null;
            }
        }

        return null;
    }

    PortFact? IFactOutcome.Failed(PortFact fact, Exception failure)
    {
        Volatile.Write(ref _lastFailure, failure);
        if (!_isTold)
        {
            _isTold = true;
            _registry.Report(static (log, failure) => PortmapLog.StoreFailed(log, failure!), failure);
        }

        if (failure is PortRefusedException { Refusal.Finding: { } finding })
        {
            _registry.AddFinding(finding);
        }

        return !Confirms || fact.IsMark || fact.State == PortState.Cooling ? fact
            : FindPending(fact) is { } claim ? Withdraw(claim, ClaimEnd.StoreFailed)
            : null;   // it was withdrawn, and its end is in the queue
    }

    void IFactOutcome.NotClosed(Exception failure) => _registry.Report(static (log, failure) => PortmapLog.StoreNotClosed(log, failure!), failure);

    /// <summary>Withdraws a pending claim whose fact may be on disk.</summary>
    /// <returns>Its end, which has to be written; until then its port is nobody's. Null: nothing has to be.</returns>
    private PortFact? Withdraw(PortClaim claim, ClaimEnd cause)
    {
        // No end when it would have used up a claim of its own epoch that goes on: the end could not be told from that one's. What is
        // on disk then waits for the same process to try again, or is found dead at the next opening.
        bool goesOn = claim.Consumes is { } used && used.Epoch == claim.Epoch && used.Word.IsLive;
        for (ClaimWord word = claim.Word; word.Waits && word.Stage == ClaimStage.Taking; word = claim.Word)
        {
            ClaimWord queued = word.Queued();
            if (claim.TryMark(word, queued) && claim.TryEndFrom(queued, cause, _registry.NowMs, isTold: goesOn))
            {
                ClaimWord end = claim.Word;
                claim.TryMark(end, end.Queued());
                if (!goesOn)
                {
                    return FactOf(claim, end);
                }

                _table.MakeAvailable(claim, end, _registry.NowMs);
            }
        }

        return null;
    }

    /// <summary>As <see cref="DisposeAsync"/>; blocks until it is done.</summary>
    public void Dispose() => DisposeAsync().AsTask().GetAwaiter().GetResult();

    /// <summary>Writes what is left, and gives the state up. Never throws because of the store.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_flush is not null)
        {
            await _flush.DisposeAsync().ConfigureAwait(false);
        }

        await _writer.DisposeAsync().ConfigureAwait(false);
    }

    /// <summary>The pending claim a fact is about. It tops its owner: nobody puts another one above it while it is pending.</summary>
    private PortClaim? FindPending(PortFact fact) =>
        _table.Index.Find(fact.Protocol, fact.Owner)?.Top is { } top && top.Epoch == fact.Epoch && top.Word.Stage == ClaimStage.Taking ? top : null;

    /// <summary>The ended claim a fact is about, if its port still waits for it: a process that listens there may have taken it meanwhile.</summary>
    private PortClaim? FindEnded(PortFact fact)
    {
        object? slot = _table.Space(fact.Protocol).Slots[fact.Port];
        foreach (PortClaim claim in PortSlots.Claims(ref slot))
        {
            if (claim.Epoch == fact.Epoch && claim.Word.Stage == ClaimStage.Ended && claim.Cell?.Owner == fact.Owner)
            {
                return claim;
            }
        }

        return null;
    }

    private PortFact FactOf(PortClaim claim, ClaimWord word, long? atMs = null)
    {
        PortState state = word.Stage switch
        {
            ClaimStage.Ended => PortState.Cooling,
            _ => claim.IsLease ? PortState.Reserved : PortState.Bound,
        };
        PortRegistrySettings settings = _registry.Settings;
        DateTimeOffset at = _registry.Clock.ToUtc(atMs ?? (word.Stage == ClaimStage.Taking ? _registry.NowMs : word.At));
        ProcessIdentity process = claim.Session?.Process ?? default;
        return new PortFact
        {
            Protocol = claim.Protocol,
            Port = claim.Port,
            Owner = claim.Cell!.Owner,
            Epoch = claim.Epoch,
            Origin = claim.Origin != claim.Epoch || (!claim.IsLease && !process.IsKnown) ? claim.Origin : 0,
            State = state,
            ProcessId = process.Id,
            ProcessStart = process.StartTime,
            UserId = state == PortState.Cooling ? null : Operations.OwnerRights.UserOf(claim),
            BootId = _bootId,
            At = at,
            Until = state switch
            {
                PortState.Reserved => at + settings.LeaseTimeout,
                PortState.Cooling when claim.Port != 0 && PortSpace.Cools(word.Cause) => at + settings.ReuseDelay,
                _ => at,
            },
            Strategy = _registry.StrategyName(claim.Strategy),
        };
    }

    private void ExtendMark(long epoch)
    {
        long extendAt = Volatile.Read(ref _extendAt);
        if (epoch > extendAt && Interlocked.CompareExchange(ref _extendAt, extendAt + (OpenedStore.MarkAhead / 2), extendAt) == extendAt)
        {
            _writer.TryPush(PortFact.Mark(extendAt + OpenedStore.MarkAhead));
        }
    }
}
