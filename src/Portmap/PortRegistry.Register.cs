using Portmap.Guarding;
using Portmap.Operations;
using Portmap.Table;

namespace Portmap;

public sealed partial class PortRegistry
{
    /// <summary>Registers at once; on a registry that confirms, <see cref="RegisterConfirmedAsync"/> does.</summary>
    internal PortRefusal? Register(PortSession session, string owner, int port, long epoch, PortProtocol protocol, out PortClaim? registered)
    {
        Registration registration = new() { Session = session, Owner = owner, Port = port, Epoch = epoch, Protocol = protocol };
        PortRefusal? refusal = CheckRegistration(ref registration) ?? Register(ref registration);
        registered = registration.Claim;
        if (refusal is not null)
        {
            Diagnostics.PortmapMetrics.Refused(refusal.Reason);
        }

        return refusal;
    }

    private PortRefusal? CheckRegistration(ref Registration registration)
    {
        ObjectDisposedException.ThrowIf(Volatile.Read(ref _disposed) != 0, this);
        (PortSession session, string owner, int port, PortProtocol protocol) = (registration.Session, registration.Owner, registration.Port, registration.Protocol);
        PortRefusal? refusal = CheckOwnerAndProtocol(owner, protocol, both: false)
            ?? (port is < 1 or > 65_535 ? Refusals.InvalidPort(owner, port, protocol, "register the port the process listens on") : null)
            ?? (session.IsConnected || session.IsDead ? null : Refusals.SessionEnded(session, owner))
            ?? (session.CheckAliveToRegister(NowMs) ? null : Refusals.ProcessDead(owner, port, protocol, session.Process.Id));
        if (refusal is null)
        {
            registration.Epoch = _fence.Resolve(owner, registration.Epoch, protocol);
        }

        return refusal;
    }

    /// <summary>The steps of a registration: decide the right to the owner, push a pending claim on its cell, and settle it.</summary>
    /// <returns><see cref="Refusals.Waiting"/> when something has to come to the disk first: call again then, with the same registration.</returns>
    private PortRefusal? Register(ref Registration registration)
    {
        (PortSession session, string owner, int port, long epoch, PortProtocol protocol) =
            (registration.Session, registration.Owner, registration.Port, registration.Epoch, registration.Protocol);
        int hash = _table.Index.Hash(protocol, owner);
        while (true)
        {
            long now = NowMs;
            if (registration.Claim is { } pending)
            {
                PortRefusal? outcome = OutcomeOf(ref registration, pending, now, out bool again);
                if (!again)
                {
                    return outcome;
                }
            }

            OwnerCell? cell = _table.Index.Find(protocol, owner, hash);
            PortClaim? top = null;
            if (cell is not null)
            {
                top = _table.Normalize(cell, now);
                if (ReferenceEquals(top, PortClaim.Dead))
                {
                    continue;
                }

                if (top.Word.Stage == ClaimStage.Taking)
                {
                    return Refusals.Waiting;
                }
            }

            PortRefusal? refusal = Decide(session, owner, port, epoch, protocol, cell, now, out Right right);
            if (refusal is not null)
            {
                return refusal;
            }

            if (right.Standing is { } standing)
            {
                registration.Claim = standing;
                return null;
            }

            if (!registration.HasProof && TakesSomething(protocol, port, owner, right))
            {
                refusal = ListeningProof.Demand(new(protocol, port, session.Process, IsOwnSocket: false), owner, _guard.KeepsOut(protocol, port, right.Consumes?.Epoch ?? 0));
                if (refusal is not null)
                {
                    return refusal;
                }

                registration.HasProof = true;
            }

            ObjectDisposedException.ThrowIf(Volatile.Read(ref _disposed) != 0, this);
            long epochOfClaim = Rank(ref registration, ref right, top, hash);
            PortClaim claim = PortClaim.ForRegistration(protocol, port, epochOfClaim, right.Strategy, session, right.Consumes, _table.Confirms, right.Origin);
            OwnerIndex.Insertion pushed = Push(cell, top, claim, owner, protocol, hash);
            if (pushed == OwnerIndex.Insertion.Full)
            {
                return Refusals.TooManyOwners(owner, _table.Index.MaxOwners);
            }

            registration.Claim = pushed == OwnerIndex.Insertion.Inserted ? claim : null;
        }
    }

    /// <summary>The epoch of a registration: that of what it goes on with, unless something on its port or of its owner came later; then one above both.</summary>
    private long Rank(ref Registration registration, ref Right right, PortClaim? top, int hash)
    {
        long onPort = _table.Space(registration.Protocol).Slots.HighestEpoch(registration.Port), ofOwner = OwnerCell.HighestEpoch(top, except: null);
        long rank = RankOf(ref registration, ref right, top, onPort, ofOwner);
        if (rank == 0)
        {
            return _epochs.Next(Math.Max(Math.Max(onPort, ofOwner), _table.Index.MarkOf(hash)));
        }

        if (rank < ofOwner)
        {
            _table.Index.RaiseMark(hash, ofOwner);   // it will lie on top of a higher one, which may go before it does
        }

        return rank;
    }

    /// <summary>The epoch that a registration may keep, or 0.</summary>
    private static long RankOf(ref Registration registration, ref Right right, PortClaim? top, long onPort, long ofOwner)
    {
        if (right.Consumes is { IsLease: false })
        {
            return right.Epoch;   // it goes on as what it is
        }

        if (right.Consumes is { } lease)
        {
            // Its number is from before the port was known. The worker is told the new one; by the old one it is still recognised.
            right.Origin = lease.Epoch;
            return lease.Epoch >= Math.Max(onPort, ofOwner) ? lease.Epoch : 0;
        }

        if (right.Beside is not { } beside)
        {
            return 0;
        }

        if (!ReferenceEquals(beside, registration.Beside))
        {
            (registration.Beside, registration.EpochBeside) = (beside, beside.DrawBelow());   // once per lease, however often this is tried again
        }

        if (registration.EpochBeside > Math.Max(onPort, OwnerCell.HighestEpoch(top, except: beside)))
        {
            return registration.EpochBeside;
        }

        right.Origin = right.Origin != 0 ? right.Origin : beside.Epoch - 1;   // its fact outweighs what was before; the lease may replace it all the same
        return 0;
    }

    /// <summary>What has become of the claim of a registration that tops its owner; it begins again when what stood in the way is gone.</summary>
    private PortRefusal? OutcomeOf(ref Registration registration, PortClaim claim, long now, out bool again)
    {
        again = false;
        _table.SettleOwn(claim, now);
        ClaimWord word = claim.Word;
        if (word.WasBound)
        {
            ThrowIfLate(claim);
            if (registration.Session.IsOver)
            {
                _table.TryEnd(claim, registration.Session.EndCause, now);   // it died meanwhile, and the sweep may have passed before this took effect
            }

            return null;
        }

        if (word.Stage == ClaimStage.Taking)
        {
            return Refusals.Waiting;
        }

        registration.Claim = null;
        _table.Index.Retire(claim.Cell!);
        if (word.Cause == ClaimEnd.StoreFailed)
        {
            return Refusals.StoreFailed(registration.Owner, registration.Protocol, _table.Journal!.LastFailure);
        }

        if (word.Cause == ClaimEnd.PortHeld && HolderAgainst(registration.Session, claim.Protocol, claim.Port, claim.Cell!) is { } holder)
        {
            if (holder.Session!.CheckAlive())
            {
                return Refusals.PortConflict(registration.Owner, claim.Port, claim.Protocol, holder);
            }

            _table.TryEnd(holder, holder.Session.EndCause, now);
        }

        again = true;
        return null;
    }

    private OwnerIndex.Insertion Push(OwnerCell? cell, PortClaim? top, PortClaim claim, string owner, PortProtocol protocol, int hash)
    {
        if (cell is not null)
        {
            return PortTable.TryPush(cell, top!, claim) ? OwnerIndex.Insertion.Inserted : OwnerIndex.Insertion.Raced;
        }

        OwnerCell made = new(owner, protocol, hash, claim);
        claim.Cell = made;
        return _table.Index.TryInsert(made);
    }

    /// <summary>"Replacement needs a right", "epochs fence those who carry one" and "without an epoch" of the rules.</summary>
    private PortRefusal? Decide(
        PortSession session, string owner, int port, long epoch, PortProtocol protocol, OwnerCell? cell, long now, out Right right)
    {
        right = default;
        PortClaim? lease = cell?.OpenLease(), bound = cell?.Served();   // in this order, see OpenLease: or a lease that is used up meanwhile is seen as neither
        if (bound is not null && bound.Session!.IsOver)
        {
            _table.TryEnd(bound, bound.Session.EndCause, now);
            bound = null;
        }

        // The same again, or the same process over a new session: the claim stays what it is.
        if (bound is not null && bound.Port == port && (epoch == 0 || bound.IsOf(epoch)) && OwnerRights.Owns(session, bound))
        {
            right = ReferenceEquals(bound.Session, session) ? new Right { Standing = bound } : new Right { Epoch = bound.Epoch, Origin = bound.Origin, Consumes = bound, Strategy = bound.Strategy };
            return null;
        }

        PortRefusal? refusal = epoch != 0
            ? DecideByEpoch(session, owner, port, epoch, protocol, bound, lease, _fence.LastOf(cell ?? _table.Index.FindAny(protocol, owner, _table.Index.Hash(protocol, owner)), owner, protocol), ref right)
            : DecideWithoutEpoch(session, owner, port, protocol, bound, lease, ref right);
        right.Replaces = bound is { Session.IsOver: false } ? bound : null;
        return refusal;
    }

    /// <summary>Whether a registration replaces one, ends the lease of another owner, makes a stranger's port its own, or claims one that a placeholder keeps
    /// everybody off. A lease that comes to the port after this look is one whose placeholder was put there in spite of who listens: nobody does.</summary>
    private bool TakesSomething(PortProtocol protocol, int port, string owner, in Right right)
    {
        if (!AsksTheKernel)
        {
            return false;
        }

        if (right.Replaces is not null || _guard.KeepsOut(protocol, port, right.Consumes?.Epoch ?? 0))
        {
            return true;
        }

        object? slot = _table.Space(protocol).Slots[port];
        foreach (PortClaim claim in PortSlots.Claims(ref slot))
        {
            ClaimWord word = claim.Word;
            if (word.Stage == ClaimStage.Foreign || (claim.IsLease && word.IsLive && claim.Cell?.Owner != owner))
            {
                return true;
            }
        }

        return false;
    }

    private static PortRefusal? DecideByEpoch(
        PortSession session, string owner, int port, long epoch, PortProtocol protocol, PortClaim? bound, PortClaim? lease, EpochFence.Registration? last, ref Right right)
    {
        if (lease?.Epoch == epoch)
        {
            if (OwnerRights.AgainstUse(session, lease, bound) is { } against)
            {
                return Refusals.NotOwner(owner, against, session, port);
            }

            right = new Right { Consumes = lease, Strategy = lease.Strategy };
            return lease.Port == 0 || lease.Port == port ? null : Refusals.WrongPort(owner, port, protocol, lease);
        }

        if (bound?.IsOf(epoch) == true && (lease is null || OwnerRights.Owns(session, bound)))
        {
            // The process that was started with this epoch again: its predecessor is dead, or it is the same one on another port.
            right = new Right { Beside = lease, Origin = bound.Origin, Strategy = bound.Strategy };
            return OwnerRights.MayReplace(session, bound) ? null : Refusals.OwnerConflict(owner, port, protocol, bound);
        }

        if (bound is null && lease is null && last?.IsOf(epoch) == true)
        {
            right = new Right { Origin = last.Value.Origin };   // the same a little later, when its predecessor is known to be dead
            return null;
        }

        return Refusals.Stale(owner, port, protocol, epoch, Newest(bound, lease), last);
    }

    private static PortRefusal? DecideWithoutEpoch(
        PortSession session, string owner, int port, PortProtocol protocol, PortClaim? bound, PortClaim? lease, ref Right right)
    {
        if (bound is not null && !OwnerRights.MayReplace(session, bound))
        {
            return Refusals.OwnerConflict(owner, port, protocol, bound);
        }

        if (lease is null)
        {
            return null;
        }

        // The process that the lease was meant for cannot say so; it is the one on the lease's port, or, where it brings the port, anybody but the
        // process that had the owner before.
        bool isBack = bound is not null && OwnerRights.Owns(session, bound);
        if (lease.Port == port || (lease.Port == 0 && !isBack))
        {
            if (OwnerRights.AgainstUse(session, lease, bound) is { } against)
            {
                return Refusals.NotOwner(owner, against, session, port);
            }

            right = new Right { Consumes = lease, Strategy = lease.Strategy };
            return null;
        }

        // A sign-in on another port while a lease is open: it is older than the lease, which stays open and may still replace it.
        right = new Right { Beside = lease };
        return isBack || OwnerRights.SpeaksFor(session, lease) ? null : Refusals.NotOwner(owner, lease, session, port);
    }

    private static PortClaim? Newest(PortClaim? bound, PortClaim? lease) => (lease?.Epoch ?? 0) > (bound?.Epoch ?? 0) ? lease : bound;

    /// <summary>The registration of another process that keeps a port, or null when it has ended meanwhile.</summary>
    private PortClaim? HolderAgainst(PortSession session, PortProtocol protocol, int port, OwnerCell except)
    {
        object? slot = _table.Space(protocol).Slots[port];
        foreach (PortClaim claim in PortSlots.Claims(ref slot))
        {
            if (claim.Cell is { } cell && !ReferenceEquals(cell, except) && cell.InForceOn(port) is { Session: { } holder } bound && !holder.IsSameProcess(session))
            {
                return bound;
            }
        }

        return null;
    }

    /// <summary>One registration under way.</summary>
    private struct Registration
    {
        public required PortSession Session;
        public required string Owner;
        public required int Port;
        public required long Epoch;
        public required PortProtocol Protocol;

        /// <summary>The claim that tops the owner; when all is done, the one that stands.</summary>
        public PortClaim? Claim;

        public PortClaim? Beside;
        public long EpochBeside;

        /// <summary>The kernel's list was asked, and somebody listens.</summary>
        public bool HasProof;
    }

    /// <summary>What a registration may become.</summary>
    private struct Right
    {
        /// <summary>The claim that says the same already; nothing is to be done.</summary>
        public PortClaim? Standing;

        /// <summary>The epoch of the registration it continues.</summary>
        public long Epoch;

        /// <summary>See <see cref="PortClaim.Origin"/>; 0 when it goes back to itself.</summary>
        public long Origin;

        /// <summary>The lease it uses up, or the registration it continues.</summary>
        public PortClaim? Consumes;

        /// <summary>The registration of the owner, of a living process, whose place it takes.</summary>
        public PortClaim? Replaces;

        /// <summary>The open lease whose epoch it ranks below.</summary>
        public PortClaim? Beside;

        public byte Strategy;
    }
}
