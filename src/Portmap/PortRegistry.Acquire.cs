using System.Diagnostics.CodeAnalysis;
using Portmap.Operations;
using Portmap.Table;

namespace Portmap;

public sealed partial class PortRegistry
{
    /// <summary>Gives an owner a port, or the right to bring one; completes when that is confirmed.</summary>
    /// <param name="request">The owner, and what differs from the options. A string will do.</param>
    /// <param name="cancellationToken">Gives up waiting; a lease that took effect stays until it times out.</param>
    /// <returns>The lease. What lookups answer stays as it is until a process registers with it.</returns>
    /// <exception cref="PortRefusedException">As <see cref="TryAcquire"/> refuses, and StoreFailed: the lease could not be written and was withdrawn.</exception>
    /// <exception cref="ObjectDisposedException">The registry is disposed.</exception>
    public ValueTask<PortLease> AcquireAsync(PortRequest request, CancellationToken cancellationToken = default)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<PortLease>(cancellationToken);
        }

        if (_table.Confirms)
        {
            return Within(AcquireConfirmedAsync(request), cancellationToken);
        }

        return TryAcquire(request, out PortLease? lease, out PortRefusal? refusal)
            ? ValueTask.FromResult(lease)
            : ValueTask.FromException<PortLease>(new PortRefusedException(refusal));
    }

    /// <summary>As <see cref="AcquireAsync"/>, with the refusal as a value, in bounded time.</summary>
    /// <param name="request">The owner, and what differs from the options.</param>
    /// <param name="lease">The lease.</param>
    /// <param name="refusal">InvalidOwner, InvalidPort, InvalidProtocol, UnknownStrategy; AlreadyReserved: the owner has an open lease; Exhausted;
    /// TooManyOwners; StrategyFailed and StrategyOfferedNothing of a strategy of the host's own; with a required port also Foreign and InUse; with
    /// <see cref="PortRequest.UnlessServed"/> also AlreadyServed.</param>
    /// <exception cref="InvalidOperationException">The registry confirms (<see cref="PortDurability.Confirmed"/>): use <see cref="AcquireAsync"/>.</exception>
    /// <exception cref="ObjectDisposedException">The registry is disposed.</exception>
    public bool TryAcquire(PortRequest request, [NotNullWhen(true)] out PortLease? lease, [NotNullWhen(false)] out PortRefusal? refusal)
    {
        ThrowIfConfirms(nameof(AcquireAsync));
        lease = null;
        refusal = CheckRequest(request, out int strategy);
        if (refusal is not null)
        {
            return Refuse(refusal);
        }

        PortLease granted = new(this, request);
        Candidate candidate = NewCandidate(granted, request, strategy);
        refusal = Grant(ref candidate);
        if (refusal is not null)
        {
            return Refuse(refusal);
        }

        EndIfDisposed(granted);
        lease = granted;
        return true;
    }

    /// <summary>Acquires for a session, which needs a right to what the owner has.</summary>
    internal async Task<PortLease> AcquireForAsync(PortSession session, PortRequest request)
    {
        PortRefusal? refusal = CheckRequest(request, out int strategy) ?? (session.IsConnected ? null : Refusals.SessionEnded(session, request.Owner));
        PortLease lease = new(this, request, session);
        refusal ??= await GrantAsync(NewCandidate(lease, request, strategy)).ConfigureAwait(false);
        if (refusal is not null)
        {
            Refuse(refusal);
            refusal.Throw();
        }

        session.NoteAcquired(lease);
        EndIfDisposed(lease);
        return lease;
    }

    private PortRefusal? CheckRequest(PortRequest request, out int strategy)
    {
        ObjectDisposedException.ThrowIf(Volatile.Read(ref _disposed) != 0, this);
        strategy = 0;
        return CheckOwnerAndProtocol(request.Owner, request.Protocol, both: true)
            ?? CheckPrevious(request)
            ?? (TryFindStrategy(request.Strategy, out strategy) ? null : Refusals.UnknownStrategy(request, _strategyNames));
    }

    private void EndIfDisposed(PortLease granted)
    {
        if (Volatile.Read(ref _disposed) != 0)
        {
            granted.SetOutcome(Refusals.RegistryDisposed(granted));   // it was disposed meanwhile, and may not have seen this lease
        }
    }

    /// <summary>Finds ports for a lease and makes them take effect.</summary>
    /// <returns><see cref="Refusals.Waiting"/> when something has to come to the disk first: call again then, with the same candidate.</returns>
    private PortRefusal? Grant(ref Candidate candidate)
    {
        PortRequest request = candidate.Request;
        PortProtocol first = candidate.Protocol;
        bool both = candidate.Both;
        int hash = candidate.Hash = _table.Index.Hash(first, request.Owner), hashUdp = both ? _table.Index.Hash(PortProtocol.Udp, request.Owner) : 0;
        while (true)
        {
            long now = NowMs;
            PortClaim? standing = null;
            PortTable.Push push;
            if (candidate.IsPushed)
            {
                push = _table.Outcome(candidate.Claim!, now);
                push = push == PortTable.Push.Pushed && both ? _table.Outcome(candidate.Twin!, now) : push;
            }
            else
            {
                PortRefusal? refusal;
                try
                {
                    refusal = Find(ref candidate, hash, hashUdp, now);
                }
                catch
                {
                    Undo(ref candidate, now);   // whatever failed there: nothing stays half taken
                    throw;
                }

                if (refusal is not null)
                {
                    return refusal;
                }

                push = _table.TryPublish(candidate.Claim!, request.Owner, hash, request.UnlessServed, now, out standing);
                push = push == PortTable.Push.Pushed && both
                    ? _table.TryPublish(candidate.Twin!, request.Owner, hashUdp, request.UnlessServed, now, out standing)
                    : push;
            }

            if (push == PortTable.Push.Pushed)
            {
                candidate.IsPushed = candidate.IsPending;
                if (candidate.IsPushed)
                {
                    return Refusals.Waiting;
                }

                ThrowIfLate(candidate.Claim!);
                ThrowIfLate(candidate.Twin);
                return null;
            }

            Undo(ref candidate, now);
            switch (push)
            {
                case PortTable.Push.AlreadyReserved:
                    return Refusals.AlreadyReserved(request.Owner, standing!, Clock, Settings);
                case PortTable.Push.LeaseGone:
                    return Refusals.LeaseOver(candidate.Lease);
                case PortTable.Push.TooManyOwners:
                    return Refusals.TooManyOwners(request.Owner, _table.Index.MaxOwners);
                case PortTable.Push.StoreFailed:
                    return Refusals.StoreFailed(request.Owner, first, _table.Journal!.LastFailure);
                case PortTable.Push.Waits:
                    return Refusals.Waiting;
            }
        }
    }

    /// <summary>Finds a port and makes the pending claims of a candidate.</summary>
    private PortRefusal? Find(ref Candidate candidate, int hash, int hashUdp, long now)
    {
        ObjectDisposedException.ThrowIf(Volatile.Read(ref _disposed) != 0, this);
        PortRequest request = candidate.Request;
        candidate.SetAside = null;
        candidate.Denied = null;
        candidate.OwnPort = 0;
        long afterUdp = 0;
        PortSession? acquirer = candidate.Replaced is null ? candidate.Lease.Acquirer : null;
        PortRefusal? refusal = Standing(candidate.Protocol, request, hash, candidate.Replaced, acquirer, now, out candidate.After)
            ?? (candidate.Both ? Standing(PortProtocol.Udp, request, hashUdp, candidate.ReplacedTwin, acquirer, now, out afterUdp) : null);
        if (refusal is not null)
        {
            return refusal;
        }

        candidate.After = Math.Max(candidate.After, afterUdp);
        refusal = FindPort(ref candidate, now);
        candidate.PutBack(_table.Space(candidate.Protocol), now);
        if (refusal is null && candidate.Replaced is null)
        {
            candidate.Lease.Grant(candidate.Claim!, candidate.Twin);   // nobody else has this lease yet; one that is healed follows when the new claim takes effect
        }

        return refusal;
    }

    /// <summary>All or nothing: takes back what a candidate has, so that it may begin again.</summary>
    private void Undo(ref Candidate candidate, long now)
    {
        if (candidate.Claim is { } claim)
        {
            _table.TryEnd(claim, ClaimEnd.Withdrawn, now);
            _table.Withdraw(claim, now);
        }

        if (candidate.Twin is { } twin)
        {
            _table.TryEnd(twin, ClaimEnd.Withdrawn, now);
            _table.Withdraw(twin, now);
        }

        candidate.Claim = candidate.Twin = null;
        candidate.IsPushed = false;
    }

    /// <summary>The refusal when an open lease stands in the way, or a registration that is to be left alone or that who acquires has no right to. Ends the
    /// owner's registration on the way when its process is dead: the old entry is cleaned up.</summary>
    private PortRefusal? Standing(
        PortProtocol protocol, PortRequest request, int hash, PortClaim? replaced, PortSession? acquirer, long now, out long newestEpoch)
    {
        string owner = request.Owner;
        newestEpoch = _table.Index.MarkOf(hash);
        if (_table.Index.Find(protocol, owner, hash) is not { } cell)
        {
            return null;
        }

        if (_table.Normalize(cell, now).Word.Stage == ClaimStage.Taking)
        {
            return Refusals.Waiting;
        }

        newestEpoch = Math.Max(newestEpoch, Math.Max(cell.Top.Epoch, replaced?.Epoch ?? 0));   // a sign-in beside the lease lies above it
        if (cell.Served() is { } served)
        {
            if (!served.Session!.CheckAlive())
            {
                _table.TryEnd(served, served.Session.EndCause, now);
            }
            else if (request.UnlessServed)
            {
                return Refusals.AlreadyServed(owner, EntryOf(served));
            }
            else if (acquirer is not null && !OwnerRights.SpeaksFor(acquirer, served))
            {
                return Refusals.NotOwner(owner, served, acquirer);
            }
        }

        return cell.OpenLease() is { } lease && !ReferenceEquals(lease, replaced) ? Refusals.AlreadyReserved(owner, lease, Clock, Settings) : null;
    }

    private PortRefusal? CheckPrevious(PortRequest request)
    {
        if (request.PreviousPort is < 0 or > 65_535)
        {
            return Refusals.InvalidPort(request.Owner, request.PreviousPort, request.Protocol, "leave it null when there was none");
        }

        return request.PreviousPort != 0 && request.Reuse == PortReuse.Require && !Settings.HandsOut(request.PreviousPort)
            ? Refusals.NotHandedOut(request, Settings)
            : null;
    }

    private static bool Refuse(PortRefusal refusal)
    {
        Diagnostics.PortmapMetrics.Refused(refusal.Reason);
        return false;
    }
}
