using Portmap.Operations;
using Portmap.Table;

namespace Portmap;

public sealed partial class PortRegistry
{
    /// <summary>Release through a session: "only the owner signs out".</summary>
    internal PortRefusal? Release(PortSession session, string owner, int port, long epoch, PortProtocol protocol)
    {
        PortRefusal? refusal = CheckOwnerAndProtocol(owner, protocol, both: false)
            ?? (port is < 0 or > 65_535 ? Refusals.InvalidPort(owner, port, protocol, "leave it null for whichever the owner has") : null);
        if (refusal is not null)
        {
            return refusal;
        }

        ThrowIfEnded();
        epoch = _fence.Resolve(owner, epoch, protocol);
        if (epoch != 0)
        {
            return ReleaseByEpoch(session, owner, epoch, protocol);
        }

        while (true)
        {
            long now = NowMs;
            if (_table.Index.Find(protocol, owner) is not { } cell)
            {
                return null;
            }

            if (_table.Normalize(cell, now).Word.Stage == ClaimStage.Taking)
            {
                return Refusals.Waiting;
            }

            PortClaim? lease = cell.OpenLease(), bound = cell.Served();
            if (bound is null)
            {
                if (lease is null ? cell.Current() is not null : lease.Word.Stage != ClaimStage.Reserved)
                {
                    continue;   // a lease came, or went, between the two looks
                }

                if (lease is null || (port != 0 && lease.Port != port))
                {
                    return null;
                }

                if (!OwnerRights.IsOwn(session, lease))
                {
                    return Refusals.NotOwner(owner, lease, session);
                }

                if (_table.TryEnd(lease, ClaimEnd.Released, now))
                {
                    return null;
                }

                continue;
            }

            if (port != 0 && bound.Port != port)
            {
                return null;   // the owner has nothing on that port any more
            }

            if (!OwnerRights.MayEndUnnamed(session, bound))
            {
                return Refusals.NotOwner(owner, bound, session);
            }

            if (_table.TryEnd(bound, bound.Session!.IsOver ? bound.Session.EndCause : ClaimEnd.Released, now))
            {
                ThrowIfLate(bound);
                return null;
            }
        }
    }

    /// <summary>Release by the lease: of what it became, registered or not.</summary>
    internal PortRefusal? Release(PortLease lease)
    {
        ThrowIfEnded();
        PortRefusal? refusal = Release(lease, lease.Claim);
        if (lease.Twin is { } twin)
        {
            refusal ??= Release(lease, twin);
        }

        return refusal;
    }

    /// <summary>Ends what the owner's cell holds for a lease; if that is nothing, the epoch tells what became of it.</summary>
    private PortRefusal? Release(PortLease lease, PortClaim claim)
    {
        OwnerCell cell = claim.Cell!;
        while (true)
        {
            long now = NowMs;
            if (_table.Normalize(cell, now).Word.Stage == ClaimStage.Taking)
            {
                return Refusals.Waiting;
            }

            if (cell.OpenLease() is not { } open || !ReferenceEquals(open.Lease, lease))
            {
                return ReleaseByEpoch(caller: null, lease.Owner, claim.Epoch, claim.Protocol);   // registered, or over
            }

            if (_table.TryEnd(open, ClaimEnd.Released, now))
            {
                ThrowIfLate(open);
                return null;
            }
        }
    }

    /// <summary>The other half of a lease for both protocols ends with the first: all or nothing.</summary>
    internal void ReleaseTwin(PortLease lease, PortClaim ended, ClaimEnd cause)
    {
        PortClaim? other = ReferenceEquals(ended, lease.Twin) ? lease.Claim : lease.Twin;
        if (other is { IsLease: true })
        {
            _table.TryEnd(other, cause == ClaimEnd.Taken ? ClaimEnd.Released : cause, NowMs);
        }
    }

    /// <param name="caller">Who wants it; null is the host, by its lease.</param>
    /// <param name="owner">The owner.</param>
    /// <param name="epoch">The epoch of the claim.</param>
    /// <param name="protocol">The protocol.</param>
    private PortRefusal? ReleaseByEpoch(PortSession? caller, string owner, long epoch, PortProtocol protocol)
    {
        while (true)
        {
            long now = NowMs;
            if (_table.Index.Find(protocol, owner) is not { } cell)
            {
                return null;
            }

            if (_table.Normalize(cell, now).Word.Stage == ClaimStage.Taking)
            {
                return Refusals.Waiting;
            }

            PortClaim? lease = cell.OpenLease(), bound = cell.Served();   // in this order, see OpenLease
            PortClaim? claim = bound?.IsOf(epoch) == true ? bound : lease?.Epoch == epoch ? lease : null;
            if (claim is null)
            {
                return Newest(bound, lease) is { } newest && newest.Epoch > epoch ? Refusals.Stale(owner, newest.Port, protocol, epoch, newest) : null;
            }

            if (caller is not null && !OwnerRights.SpeaksFor(caller, claim))
            {
                return Refusals.NotOwner(owner, claim, caller);
            }

            if (_table.TryEnd(claim, ClaimEnd.Released, now))
            {
                ThrowIfLate(claim);
                return null;
            }
        }
    }

    /// <summary>A bind failure that a worker reports over its session.</summary>
    internal async Task<PortLease> ReportBindFailureAsync(PortSession session, string owner, int port, long epoch, PortProtocol protocol)
    {
        ObjectDisposedException.ThrowIf(Volatile.Read(ref _disposed) != 0, this);
        PortRefusal? refusal = CheckOwnerAndProtocol(owner, protocol, both: false)
            ?? (port is < 1 or > 65_535 ? Refusals.InvalidPort(owner, port, protocol, "report the port that could not be bound") : null)
            ?? (session.IsConnected ? null : Refusals.SessionEnded(session, owner));
        refusal?.Throw();
        epoch = _fence.Resolve(owner, epoch, protocol);
        OwnerCell? cell = await NormalizeAsync(protocol, owner).ConfigureAwait(false);
        PortClaim? open = cell?.OpenLease(), bound = cell?.Served();
        bool isCurrent = open is not null && (epoch == open.Epoch || (epoch == 0 && (open.Port == port || open.Port == 0)));
        if (open is not null && (isCurrent || open.Lease!.HasTried(port, epoch)))
        {
            if (OwnerRights.AgainstUse(session, open, bound) is { } against)
            {
                Refusals.NotOwner(owner, against, session, port).Throw();
            }

            if (isCurrent)
            {
                await ReportBindFailureAsync(open.Lease!, protocol, port).ConfigureAwait(false);
            }

            OpenGate(open.Lease!);   // the worker that reports is about to bind the port it is told now
            return open.Lease!;
        }

        PortClaim? newest = Newest(bound, open);
        if ((newest is not null && (epoch != 0 || open is not null)) || (epoch != 0 && !IsHeldByAnother(protocol, port, owner)))
        {
            Refusals.Stale(owner, port, protocol, epoch, newest).Throw();
        }

        // Somebody who was started a second time, by hand, is no reason to take the owner from who serves it.
        if (bound is not null && !OwnerRights.MayReplace(session, bound))
        {
            Refusals.NotOwner(owner, bound, session, port).Throw();
        }

        // Nobody acquired, or the lease was lost to the process that listens on its port: the owner gets a lease of its own now.
        MarkForeignIfTaken(protocol, port, NowMs);
        PortRequest request = new(owner) { Protocol = protocol, Previous = port, Reuse = PortReuse.Fresh };
        PortLease granted = new(this, request, session);
        granted.AddTried(port, epoch);
        refusal = await GrantAsync(NewCandidate(granted, request, _defaultStrategy)).ConfigureAwait(false);
        refusal?.Throw();
        session.NoteAcquired(granted);
        OpenGate(granted);
        return granted;
    }

    /// <summary>A port that somebody could not bind is a stranger's only when a look of our own agrees: it may be that his user may not bind it, or that he had it
    /// himself. Then it cools, and others may have better luck.</summary>
    private void MarkForeignIfTaken(PortProtocol protocol, int port, long now)
    {
        if (_table.MayBeForeign(protocol, port) && _guard.IsTaken(protocol, port))
        {
            _table.TryMarkForeign(protocol, port, now);
        }
    }

    private bool IsHeldByAnother(PortProtocol protocol, int port, string owner)
    {
        object? slot = _table.Space(protocol).Slots[port];
        foreach (PortClaim claim in PortSlots.Claims(ref slot))
        {
            if (claim.Cell is { } cell && cell.Owner != owner && cell.InForceOn(port) is not null)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>The port of an open lease becomes Foreign and the lease gets another one, at most <see cref="PortRegistryOptions.BindAttempts"/> times.</summary>
    internal async Task ReportBindFailureAsync(PortLease lease, PortProtocol protocol, int port)
    {
        PortClaim failed = lease.Claim;
        PortClaim? failedTwin = lease.Twin;
        if (!failed.IsLease || failed.Word.Stage != ClaimStage.Reserved || failedTwin is { IsLease: false })
        {
            Refusals.LeaseOver(lease).Throw();   // of a lease for both protocols neither half may be registered: both would have to move
        }

        if (failed.Port != 0 && failed.Port != port)
        {
            return;   // somebody reported it already; the lease says the new port
        }

        lease.AddTried(port, failed.Epoch);
        PortRequest request = lease.Request;
        PortRefusal? refusal = lease.TriedPorts.Count >= Settings.BindAttempts
            ? Refusals.AttemptsExhausted(lease, Settings, _holders)
            : (request.Reuse ?? Settings.Reuse) == PortReuse.Require && request.PreviousPort == port && port != 0
                ? Refusals.Foreign(request, Settings, _holders)
                : await GrantAsync(NewCandidate(lease, request with { Reuse = PortReuse.Fresh, Previous = port }, failed.Strategy, failed, failedTwin)).ConfigureAwait(false);

        long now = NowMs;
        if (refusal?.Reason is PortRefusalReason.AlreadyReserved or PortRefusalReason.LeaseEnded && lease.IsOpen)
        {
            return;   // two reported the same failure, and the other one got the new port
        }

        if (refusal?.Reason == PortRefusalReason.StoreFailed)
        {
            refusal.Throw();   // the lease stays open: it can be reported again when the store works
        }

        if (refusal is not null)
        {
            _table.TryEnd(failed, ClaimEnd.BindFailed, now);
            if (failedTwin is not null)
            {
                _table.TryEnd(failedTwin, ClaimEnd.BindFailed, now);
            }
        }

        if (port != 0)
        {
            MarkForeignIfTaken(protocol, port, now);
        }

        if (refusal is not null)
        {
            lease.SetOutcome(refusal);
        }

        refusal?.Throw();
    }
}
