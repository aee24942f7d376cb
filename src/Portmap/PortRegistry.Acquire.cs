using System.Diagnostics.CodeAnalysis;
using Portmap.Operations;

namespace Portmap;

public sealed partial class PortRegistry
{
    /// <summary>Gives an owner a port, or the right to pick one; completes when that is
    /// confirmed.</summary>
    /// <param name="request">The owner, and what differs from the options. A string will
    /// do.</param>
    /// <param name="cancellationToken">Gives up waiting; a lease that took effect stays until it
    /// times out.</param>
    /// <returns>The lease. What lookups answer stays as it is until a process registers with
    /// it.</returns>
    /// <exception cref="PortRefusedException">As <see cref="TryAcquire"/> refuses, and StoreFailed:
    /// the lease could not be written and was withdrawn. With <see cref="PortScope.Fleet"/> also as
    /// the fleet refuses: Conflict, with the host that has the owner; StoreFailed.</exception>
    /// <exception cref="ObjectDisposedException">The registry is disposed.</exception>
    public ValueTask<PortLease> AcquireAsync(PortRequest request, CancellationToken cancellationToken = default)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<PortLease>(cancellationToken);
        }

        if (Parts.Table.Confirms || request.Scope != PortScope.Host)
        {
            return Confirmation.Within(AcquireForAsync(acquirer: null, request), cancellationToken);
        }

        return TryAcquire(request, out PortLease? lease, out PortRefusal? refusal)
            ? ValueTask.FromResult(lease)
            : ValueTask.FromException<PortLease>(new PortRefusedException(refusal));
    }

    /// <summary>As <see cref="AcquireAsync"/>, with the refusal as a value, in bounded
    /// time.</summary>
    /// <param name="request">The owner, and what differs from the options.</param>
    /// <param name="lease">The lease.</param>
    /// <param name="refusal">InvalidOwner, InvalidPort, InvalidProtocol, InvalidTime,
    /// UnknownStrategy; AlreadyReserved: the owner has an open lease; Exhausted; TooManyOwners;
    /// StrategyFailed and StrategyOfferedNothing of a strategy of the host's own; PortDenied: this
    /// user may bind none of the ports, or not the required one; with a required port also Foreign
    /// and InUse; with <see cref="PortRequest.UnlessServed"/> also AlreadyServed; NoFleet.</param>
    /// <returns>Whether it is acquired.</returns>
    /// <exception cref="InvalidOperationException">The registry confirms
    /// (<see cref="PortDurability.Confirmed"/>), or the owner is to be claimed in the fleet: use
    /// <see cref="AcquireAsync"/>.</exception>
    /// <exception cref="ObjectDisposedException">The registry is disposed.</exception>
    public bool TryAcquire(PortRequest request, [NotNullWhen(true)] out PortLease? lease, [NotNullWhen(false)] out PortRefusal? refusal)
    {
        ThrowIfConfirms(nameof(AcquireAsync));
        lease = null;
        refusal = null;
        PortLease? granted = PlainAcquisition.Fits(Parts, request, out byte strategy) ? new PortLease(this, request) : null;
        if (granted is null || !PlainAcquisition.TryGrant(Parts, granted, request, strategy))
        {
            refusal = Acquisition.Now(Parts, request, granted, out ILease? other);
            if (refusal is not null)
            {
                return false;
            }

            granted = (PortLease)other!;
        }

        LeaseOutcome.EndIfDisposed(granted, Parts);
        lease = granted;
        return true;
    }

    /// <summary>Acquires for a session, which needs a right to what the owner has, or for the
    /// host.</summary>
    internal async Task<PortLease> AcquireForAsync(SessionHolder? acquirer, PortRequest request)
    {
        if (request.Scope != PortScope.Host)
        {
            return (PortLease)(await FleetAcquisition.RunAsync(Parts, [request], async single => [await AcquireForAsync(acquirer, single[0]).ConfigureAwait(false)]).ConfigureAwait(false))[0];
        }

        PortLease lease = new(this, request, acquirer);
        PortRefusal? refusal = await Acquisition.RunAsync(Parts, lease, request).ConfigureAwait(false);
        refusal?.Throw();
        acquirer?.NoteAcquired(lease);
        LeaseOutcome.EndIfDisposed(lease, Parts);
        return lease;
    }

    internal void ThrowIfConfirms(string instead)
    {
        if (Parts.Table.Confirms)
        {
            throw new InvalidOperationException($"This registry confirms its changes (Durability is {PortDurability.Confirmed}), which takes the disk's time: use {instead}.");
        }
    }
}
