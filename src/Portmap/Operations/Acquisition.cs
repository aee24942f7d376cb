using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using Portmap.Table;

namespace Portmap.Operations;

/// <summary>Gives an owner a port, or the right to pick one.</summary>
/// <remarks>
/// <code>
///   1. look at the owner           an open lease, or one that is not to be replaced, refuses
///   2. find a port (PortHunt)      a pending claim is in its slot, under the guard
///   3. push it on top of the owner
///   4. finish it                   written, where the registry confirms; then Reserved: lookups show the lease
/// </code>
/// A lease for both protocols is two claims of one number and one epoch, all or nothing: what fails
/// takes back both. A step that somebody else's came between is made again from 1.
/// </remarks>
internal struct Acquisition : IOperation
{
    private readonly RegistryParts _parts;
    private readonly ILease _lease;
    private readonly PortClaim? _replaced;
    private readonly PortClaim? _replacedTwin;
    private PortHunt _hunt;
    private bool _isPushed;   // the claims top their owners and wait for the disk
    private bool _hasWaited;

    /// <summary>One for a lease that is to be granted, or is to get another port.</summary>
    /// <param name="parts">What it works with.</param>
    /// <param name="lease">The lease.</param>
    /// <param name="request">What is asked for.</param>
    /// <param name="strategy">Who picks.</param>
    /// <param name="replaced">The claims of the lease whose port could not be bound, if there are
    /// any.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]   // so that it is made where it is to be, without a copy
    public Acquisition(RegistryParts parts, ILease lease, in PortRequest request, byte strategy, (PortClaim? Claim, PortClaim? Twin) replaced = default)
    {
        _parts = parts;
        _lease = lease;
        _replaced = replaced.Claim;
        _replacedTwin = replaced.Twin;
        _hunt = new PortHunt(parts, lease, request, strategy, replaced);
    }

    /// <summary>How it finds its port; for one of several in one ask.</summary>
    [UnscopedRef]
    public ref PortHunt Hunt => ref _hunt;

    private readonly OwnerKey UdpOwner => _parts.Table.Key(PortProtocol.Udp, _hunt.Owner.Owner);

    /// <summary>What is wrong with a request, before anything is done.</summary>
    public static PortRefusal? Check(RegistryParts parts, in PortRequest request, out byte strategy)
    {
        parts.ThrowIfDisposed();
        strategy = 0;
        return Refusals.CheckOwnerAndProtocol(request.Owner, request.Protocol, both: true)
            ?? (request.Scope == PortScope.Host ? null : FleetAcquisition.RefuseAtOnce(parts, request))
            ?? (request.Ports is null ? null : CheckPorts(parts, request))
            ?? (!request.HasLeaseTimeout ? null : Extension.CheckTime(request.LeaseTimeout, request.Owner, request.Protocol))
            ?? CheckPrevious(parts, request)
            ?? (parts.Strategies.TryFind(StrategyOf(parts, request), out strategy) ? null : Refusals.UnknownStrategy(request, parts.Strategies.Names));
    }

    /// <summary>The strategy that is asked for. Where the daemon is to listen it needs a number: a
    /// process that picks its port cannot be passed a socket of it.</summary>
    private static string? StrategyOf(RegistryParts parts, in PortRequest request) =>
        request is { Guard: PortGuardMode.PassSocket, Strategy: null } && parts.Strategies.NameOf(parts.Strategies.Default) == PortRegistryOptions.ProcessBinds
            ? PortRegistryOptions.AllocatorPicks
            : request.Strategy;

    /// <summary>Acquires on a registry that does not confirm, where <see cref="PlainAcquisition"/>
    /// did not.</summary>
    /// <param name="parts">What it works with.</param>
    /// <param name="request">What is asked for.</param>
    /// <param name="made">A lease for it that is nobody's, or null.</param>
    /// <param name="lease">That or another one; granted if it is not refused.</param>
    /// <returns>Why it was refused, or null.</returns>
    public static PortRefusal? Now(RegistryParts parts, in PortRequest request, ILease? made, out ILease? lease)
    {
        lease = made;
        PortRefusal? refusal = Check(parts, request, out byte strategy);
        if (refusal is null)
        {
            lease ??= parts.NewLease(request, null);
            refusal = StepsNow(parts, lease, request, strategy);
        }

        if (refusal is not null)
        {
            parts.Metrics.Refused(refusal.Reason);
            if (lease is not null)
            {
                LeaseOutcome.EndTrace(lease, refusal);   // it was never granted
            }
        }

        return refusal;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]   // its locals, more than 1,000 bytes, are not cleared on the way past it
    private static PortRefusal? StepsNow(RegistryParts parts, ILease lease, in PortRequest request, byte strategy)
    {
        Acquisition acquisition = new(parts, lease, request, strategy);
        return Confirmation.NowOrThrown(ref acquisition);
    }

    /// <summary>Acquires over the turns of a store, or at once where there is nothing to wait
    /// for.</summary>
    public static async Task<PortRefusal?> RunAsync(RegistryParts parts, ILease lease, PortRequest request)
    {
        byte strategy;
        PortRefusal? refusal;
        try
        {
            refusal = Check(parts, request, out strategy)
                ?? (lease.Acquirer is { IsConnected: false } session ? Refusals.SessionEnded(session, request.Owner, request.Protocol) : null);
        }
        catch (Exception exception)
        {
            LeaseOutcome.EndTrace(lease, exception);   // which began with the lease
            throw;
        }

        if (refusal is null)
        {
            Completed<Acquisition> completed = await new Confirmation(parts)
                .RunAsync(new Acquisition(parts, lease, request, strategy)).ConfigureAwait(false);
            refusal = completed.Refusal;
        }

        if (refusal is not null)
        {
            lease.SetOutcome(refusal);
            parts.Metrics.Refused(refusal.Reason);
        }

        return refusal;
    }

    public Answer Step() => Confirmation.AfterPendingEnds(Confirmation.MayBringPorts(_parts), Try(_parts.NowMs), ref _hasWaited);

    public readonly PortRefusal? WhenStoreFails(Exception failure) =>
        _isPushed ? null : Refusals.StoreFailed(_hunt.Owner.Owner, _hunt.Owner.Protocol, failure);

    public readonly void WhenThrown(Exception exception)
    {
        if (_replaced is null)
        {
            LeaseOutcome.EndTrace(_lease, exception);   // nobody gets it; one that was to move is open still
        }
    }

    private Answer Try(long now)
    {
        ClaimView standing = default;
        Publication published;
        if (_isPushed)
        {
            published = Finish(now);
        }
        else
        {
            Answer found = FindOrUndo(now);
            if (found.Kind != AnswerKind.Done)
            {
                return found;
            }

            published = Publish(now, out standing);
        }

        _isPushed = published == Publication.Pending;
        if (published is not (Publication.Done or Publication.Pending))
        {
            Undo(now);
        }
        else if (published == Publication.Done)
        {
            _parts.ThrowIfLate(new ClaimView(_hunt.Claim));
            _parts.ThrowIfLate(new ClaimView(_hunt.Twin));
        }

        return AnswerOf(published, standing);
    }

    /// <summary>Steps 1 and 2 alone: the claims are in their slots, under the guard, and nothing
    /// else of it is to be seen.</summary>
    public Answer Prepare(long now) => FindOrUndo(now);

    /// <summary>Step 1 alone.</summary>
    public Answer LookAtOwners(long now)
    {
        _parts.ThrowIfDisposed();
        _hunt.After = 0;
        Answer looked = LookAtOwner(_hunt.Owner, _replaced, now);
        return looked.Kind == AnswerKind.Done && _hunt.Both ? LookAtOwner(UdpOwner, _replacedTwin, now) : looked;
    }

    /// <summary>The lease says what was found.</summary>
    public readonly void Grant() => _lease.Grant(_hunt.Claim!, _hunt.Twin);

    /// <summary>Step 3 alone: the claims top their owners, and stay pending.</summary>
    public readonly Publication Push(long now, out ClaimView standing)
    {
        bool unlessServed = _hunt.Request.UnlessServed;
        Publication pushed = _parts.Table.Push(_hunt.Claim!, _hunt.Owner, unlessServed, now, out standing);
        return pushed == Publication.Done && _hunt.Both ? _parts.Table.Push(_hunt.Twin!, UdpOwner, unlessServed, now, out standing) : pushed;
    }

    /// <summary>What a step that is not done is answered with.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]   // seldom needed: its locals are not cleared on the way past it
    public readonly Answer AnswerOf(Publication published, ClaimView standing) => published switch
    {
        Publication.Done => Answer.Done,
        Publication.Pending => Answer.Wait(AwaitedFact.Own),
        Publication.Raced or Publication.Lost => Answer.Again,
        Publication.AlreadyReserved => Refusals.AlreadyReserved(_hunt.Owner.Owner, standing, _parts),
        Publication.LeaseGone => Refusals.LeaseOver(_lease),
        Publication.TooManyOwners => Refusals.TooManyOwners(_hunt.Owner.Owner, _hunt.Request.Protocol, _parts.Settings.MaxOwners),
        Publication.StoreFailed => Refusals.StoreFailed(_hunt.Owner.Owner, _hunt.Owner.Protocol, _parts.Journal!.LastFailure),
        Publication.Waits => Answer.Wait(AwaitedFact.OfOwner),
    };

    private Answer FindOrUndo(long now)
    {
        try
        {
            return Find(now);
        }
        catch
        {
            Undo(now);   // whatever failed there: nothing stays half taken
            throw;
        }
    }

    /// <summary>Looks at the owner, and finds a port.</summary>
    private Answer Find(long now)
    {
        _parts.ThrowIfDisposed();
        _hunt.After = 0;
        Answer looked = LookAtOwner(_hunt.Owner, _replaced, now);
        if (looked.Kind == AnswerKind.Done && _hunt.Both)
        {
            looked = LookAtOwner(UdpOwner, _replacedTwin, now);
        }

        Answer found = looked.Kind == AnswerKind.Done ? _hunt.Find(now) : looked;
        if (found.Kind == AnswerKind.Done && _replaced is null)
        {
            _lease.Grant(_hunt.Claim!, _hunt.Twin);   // nobody else has this lease yet; one that is healed follows when the new claim takes effect
        }

        return found;
    }

    /// <summary>Whether an open lease stands in the way, or a registration that is to be left alone
    /// or that who acquires has no right to. Ends the owner's registration on the way when its
    /// process is dead: the old entry is cleaned up.</summary>
    private Answer LookAtOwner(OwnerKey owner, PortClaim? replaced, long now)
    {
        bool hasNothing = _parts.Table.HasNothing(owner, out _, out long epoch);
        _hunt.After = Math.Max(_hunt.After, epoch);
        return hasNothing ? Answer.Done : HoldAgainst(owner, replaced, now);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]   // seldom needed: its locals are not cleared on the way past it
    private Answer HoldAgainst(OwnerKey owner, PortClaim? replaced, long now)
    {
        _parts.LoseIfOver(owner.Owner);
        OwnerView has = _parts.Table.Look(owner, now);
        if (has.IsNone)
        {
            return Answer.Done;
        }

        if (has.Waits)
        {
            return Answer.Wait(AwaitedFact.OfOwner);
        }

        _hunt.After = Math.Max(_hunt.After, Math.Max(has.TopEpoch, replaced?.Epoch ?? 0));   // a sign-in beside the lease lies above it
        if (SessionHolder.Of(has.Served) is { } session)
        {
            SessionHolder? acquirer = replaced is null ? _lease.Acquirer : null;
            if (!session.CheckAlive())
            {
                _parts.Table.TryEnd(has.Served, session.EndCause, now);
            }
            else if (_hunt.Request.UnlessServed)
            {
                return Refusals.AlreadyServed(owner.Owner, _parts.Entries.Of(has.Served));
            }
            else if (acquirer is not null && !OwnerRights.SpeaksFor(acquirer, has.Served))
            {
                return Refusals.NotOwner(owner.Owner, has.Served, acquirer);
            }
        }

        return has.Lease.IsNone || ReferenceEquals(has.Lease.Claim, replaced)
            ? Answer.Done
            : Refusals.AlreadyReserved(owner.Owner, has.Lease, _parts);
    }

    private readonly Publication Publish(long now, out ClaimView standing)
    {
        if (_hunt.Both && (_parts.Table.Confirms || _replaced is not null))
        {
            // Once both are in their place their facts come to the disk together, and both halves of
            // a lease can move.
            Publication pushed = Push(now, out standing);
            return pushed == Publication.Done ? Finish(now) : pushed;
        }

        bool unlessServed = _hunt.Request.UnlessServed;
        Publication published = _parts.Table.Publish(_hunt.Claim!, _hunt.Owner, unlessServed, now, out standing);
        return published is Publication.Done or Publication.Pending && _hunt.Both
            ? OfBoth(published, _parts.Table.Publish(_hunt.Twin!, UdpOwner, unlessServed, now, out standing))
            : published;
    }

    private readonly Publication Finish(long now)
    {
        Publication finished = _parts.Table.FinishLease(_hunt.Claim!, now);
        return finished is Publication.Done or Publication.Pending && _hunt.Both
            ? OfBoth(finished, _parts.Table.FinishLease(_hunt.Twin!, now))
            : finished;
    }

    /// <summary>What became of two claims of which the first is there.</summary>
    private static Publication OfBoth(Publication first, Publication second) => second == Publication.Done ? first : second;

    /// <summary>All or nothing: takes back what there is, so that it may begin again.</summary>
    public void Undo(long now)
    {
        _hunt.Undo(now);
        _isPushed = false;
    }

    private static PortRefusal? CheckPorts(RegistryParts parts, in PortRequest request)
    {
        _ = parts.Pools.Find(request.Ports, out string? complaint);
        return complaint is null ? null : Refusals.InvalidPorts(request, complaint);
    }

    private static PortRefusal? CheckPrevious(RegistryParts parts, in PortRequest request) =>
        request.PreviousPort is < 0 or > 65_535
            ? Refusals.InvalidPort(request.Owner, request.PreviousPort, request.Protocol, "leave it null when there was none")
        : request.PreviousPort != 0 && request.Reuse == PortReuse.Require && !parts.HandsOut(request.PreviousPort, request)
            ? Refusals.NotHandedOut(request, parts.Settings)
        : null;
}
