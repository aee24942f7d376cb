using System.Runtime.CompilerServices;
using Portmap.Guarding;
using Portmap.Strategies;
using Portmap.Table;

namespace Portmap.Operations;

/// <summary>The acquisition that most are, in one line: without a store, for the host, of one
/// protocol, any port that the registry picks, for an owner that has nothing.</summary>
/// <remarks>Step for step what <see cref="Acquisition"/> does, without what it carries along for
/// all the other cases. Where anything is otherwise it answers false, nothing has happened, and
/// <see cref="Acquisition"/> begins from the start.</remarks>
internal static class PlainAcquisition
{
    /// <summary>Whether a request is plain and right, as far as it says so itself and but for its
    /// name.</summary>
    /// <param name="parts">What it works with.</param>
    /// <param name="request">The request.</param>
    /// <param name="strategy">Who picks.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Fits(RegistryParts parts, in PortRequest request, out byte strategy)
    {
        parts.ThrowIfDisposed();
        return parts.Strategies.TryFind(request.Strategy, out strategy)
            && parts.Journal is null
            && request.Protocol is PortProtocol.Tcp or PortProtocol.Udp
            && request is { Scope: PortScope.Host, PreviousPort: 0, UnlessServed: false, Ports: null }
            && (!request.HasLeaseTimeout || Extension.CheckTime(request.LeaseTimeout, request.Owner, request.Protocol) is null)
            && (request.Reuse ?? parts.Settings.Reuse) == PortReuse.Fresh
            && (request.Guard ?? parts.Settings.Guard) is not (PortGuardMode.WhileAlive or PortGuardMode.PassSocket)   // which ask for the last port's placeholder
            && parts.Settings.Kept is null
            && parts.Strategies[strategy] is AllocatorPicks;
    }

    /// <summary>Takes a port and makes the lease take effect.</summary>
    /// <param name="parts">What it works with.</param>
    /// <param name="lease">Nobody's yet.</param>
    /// <param name="request">What is asked for; fits.</param>
    /// <param name="strategy">Who picks.</param>
    [MethodImpl(MethodImplOptions.NoInlining)]   // a root of its own: inlined into its caller, what lies deeper is left as calls
    public static bool TryGrant(RegistryParts parts, ILease lease, in PortRequest request, byte strategy)
    {
        PortTable table = parts.Table;
        OwnerKey owner = table.Key(request.Protocol, request.Owner);
        if (!table.HasNothing(owner, out OwnerPlace place, out long epoch)
            || (place.IsNew && OwnerName.Complaint(owner.Owner) is not null))   // one that has a cell was looked at for it
        {
            return false;
        }

        long now = parts.NowMs;
        PortHints hints = table.Hints(owner.Protocol);
        hints.DrainDue(now);
        AllocatorPicks picks = Unsafe.As<AllocatorPicks>(parts.Strategies[strategy]);
        int port = picks.Pick(hints, owner.Protocol, avoid: 0);
        if (port > 0 && table.Memory.WasLast(place, owner, port))
        {
            port = picks.Pick(hints, owner.Protocol, avoid: port);   // a fresh start has it only when there is no other
        }

        if (port <= 0)
        {
            return false;   // nothing is free
        }

        PortView found = table.Ports.Look(owner.Protocol, port, asksFor: null, takeCooling: false, now);
        if (found.Availability != PortAvailability.Free)
        {
            return false;
        }

        NewClaim wanted = new(owner.Protocol, port, parts.Epochs.Next(Math.Max(epoch, found.HighestEpoch)), strategy, lease);
        if (table.TryTake(found, wanted) is not { } taken)
        {
            return false;
        }

        if (parts.Guard is not NoGuard && !TryPlace(parts, taken, request, now))
        {
            return false;
        }

        lease.Grant(taken, twin: null);
        if (table.PublishOnIdle(place, owner, taken, now) == Publication.Done)
        {
            return true;
        }

        table.Withdraw(taken, now);
        return false;
    }

    /// <summary>Puts the placeholder there; where the system says that the port is no good, whoever
    /// begins anew is told so too.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]   // its locals are not cleared on the way past it
    private static bool TryPlace(RegistryParts parts, PortClaim taken, in PortRequest request, long now)
    {
        GuardOutcome outcome;
        try
        {
            Hook.At(Step.PlaceGuard);
            outcome = parts.Guard.Place(taken.Guarded, request.Owner, request.Guard ?? parts.Settings.Guard, insisted: false);
        }
        catch (Exception exception)
        {
            parts.Table.Withdraw(taken, now);
            LeaseOutcome.EndTrace(ILease.Of(new ClaimView(taken))!, exception);   // nobody gets it
            throw;
        }

        if (outcome.Finding == GuardFinding.Free)
        {
            PortTable.NoteGuarantee(taken, outcome.Guarantee);
            return true;
        }

        if (outcome.Finding is GuardFinding.Lingering or GuardFinding.Denied or GuardFinding.Busy)
        {
            parts.Table.Withdraw(taken, now);   // another one comes first, at least for now, or all may be denied
        }
        else
        {
            PortTable.GiveUp(taken, now);
            parts.Table.TryMarkForeign(taken.Protocol, taken.Port, now, except: taken);
        }

        return false;
    }
}
