using System.Runtime.CompilerServices;
using Portmap.Table;

namespace Portmap.Operations;

/// <summary>What a registration may become.</summary>
internal struct RegistrationRight
{
    /// <summary>The claim that says the same already; nothing is to be done.</summary>
    public PortClaim? Standing;

    /// <summary>The epoch of the registration it continues.</summary>
    public long Epoch;

    /// <summary>See <see cref="PortClaim.Origin"/>; 0 when it goes back to itself.</summary>
    public long Origin;

    /// <summary>The lease it uses up, or the registration it continues.</summary>
    public PortClaim? UsesUp;

    /// <summary>The registration without which it had no right to be what it is: what became of the
    /// owner when it has ended before this takes effect has to be decided anew.</summary>
    public PortClaim? ReliesOn;

    /// <summary>It takes the place of a registration of the owner by a living process.</summary>
    public bool Replaces;

    /// <summary>The open lease whose epoch it ranks below.</summary>
    public PortClaim? Beside;

    public byte Strategy;

    /// <summary>"Replacement needs a right", "epochs fence those who carry one" and "without an
    /// epoch" of the rules.</summary>
    /// <param name="wanted">What the process says; its epoch is resolved.</param>
    /// <param name="caller">The session it says it over.</param>
    /// <param name="has">What the owner has, without registrations whose session is over.</param>
    /// <param name="fence">What the owner had.</param>
    /// <param name="refusal">Why it is refused, or null.</param>
    public static RegistrationRight Decide(in WantedRegistration wanted, SessionHolder caller, in OwnerClaims has, EpochFence fence, out PortRefusal? refusal)
    {
        refusal = null;
        ClaimView bound = has.Bound;

        // The same again, or the same process over a new session: the claim stays what it is.
        if (!bound.IsNone && bound.Port == wanted.Port && (wanted.Epoch == 0 || bound.IsOf(wanted.Epoch)) && OwnerRights.Owns(caller, bound))
        {
            return ReferenceEquals(bound.Holder, caller)
                ? new RegistrationRight { Standing = bound.Claim }
                : new RegistrationRight { Epoch = bound.Epoch, Origin = bound.Origin, UsesUp = bound.Claim, Strategy = bound.Strategy };
        }

        RegistrationRight right = wanted.Epoch != 0
            ? ByEpoch(wanted, caller, has, fence, out refusal)
            : WithoutEpoch(wanted, caller, has, out refusal);
        right.Replaces = bound.Holder is { IsOver: false };
        return right;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]   // only one of them is needed: the locals of the others are not cleared
    private static RegistrationRight ByEpoch(in WantedRegistration wanted, SessionHolder caller, in OwnerClaims has, EpochFence fence, out PortRefusal? refusal)
    {
        (ClaimView lease, ClaimView bound) = (has.Lease, has.Bound);
        if (fence.IsClosed(wanted.Owner, wanted.Epoch))
        {
            refusal = FleetBonds.Closed(wanted.Place, wanted.Epoch);
            return default;
        }

        refusal = null;
        if (!lease.IsNone && lease.Epoch == wanted.Epoch)
        {
            return UsingUp(lease, bound, caller, wanted, out refusal);
        }

        if (bound.IsOf(wanted.Epoch) && (lease.IsNone || OwnerRights.Owns(caller, bound)))
        {
            // The process that was started with this epoch again: its predecessor is dead, or it is
            // the same one on another port.
            refusal = OwnerRights.MayReplace(caller, bound) ? null : Refusals.OwnerConflict(wanted.Place, bound);
            return new RegistrationRight { Beside = lease.Claim, ReliesOn = lease.IsNone ? null : bound.Claim, Origin = bound.Origin, Strategy = bound.Strategy };
        }

        bool hasNothing = bound.IsNone && lease.IsNone;
        if (hasNothing && fence.IsOver(wanted.Owner.Owner, wanted.Epoch))
        {
            // Of that lease before it moved to another port, or of one before it: what the owner
            // had since is over in the fleet, and another host may have it.
            refusal = FleetBonds.Closed(wanted.Place, wanted.Epoch);
            return default;
        }

        LastRegistration? last = fence.LastOf(wanted.Owner);
        if (hasNothing && last?.IsOf(wanted.Epoch) == true)
        {
            return new RegistrationRight { Origin = last.Value.Origin };   // the same a little later, when its predecessor is known to be dead
        }

        refusal = Refusals.Stale(wanted.Place, wanted.Epoch, has.Newest, last);
        return default;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]   // only one of them is needed: the locals of the others are not cleared
    private static RegistrationRight WithoutEpoch(in WantedRegistration wanted, SessionHolder caller, in OwnerClaims has, out PortRefusal? refusal)
    {
        (ClaimView lease, ClaimView bound) = (has.Lease, has.Bound);
        refusal = !bound.IsNone && !OwnerRights.MayReplace(caller, bound) ? Refusals.OwnerConflict(wanted.Place, bound) : null;
        if (lease.IsNone || refusal is not null)
        {
            return default;
        }

        // The process that the lease was meant for cannot say so; it is the one on the lease's
        // port, or, where it picks the port, anybody but the process that had the owner before.
        bool isBack = !bound.IsNone && OwnerRights.Owns(caller, bound);
        if (lease.Port == wanted.Port || (lease.Port == 0 && !isBack))
        {
            return UsingUp(lease, bound, caller, wanted, out refusal);
        }

        // A sign-in on another port while a lease is open: it is older than the lease, which stays
        // open and may still replace it.
        refusal = isBack || OwnerRights.SpeaksFor(caller, lease) ? null : Refusals.NotOwner(wanted.Owner.Owner, lease, caller, wanted.Port);
        return new RegistrationRight { Beside = lease.Claim, ReliesOn = isBack ? bound.Claim : null };
    }

    [MethodImpl(MethodImplOptions.NoInlining)]   // only one of them is needed: the locals of the others are not cleared
    private static RegistrationRight UsingUp(ClaimView lease, ClaimView bound, SessionHolder caller, in WantedRegistration wanted, out PortRefusal? refusal)
    {
        ClaimView against = OwnerRights.AgainstUse(caller, lease, bound);
        refusal = !against.IsNone ? Refusals.NotOwner(wanted.Owner.Owner, against, caller, wanted.Port)
            : lease.Port != 0 && lease.Port != wanted.Port ? Refusals.WrongPort(wanted.Place, lease)
            : null;
        return new RegistrationRight { UsesUp = lease.Claim, Strategy = lease.Strategy };
    }
}

/// <summary>What a process says when it registers.</summary>
internal readonly struct WantedRegistration(OwnerKey owner, int port, long epoch)
{
    public OwnerKey Owner { get; } = owner;

    public int Port { get; } = port;

    /// <summary>0 for none.</summary>
    public long Epoch { get; } = epoch;

    public Place Place => new(Owner.Owner, Port, Owner.Protocol);
}

/// <summary>What an owner has that counts for a right.</summary>
/// <param name="Lease">The open lease, or none.</param>
/// <param name="Bound">The registration in force, or none.</param>
internal readonly record struct OwnerClaims(ClaimView Lease, ClaimView Bound)
{
    /// <summary>The one with the higher epoch.</summary>
    public ClaimView Newest => Lease.Epoch > Bound.Epoch ? Lease : Bound;
}
