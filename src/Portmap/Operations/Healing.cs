using Portmap.Table;

namespace Portmap.Operations;

/// <summary>EADDRINUSE heals: a port that a process could not bind becomes Foreign, and its owner
/// gets another one.</summary>
/// <remarks>
/// <code>
///   1. find the lease that the report is about      none: whoever reports may have one of its own
///   2. hold it against the caller's right
///   3. acquire another port in its place            at most BindAttempts times
///   4. mark the port as a stranger's                when a look of our own agrees
///   5. open the gate of the new one                 where the worker that reports binds at once
/// </code>
/// </remarks>
internal sealed class Healing(RegistryParts parts)
{
    /// <summary>A failure that a worker reports over its session.</summary>
    public async Task<ILease> ReportAsync(SessionHolder session, PortClaimRequest request)
    {
        parts.ThrowIfDisposed();
        parts.LoseIfOver(request.Owner);
        int port = request.Port ?? 0;
        PortRefusal? refusal = Refusals.CheckOwnerAndProtocol(request.Owner, request.Protocol, both: true)
            ?? (port is < 1 or > 65_535 ? Refusals.InvalidPort(request.Owner, port, request.Protocol, "report the port that could not be bound") : null)
            ?? (session.IsConnected ? null : Refusals.SessionEnded(session, request.Owner, request.Protocol));
        parts.Counted(refusal)?.Throw();
        PortProtocol first = IsOfBoth(request) ? PortProtocol.Tcp : request.Protocol;   // a lease of one number on both protocols is found by either
        OwnerKey owner = parts.Table.Key(first, request.Owner);
        long epoch = parts.Fence.Resolve(owner, request.Epoch ?? 0, session);
        OwnerView has = await Inspection.RunAsync(parts, owner).ConfigureAwait(false);
        bool isCurrent = has.Lease.IsLease && (epoch == has.Lease.Epoch
            || (epoch == 0 && (has.Lease.Port == port || (has.Lease.Port == 0 && !ILease.Of(has.Lease)!.HasTried(port, 0)))));
        if (has.Lease.Lease is not ILease lease || !(isCurrent || lease.HasTried(port, epoch)))
        {
            if (parts.Fence.IsOver(request.Owner, epoch))
            {
                parts.Counted(FleetBonds.Closed(new(request.Owner, port, request.Protocol), epoch)).Throw();   // another one would be of this host only, and another host may have the owner
            }

            return await AcquireAnewAsync(session, new WantedRegistration(owner, port, epoch), has, request).ConfigureAwait(false);
        }

        ClaimView against = OwnerRights.AgainstUse(session, has.Lease, has.Served);
        if (!against.IsNone)
        {
            parts.Counted(Refusals.NotOwner(request.Owner, against, session, port)).Throw();
        }

        if (isCurrent)
        {
            if (parts.Pools.Told(request.Ports) is { } ports)
            {
                LeaseExtras.SetPorts(ref lease.Extras, ports);
            }

            await ReportAsync(lease, request.Protocol, port).ConfigureAwait(false);
        }
        else
        {
            await MovedLease.FollowAsync(parts, lease, lease.Claim).ConfigureAwait(false);   // it is told the new port, not the one it reported
        }

        new Gates(parts).Open(lease);   // the worker that reports is about to bind the port it is told now
        return lease;
    }

    /// <summary>A failure that is reported by the lease: it gets another port.</summary>
    public async Task ReportAsync(ILease lease, PortProtocol protocol, int port)
    {
        parts.LoseIfOver(lease.Owner);
        (PortClaim failed, PortClaim? failedTwin) = (lease.Claim, lease.Twin);
        bool isOpen = IsOpen(failed);
        while (failed.IsLease && !(isOpen && (failedTwin is null || IsOpen(failedTwin))))
        {
            await MovedLease.FollowAsync(parts, lease, failed).ConfigureAwait(false);   // somebody reported it meanwhile
            if (ReferenceEquals(failed, lease.Claim) && ReferenceEquals(failedTwin, lease.Twin))
            {
                break;
            }

            (failed, failedTwin) = (lease.Claim, lease.Twin);
            isOpen = IsOpen(failed);
        }

        if (!failed.IsLease || !isOpen || failedTwin is { IsLease: false })
        {
            parts.Counted(IsHalfUsed(failed, failedTwin) ? Refusals.HalfUsed(lease) : Refusals.LeaseOver(lease)).Throw();
        }

        if (failed.Port != 0 && failed.Port != port)
        {
            return;   // somebody reported it already; the lease says the new port
        }

        lease.AddTried(port, failed.Epoch);
        (PortRefusal? refusal, bool isNowhere) = await FindAnotherAsync(lease, failed, failedTwin, port).ConfigureAwait(false);
        if (refusal?.Reason is PortRefusalReason.AlreadyReserved or PortRefusalReason.LeaseEnded)
        {
            if (await HasMovedAsync(lease, failed).ConfigureAwait(false))
            {
                return;   // two reported the same failure, and the other one got the new port
            }

            if (!isNowhere && !ReferenceEquals(failedTwin, lease.Twin))
            {
                await ReportAsync(lease, protocol, port).ConfigureAwait(false);   // its other half came to this port just now
                return;
            }
        }

        if (refusal?.Reason == PortRefusalReason.StoreFailed && IsOpen(failed) && (failedTwin is null || IsOpen(failedTwin)))
        {
            parts.Counted(refusal).Throw();   // the lease stays open: it can be reported again when the store works
        }

        if (refusal is not null && IsHalfUsed(failed, failedTwin))
        {
            parts.Counted(Refusals.HalfUsed(lease)).Throw();   // registered just now
        }

        long now = parts.NowMs;
        if (refusal is not null && !(EndFailed(failed, now) | EndFailed(failedTwin, now)) && !isNowhere)
        {
            if (await HasMovedAsync(lease, failed).ConfigureAwait(false))
            {
                return;   // the other one got the last port
            }

            parts.Counted(Refusals.LeaseOver(lease)).Throw();   // it was registered, or ended otherwise: who did that tells it
        }

        if (port != 0)
        {
            MarkForeignIfTaken(protocol, port, now);
        }

        if (refusal is not null)
        {
            lease.SetOutcome(refusal);
            await MovedLease.FollowAsync(parts, lease, failed).ConfigureAwait(false);   // a half that moved and was not told so ends by that
            EndMoved(lease.Claim, now);
            EndMoved(lease.Twin, now);
            parts.Fleet?.Ended(lease.Owner);
            parts.Counted(refusal).Throw();
        }
    }

    private static bool IsOfBoth(in PortClaimRequest request) => request.Protocol == PortProtocol.TcpAndUdp;

    /// <summary>Whether a lease is open on another port. What it says of itself may be late.</summary>
    private async ValueTask<bool> HasMovedAsync(ILease lease, PortClaim from) =>
        await MovedLease.FollowAsync(parts, lease, from).ConfigureAwait(false) && lease.IsOpen && IsOpen(lease.Claim) && (lease.Twin is not { } twin || IsOpen(twin));

    /// <summary>Whether a process has registered one half of a lease for both protocols, and the other
    /// is open: it cannot move, as both would have to.</summary>
    private static bool IsHalfUsed(PortClaim half, PortClaim? other) => other is not null && ((IsUsed(half) && IsOpen(other)) || (IsOpen(half) && IsUsed(other)));

    private static bool IsUsed(PortClaim half) => !half.IsLease || new ClaimView(half).Cause == ClaimEnd.UsedUp;

    private static bool IsOpen(PortClaim lease) => new ClaimView(lease).Stage == ClaimStage.Reserved;

    private bool EndFailed(PortClaim? failed, long now) => failed is not null && parts.Table.TryEnd(new ClaimView(failed), ClaimEnd.BindFailed, now);

    /// <summary>Another one who reports may have got a port just now for a lease that is over: who tells
    /// the lease of it sees that, or it is seen here.</summary>
    private void EndMoved(PortClaim? half, long now)
    {
        if (half is { IsLease: true })
        {
            parts.Table.TryEnd(new ClaimView(half), ClaimEnd.Released, now);
        }
    }

    /// <returns>Why the lease got no other port, or null; and whether half of it had moved, and that was
    /// taken back: it is over then, and nobody else tells it.</returns>
    private async ValueTask<(PortRefusal? Refusal, bool IsNowhere)> FindAnotherAsync(ILease lease, PortClaim failed, PortClaim? failedTwin, int port)
    {
        PortRequest request = lease.Request;
        if (lease.TriedPorts.Count >= parts.Settings.BindAttempts)
        {
            return (Refusals.AttemptsExhausted(lease, parts.Settings, parts.Holders), false);
        }

        if (port != 0 && (request.Reuse ?? parts.Settings.Reuse) == PortReuse.Require && Required(request, failed) == port)
        {
            return (Refusals.Foreign(request with { Previous = port }, parts.Settings, parts.Holders), false);
        }

        request = request with { Reuse = PortReuse.Fresh, Previous = port };
        Completed<Acquisition> completed = await new Confirmation(parts)
            .RunAsync(new Acquisition(parts, lease, request, failed.Strategy, (failed, failedTwin))).ConfigureAwait(false);
        if (completed.Refusal is null)
        {
            // Whoever made it take effect tells the lease, and may be suspended before that.
            PortHunt hunt = completed.Operation.Hunt;
            MovedLease.Tell(parts, lease, failed, hunt.Claim!);
            if (failedTwin is not null)
            {
                MovedLease.Tell(parts, lease, failedTwin, hunt.Twin!);
            }
        }

        return (completed.Refusal, completed.Operation.Hunt.HasUndoneAMove);
    }

    /// <summary>The number that was asked for, or else the one the registry remembers; 0 where the
    /// owner had none.</summary>
    private int Required(PortRequest request, PortClaim failed) =>
        request.PreviousPort != 0 ? request.PreviousPort : parts.Table.Memory.LastPort(parts.Table.Key(failed.Protocol, request.Owner));

    /// <summary>Nobody acquired, or the lease was lost to the process that listens on its port: the
    /// owner gets a lease of its own now.</summary>
    private async Task<ILease> AcquireAnewAsync(SessionHolder session, WantedRegistration failed, OwnerView has, PortClaimRequest report)
    {
        (string owner, int port, PortProtocol protocol) = failed.Place;
        ClaimView newest = has.Newest;
        bool isAnothers = parts.Table.Ports.IsAnothers(protocol, port, owner)
            || (IsOfBoth(report) && parts.Table.Ports.IsAnothers(PortProtocol.Udp, port, owner));
        if ((!newest.IsNone && (failed.Epoch != 0 || !has.Lease.IsNone)) || (failed.Epoch != 0 && !isAnothers))
        {
            parts.Counted(Refusals.Stale(failed.Place, failed.Epoch, newest, last: null)).Throw();
        }

        DemandReplacement(session, has, failed);
        if (IsOfBoth(report))
        {
            DemandReplacement(session, await Inspection.RunAsync(parts, parts.Table.Key(PortProtocol.Udp, owner)).ConfigureAwait(false), failed);
        }

        MarkForeignIfTaken(report.Protocol, port, parts.NowMs);
        PortRequest request = new(owner) { Protocol = report.Protocol, Previous = port, Reuse = PortReuse.Fresh, Ports = parts.Pools.Told(report.Ports) };
        ILease lease = parts.NewLease(request, session);
        lease.AddTried(port, failed.Epoch);
        Completed<Acquisition> completed = await new Confirmation(parts)
            .RunAsync(new Acquisition(parts, lease, request, parts.Strategies.Default)).ConfigureAwait(false);
        if (completed.Refusal is { } refusal)
        {
            lease.SetOutcome(refusal);
            parts.Counted(refusal).Throw();
        }

        session.NoteAcquired(lease);
        new Gates(parts).Open(lease);
        LeaseOutcome.EndIfDisposed(lease, parts);
        return lease;
    }

    /// <summary>Somebody who was started a second time, by hand, is no reason to take the owner from
    /// who serves it.</summary>
    private void DemandReplacement(SessionHolder session, OwnerView has, WantedRegistration failed)
    {
        if (!has.Served.IsNone && !OwnerRights.MayReplace(session, has.Served))
        {
            parts.Counted(Refusals.NotOwner(failed.Owner.Owner, has.Served, session, failed.Port)).Throw();
        }
    }

    /// <summary>A port that somebody could not bind is a stranger's only when a look of our own
    /// agrees: it may be that his user may not bind it, or that he had it himself. Then it cools,
    /// and others may have better luck.</summary>
    private void MarkForeignIfTaken(PortProtocol protocol, int port, long now)
    {
        if (protocol == PortProtocol.TcpAndUdp)
        {
            MarkForeignIfTaken(PortProtocol.Tcp, port, now);
            MarkForeignIfTaken(PortProtocol.Udp, port, now);
        }
        else if (!parts.Table.IsOurs(protocol, port) && parts.Guard.IsTaken(protocol, port))
        {
            parts.Table.TryMarkForeign(protocol, port, now);
        }
    }
}
