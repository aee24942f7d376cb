using Portmap.Table;

namespace Portmap;

// The verbs on a registry that confirms: each makes its step, and where that waits for the disk, awaits the turn of the writer and goes on. One that still
// waits when the writer has ended is told that the registry is disposed.
// What was begun is completed, whether the caller waits for it or not.
public sealed partial class PortRegistry
{
    internal bool Confirms => _table.Confirms;

    internal void ThrowIfConfirms(string instead)
    {
        if (_table.Confirms)
        {
            throw new InvalidOperationException($"This registry confirms its changes (Durability is {PortDurability.Confirmed}), which takes the disk's time: use {instead}.");
        }
    }

    /// <summary>Waits for what was begun, at most as long as the caller wants to.</summary>
    internal static ValueTask<T> Within<T>(Task<T> task, CancellationToken cancellationToken) => new(task.WaitAsync(cancellationToken));

    /// <inheritdoc cref="Within{T}"/>
    internal static ValueTask Within(Task task, CancellationToken cancellationToken) => new(task.WaitAsync(cancellationToken));

    private async Task<PortLease> AcquireConfirmedAsync(PortRequest request)
    {
        PortRefusal? refusal = CheckRequest(request, out int strategy);
        PortLease lease = new(this, request);
        refusal ??= await GrantAsync(NewCandidate(lease, request, strategy)).ConfigureAwait(false);
        if (refusal is not null)
        {
            Refuse(refusal);
            refusal.Throw();
        }

        EndIfDisposed(lease);
        return lease;
    }

    private async ValueTask<PortRefusal?> GrantAsync(Candidate candidate)
    {
        PortRefusal? refusal = await CheckStoreAsync(candidate.Request.Owner, candidate.Protocol).ConfigureAwait(false);
        bool hasWaited = false;
        while (refusal is null)
        {
            bool isLast = _table.Journal is { HasEnded: true };   // before the step: what it waits for then never comes
            Task<Exception?>? turn = _table.Journal?.Turn;   // before the step, so that what it waits for completes this turn or an earlier one
            PortRefusal? step = Grant(ref candidate);
            bool freesSoon = step?.Reason == PortRefusalReason.Exhausted && !hasWaited && _table.Journal is { Confirms: true, IsIdle: false };
            if (!ReferenceEquals(step, Refusals.Waiting) && !freesSoon)
            {
                return hasWaited ? await AnswerAsync(step).ConfigureAwait(false) : step;
            }

            hasWaited = true;
            ObjectDisposedException.ThrowIf(isLast, this);
            Exception? failure = await TurnAsync(turn!).ConfigureAwait(false);
            refusal = failure is not null && !candidate.IsPushed ? Refusals.StoreFailed(candidate.Request.Owner, candidate.Protocol, failure) : null;
        }

        return refusal;
    }

    internal async Task<PortEntry> RegisterConfirmedAsync(PortSession session, string owner, int port, long epoch, PortProtocol protocol)
    {
        Registration registration = new() { Session = session, Owner = owner, Port = port, Epoch = epoch, Protocol = protocol };
        bool hasWaited = false;
        PortRefusal? refusal = CheckRegistration(ref registration) ?? await CheckStoreAsync(owner, protocol).ConfigureAwait(false);
        while (refusal is null)
        {
            bool isLast = _table.Journal!.HasEnded;   // both before the step, see GrantAsync
            Task<Exception?> turn = _table.Journal.Turn;
            PortRefusal? step = Register(ref registration);
            if (!ReferenceEquals(step, Refusals.Waiting))
            {
                refusal = hasWaited ? await AnswerAsync(step).ConfigureAwait(false) : step;
                break;
            }

            hasWaited = true;
            ObjectDisposedException.ThrowIf(isLast, this);
            Exception? failure = await TurnAsync(turn).ConfigureAwait(false);
            refusal = failure is not null && registration.Claim is null ? Refusals.StoreFailed(owner, protocol, failure) : null;
        }

        if (refusal is not null)
        {
            Refuse(refusal);
            refusal.Throw();
        }

        return EntryOf(registration.Claim!);
    }

    internal async Task ReleaseConfirmedAsync(Func<PortRefusal?> release)
    {
        bool isLast = _table.Journal!.HasEnded;
        Task<Exception?> turn = _table.Journal.Turn;
        PortRefusal? refusal = release();
        while (ReferenceEquals(refusal, Refusals.Waiting))
        {
            ObjectDisposedException.ThrowIf(isLast, this);
            await TurnAsync(turn).ConfigureAwait(false);   // what is pending on the owner takes effect or fails by it
            isLast = _table.Journal.HasEnded;
            turn = _table.Journal.Turn;
            refusal = release();
        }

        refusal?.Throw();

        // All that was queued before, so that a second release does not answer before the first one is on disk.
        if (await _table.Journal.FlushAsync().ConfigureAwait(false) is { } failure)
        {
            Refusals.StoreFailed(null, PortProtocol.Tcp, failure).Throw();
        }
    }

    /// <summary>Completes when what changed before is on disk, or could not be written; for tests.</summary>
    internal Task FlushAsync() => _table.Journal?.FlushAsync() ?? Task.CompletedTask;

    /// <summary>The cell of an owner once nothing is pending on it, or null.</summary>
    private async ValueTask<OwnerCell?> NormalizeAsync(PortProtocol protocol, string owner)
    {
        while (true)
        {
            bool isLast = _table.Journal is { HasEnded: true };
            Task<Exception?>? turn = _table.Journal?.Turn;
            OwnerCell? cell = _table.Index.Find(protocol, owner);
            if (cell is null || _table.Normalize(cell, NowMs).Word.Stage != ClaimStage.Taking)
            {
                return cell;
            }

            ObjectDisposedException.ThrowIf(isLast, this);
            await TurnAsync(turn!).ConfigureAwait(false);
        }
    }

    /// <summary>While the store fails, one look at it comes before a port is taken: else each try would leave one more port that waits for the disk.</summary>
    private async ValueTask<PortRefusal?> CheckStoreAsync(string owner, PortProtocol protocol) =>
        _table.Journal is { Confirms: true, IsFailing: true } journal && await journal.FlushAsync().ConfigureAwait(false) is { } failure
            ? Refusals.StoreFailed(owner, protocol, failure)
            : null;

    /// <summary>A refusal is told when what was withdrawn because of it is on disk, as if it had never been.</summary>
    private async ValueTask<PortRefusal?> AnswerAsync(PortRefusal? refusal)
    {
        if (refusal is not null && _table.Journal is { Confirms: true, IsFailing: false } journal)
        {
            await journal.FlushAsync().ConfigureAwait(false);
        }

        return refusal;
    }

    private ValueTask<Exception?> TurnAsync(Task<Exception?> turn)
    {
        _table.Journal!.Kick();
        return new(turn);
    }

    /// <summary>The change took effect when the registry was being disposed, and comes to the disk no more.</summary>
    private void ThrowIfLate(PortClaim? claim) => ObjectDisposedException.ThrowIf(claim is not null && Volatile.Read(ref _disposed) != 0 && claim.Word.IsLate, this);

    /// <summary>There is a store and it is closed: a change would be true for this run only.</summary>
    private void ThrowIfEnded() => ObjectDisposedException.ThrowIf(_table.Journal is { HasEnded: true }, this);
}
