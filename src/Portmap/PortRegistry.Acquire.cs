using System.Diagnostics.CodeAnalysis;
using Portmap.Table;

namespace Portmap;

public sealed partial class PortRegistry
{
    /// <summary>Gives an owner a port, or the right to bring one; completes when that is confirmed.</summary>
    /// <param name="request">The owner, and what differs from the options. A string will do.</param>
    /// <param name="cancellationToken">Gives up waiting; a lease that took effect stays until it times out.</param>
    /// <returns>The lease. What lookups answer stays as it is until a process registers with it.</returns>
    /// <exception cref="PortRefusedException">As <see cref="TryAcquire"/> refuses.</exception>
    /// <exception cref="ObjectDisposedException">The registry is disposed.</exception>
    public ValueTask<PortLease> AcquireAsync(PortRequest request, CancellationToken cancellationToken = default)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<PortLease>(cancellationToken);
        }

        return TryAcquire(request, out PortLease? lease, out PortRefusal? refusal)
            ? ValueTask.FromResult(lease)
            : ValueTask.FromException<PortLease>(new PortRefusedException(refusal));
    }

    /// <summary>As <see cref="AcquireAsync"/>, with the refusal as a value, in bounded time.</summary>
    /// <param name="request">The owner, and what differs from the options.</param>
    /// <param name="lease">The lease.</param>
    /// <param name="refusal">InvalidOwner, InvalidPort, InvalidProtocol, UnknownStrategy; AlreadyReserved: the owner has an open lease; Exhausted;
    /// TooManyOwners; with a required port also Foreign and InUse.</param>
    /// <exception cref="ObjectDisposedException">The registry is disposed.</exception>
    public bool TryAcquire(PortRequest request, [NotNullWhen(true)] out PortLease? lease, [NotNullWhen(false)] out PortRefusal? refusal)
    {
        ObjectDisposedException.ThrowIf(Volatile.Read(ref _disposed) != 0, this);
        lease = null;
        refusal = CheckOwnerAndProtocol(request.Owner, request.Protocol, both: true) ?? CheckPrevious(request);
        if (refusal is not null || !TryFindStrategy(request.Strategy, out int strategy))
        {
            refusal ??= Refusals.UnknownStrategy(request, _strategies);
            return Refuse(refusal);
        }

        PortLease granted = new(this, request);
        refusal = Grant(granted, request, strategy, replaced: null, replacedTwin: null);
        if (refusal is not null)
        {
            return Refuse(refusal);
        }

        if (Volatile.Read(ref _disposed) != 0)
        {
            granted.SetOutcome(Refusals.RegistryDisposed(granted));   // it was disposed meanwhile, and may not have seen this lease
        }

        lease = granted;
        return true;
    }

    /// <summary>Finds ports for a lease and makes them take effect; <paramref name="replaced"/> is the claim it has now, when a port could not be bound.</summary>
    private PortRefusal? Grant(PortLease lease, PortRequest request, int strategy, PortClaim? replaced, PortClaim? replacedTwin)
    {
        PortProtocol first = request.Protocol == PortProtocol.Udp ? PortProtocol.Udp : PortProtocol.Tcp;
        bool both = request.Protocol == PortProtocol.TcpAndUdp;
        int hash = _table.Index.Hash(first, request.Owner), hashUdp = both ? _table.Index.Hash(PortProtocol.Udp, request.Owner) : 0;
        while (true)
        {
            long now = NowMs;
            long afterUdp = 0;
            PortClaim? standing = Standing(first, request.Owner, hash, replaced, now, out long after);
            standing ??= both ? Standing(PortProtocol.Udp, request.Owner, hashUdp, replacedTwin, now, out afterUdp) : null;
            if (standing is not null)
            {
                return Refusals.AlreadyReserved(request.Owner, standing, Clock, Settings);
            }

            Candidate candidate = new() { Lease = lease, Request = request, Strategy = (byte)strategy, Protocol = first, Both = both, After = Math.Max(after, afterUdp), Replaced = replaced, ReplacedTwin = replacedTwin };
            PortRefusal? refusal = FindPort(ref candidate, now);
            candidate.PutBack(_table.Space(first), now);
            if (refusal is not null)
            {
                return refusal;
            }

            if (replaced is null)
            {
                lease.Grant(candidate.Claim!, candidate.Twin);   // nobody else has this lease yet; one that is healed follows when the new claim takes effect
            }

            PortTable.Push push = _table.TryPublish(candidate.Claim!, request.Owner, hash, now, out standing);
            if (push == PortTable.Push.Pushed && both)
            {
                push = _table.TryPublish(candidate.Twin!, request.Owner, hashUdp, now, out standing);
                if (push != PortTable.Push.Pushed)
                {
                    _table.TryEnd(candidate.Claim!, ClaimEnd.Withdrawn, now);   // all or nothing
                }
            }

            if (push == PortTable.Push.Pushed)
            {
                return null;
            }

            _table.Withdraw(candidate.Claim!, now);
            if (candidate.Twin is { } twin)
            {
                _table.Withdraw(twin, now);
            }

            if (push == PortTable.Push.AlreadyReserved)
            {
                return Refusals.AlreadyReserved(request.Owner, standing!, Clock, Settings);
            }

            if (push == PortTable.Push.LeaseGone)
            {
                return Refusals.LeaseOver(lease);
            }

            if (push == PortTable.Push.TooManyOwners)
            {
                return Refusals.TooManyOwners(request.Owner, _table.Index.MaxOwners);
            }
        }
    }

    /// <summary>The open lease that stands in the way. Ends the owner's registration on the way when its process is dead: the old entry is cleaned up.</summary>
    private PortClaim? Standing(PortProtocol protocol, string owner, int hash, PortClaim? replaced, long now, out long newestEpoch)
    {
        newestEpoch = 0;
        if (_table.Index.Find(protocol, owner, hash) is not { } cell)
        {
            return null;
        }

        _table.Normalize(cell, now);
        newestEpoch = cell.Top.Epoch;
        if (cell.Served() is { } served && !served.Session!.CheckAlive())
        {
            _table.TryEnd(served, served.Session.EndCause, now);
        }

        return cell.OpenLease() is { } lease && !ReferenceEquals(lease, replaced) ? lease : null;
    }

    private PortRefusal? CheckPrevious(PortRequest request)
    {
        if (request.Previous is < 0 or > 65_535)
        {
            return Refusals.InvalidPort(request.Owner, request.Previous, request.Protocol, "leave it 0 when there was none");
        }

        return request.Previous != 0 && request.Reuse == PortReuse.Require && !Settings.HandsOut(request.Previous)
            ? Refusals.NotHandedOut(request, Settings)
            : null;
    }

    private static bool Refuse(PortRefusal refusal)
    {
        Diagnostics.PortmapMetrics.Refused(refusal.Reason);
        return false;
    }
}
