using System.Runtime.CompilerServices;
using Portmap.Guarding;
using Portmap.Table;

namespace Portmap.Operations;

/// <summary>A process says: I listen on this port for this owner.</summary>
/// <remarks>
/// <code>
///   1. decide the right to the owner          from what it has; refused, or what there is stands already
///   2. prove that somebody listens            where it takes something from another one
///   3. give it its epoch
///   4. push a pending claim on the owner      fails if anybody else did since 1: begin again
///   5. finish it                              it takes the slot of its port, is written where the registry confirms, uses up
///                                             its lease; then Bound: lookups change here
/// </code>
/// </remarks>
internal struct Registration : IOperation
{
    private readonly RegistryParts _parts;
    private readonly SessionHolder _session;
    private WantedRegistration _wanted;
    private PortClaim? _claim;      // it tops its owner
    private ILease? _lease;         // which the claim uses up
    private PortClaim? _beside;
    private long _epochBeside;
    private bool _hasProof;         // the kernel's list was asked, and somebody listens

    /// <param name="parts">What it works with.</param>
    /// <param name="session">Who says it.</param>
    /// <param name="request">What it says; checked.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]   // so that it is made where it is to be, without a copy
    public Registration(RegistryParts parts, SessionHolder session, in PortClaimRequest request)
    {
        _parts = parts;
        _session = session;
        OwnerKey owner = parts.Table.Key(request.Protocol, request.Owner);
        _wanted = new WantedRegistration(owner, request.Port ?? 0, parts.Fence.Resolve(owner, request.Epoch ?? 0, session));
    }

    /// <summary>When all is done, the claim that stands.</summary>
    public readonly ClaimView Registered => new(_claim);

    /// <summary>What is wrong with a registration, before anything is done. Looks at the
    /// process.</summary>
    public static PortRefusal? Check(RegistryParts parts, SessionHolder session, in PortClaimRequest request, long now)
    {
        parts.ThrowIfDisposed();
        Place place = new(request.Owner, request.Port ?? 0, request.Protocol);
        return Refusals.CheckOwnerAndProtocol(request.Owner, request.Protocol, both: false)
            ?? (place.Port is < 1 or > 65_535 ? Refusals.InvalidPort(place.Owner, place.Port, place.Protocol, "register the port the process listens on") : null)
            ?? (session.IsConnected || session.IsDead ? null : Refusals.SessionEnded(session, request.Owner, request.Protocol))
            ?? (session.CheckAliveToRegister(now) ? null : Refusals.ProcessDead(place, session.ProcessId));
    }

    /// <summary>Registers on a registry that does not confirm.</summary>
    public static PortRefusal? Now(RegistryParts parts, SessionHolder session, in PortClaimRequest request, out PortEntry entry)
    {
        long now = parts.NowMs;
        if (PlainRegistration.Fits(parts, session, request, now) && PlainRegistration.TryRegister(parts, session, request, now, out ClaimView registered))
        {
            entry = parts.Entries.Of(registered);
            return null;
        }

        entry = default;
        PortRefusal? refusal = Check(parts, session, request, now) ?? StepsNow(parts, session, request, out entry);
        if (refusal is not null)
        {
            parts.Metrics.Refused(refusal.Reason);
        }

        return refusal;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]   // its locals are not cleared on the way past it
    private static PortRefusal? StepsNow(RegistryParts parts, SessionHolder session, in PortClaimRequest request, out PortEntry entry)
    {
        Registration registration = new(parts, session, request);
        PortRefusal? refusal = Confirmation.Now(ref registration);
        entry = refusal is null ? parts.Entries.Of(registration.Registered) : default;
        return refusal;
    }

    /// <summary>Registers, after it was verified where the options want that, and over the turns of
    /// a store that confirms.</summary>
    public static async Task<PortEntry> RunAsync(RegistryParts parts, SessionHolder session, PortClaimRequest request, CancellationToken cancellationToken)
    {
        if (parts.Settings.VerifyListening)
        {
            PortRefusal? unproven = await VerifyAsync(parts, session, request).WaitAsync(cancellationToken).ConfigureAwait(false);
            ThrowIfRefused(parts, unproven);
        }

        if (parts.Table.Confirms)
        {
            return await ConfirmAsync(parts, session, request).WaitAsync(cancellationToken).ConfigureAwait(false);
        }

        Now(parts, session, request, out PortEntry entry)?.Throw();
        return entry;
    }

    public Answer Step()
    {
        long now = _parts.NowMs;
        if (_claim is not null)
        {
            Answer finished = Finish(now);
            if (finished.Kind != AnswerKind.Again)
            {
                return finished;
            }
        }

        return Begin(now);
    }

    public readonly PortRefusal? WhenStoreFails(Exception failure) =>
        _claim is not null ? null : Refusals.StoreFailed(_wanted.Owner.Owner, _wanted.Owner.Protocol, failure);

    private static async Task<PortEntry> ConfirmAsync(RegistryParts parts, SessionHolder session, PortClaimRequest request)
    {
        ThrowIfRefused(parts, Check(parts, session, request, parts.NowMs));
        Completed<Registration> completed = await new Confirmation(parts).RunAsync(new Registration(parts, session, request)).ConfigureAwait(false);
        ThrowIfRefused(parts, completed.Refusal);
        return parts.Entries.Of(completed.Operation.Registered);
    }

    /// <summary>Whether what a process says is so: null, or why it is not believed.</summary>
    private static async Task<PortRefusal?> VerifyAsync(RegistryParts parts, SessionHolder session, PortClaimRequest request)
    {
        if (request.Port is not (>= 1 and <= 65_535 and int port) || request.Protocol is not (PortProtocol.Tcp or PortProtocol.Udp))
        {
            return null;   // registering refuses it with the better reason
        }

        ListenTable ours = await parts.Listeners.ReadAsync(request.Protocol).ConfigureAwait(false);
        return ListenerCheck.Refuse(new(request.Protocol, port, session.Process, parts.Settings.VerifyProcess), request.Owner, ours);
    }

    private static void ThrowIfRefused(RegistryParts parts, PortRefusal? refusal)
    {
        if (refusal is not null)
        {
            parts.Metrics.Refused(refusal.Reason);
            refusal.Throw();
        }
    }

    /// <summary>Steps 1 to 4.</summary>
    private Answer Begin(long now)
    {
        _parts.LoseIfOver(_wanted.Owner.Owner);
        OwnerView seen = _parts.Table.Look(_wanted.Owner, now);
        if (seen.Waits)
        {
            return Answer.Wait(AwaitedFact.OfOwner);
        }

        RegistrationRight right = RegistrationRight.Decide(_wanted, _session, Claims(seen, now), _parts.Fence, out PortRefusal? refusal);
        refusal ??= Prove(right);
        if (refusal is not null)
        {
            return refusal;
        }

        if (right.Standing is not null)
        {
            _claim = right.Standing;
            return Answer.Done;
        }

        _parts.ThrowIfDisposed();
        return Push(seen, Rank(ref right, seen), right);
    }

    private readonly OwnerClaims Claims(in OwnerView seen, long now)
    {
        ClaimView bound = seen.Served;
        if (bound.Holder is { IsOver: true } over)
        {
            _parts.Table.TryEnd(bound, over.EndCause, now);
            bound = default;
        }

        return new OwnerClaims(seen.Lease, bound);
    }

    /// <summary>Asks the kernel, once, where it replaces a registration, ends the lease of another
    /// owner, makes a stranger's port its own, or claims one that a placeholder keeps everybody
    /// off. A lease that comes to the port after this look is one whose placeholder was put there
    /// in spite of who listens: nobody does.</summary>
    private PortRefusal? Prove(in RegistrationRight right)
    {
        if (_hasProof || right.Standing is not null || !_parts.AsksTheKernel)
        {
            return null;
        }

        return Ask(right);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]   // seldom needed: its locals are not cleared on the way past it
    private PortRefusal? Ask(in RegistrationRight right)
    {
        (string owner, int port, PortProtocol protocol) = _wanted.Place;
        bool isKept = _parts.Guard.KeepsOut(protocol, port, right.UsesUp?.Epoch ?? 0, out bool isPassed);
        if (!right.Replaces && !isKept && !_parts.Table.Ports.IsForeignOrReserved(protocol, port, owner))
        {
            return null;
        }

        PortRefusal? refusal = ListeningProof.Demand(new(protocol, port, _session.Process, IsOwnSocket: isPassed), owner, isKept, _parts.Listeners);
        _hasProof = refusal is null;
        return refusal;
    }

    /// <summary>The epoch of a registration: that of what it goes on with, unless something on its
    /// port or of its owner came later; then one above both.</summary>
    private long Rank(ref RegistrationRight right, in OwnerView seen)
    {
        long onPort = _parts.Table.Ports.HighestEpoch(_wanted.Owner.Protocol, _wanted.Port), ofOwner = seen.HighestEpoch();
        long rank = RankOf(ref right, seen, onPort, ofOwner);
        if (rank == 0)
        {
            return _parts.Epochs.Next(Math.Max(Math.Max(onPort, ofOwner), _parts.Table.MarkOf(_wanted.Owner)));
        }

        if (rank < ofOwner)
        {
            _parts.Table.RaiseMark(_wanted.Owner, ofOwner);   // it will lie on top of a higher one, which may go before it does
        }

        return rank;
    }

    /// <summary>The epoch that a registration may keep, or 0.</summary>
    private long RankOf(ref RegistrationRight right, in OwnerView seen, long onPort, long ofOwner)
    {
        if (right.UsesUp is { IsLease: false })
        {
            return right.Epoch;   // it goes on as what it is
        }

        if (right.UsesUp is { } lease)
        {
            // Its number is from before the port was known. The worker is told the new one; by the
            // old one it is still recognised.
            right.Origin = lease.Epoch;
            if (right.Replaces && lease.Port == 0 && _parts.Table.Confirms)
            {
                return 0;   // should it come to nothing its end is to be told, or it may outlive what it was to replace; by the lease's number that would be the lease's
            }

            return lease.Epoch >= Math.Max(onPort, ofOwner) && IsOfThisRun(lease) ? lease.Epoch : 0;
        }

        if (right.Beside is not { } beside)
        {
            return 0;
        }

        if (!ReferenceEquals(beside, _beside))
        {
            // Once per lease, however often this is tried again. Those below one of an earlier run
            // may have been drawn then.
            (_beside, _epochBeside) = (beside, IsOfThisRun(beside) ? PortTable.DrawBelow(beside) : 0);
        }

        if (_epochBeside > Math.Max(onPort, seen.HighestEpoch(except: _beside)))
        {
            return _epochBeside;
        }

        right.Origin = right.Origin != 0 ? right.Origin : beside.Epoch - 1;   // its fact outweighs what was before; the lease may replace it all the same
        return 0;
    }

    /// <summary>Of a lease of an earlier run nobody knows what has ended since it was acquired, on
    /// the port or beside it: the store may have forgotten that.</summary>
    private readonly bool IsOfThisRun(PortClaim lease) => lease.Epoch >= _parts.Epochs.First;

    private Answer Push(in OwnerView seen, long epoch, in RegistrationRight right)
    {
        NewClaim registration = new()
        {
            Protocol = _wanted.Owner.Protocol,
            Port = _wanted.Port,
            Epoch = epoch,
            Origin = right.Origin,
            Strategy = right.Strategy,
            Holder = _session,
            UsesUp = right.UsesUp ?? right.ReliesOn,
        };
        Publication pushed = _parts.Table.TryPush(seen.Place, _wanted.Owner, registration, isIdle: false, out PortClaim claim);
        if (pushed == Publication.TooManyOwners)
        {
            return Refusals.TooManyOwners(_wanted.Owner.Owner, _wanted.Owner.Protocol, _parts.Settings.MaxOwners);
        }

        _claim = pushed == Publication.Done ? claim : null;
        _lease = right.UsesUp?.Lease as ILease;
        return Answer.Again;
    }

    /// <summary>Step 5: what has become of the claim that tops the owner; it begins again when what
    /// stood in the way is gone.</summary>
    private Answer Finish(long now)
    {
        ClaimView claim = _parts.Table.FinishRegistration(_claim!, now);
        if (claim.WasBound)
        {
            _parts.ThrowIfLate(claim);
            if (_lease is { IsOpen: true } untold)
            {
                untold.OnRegistered(_claim!);   // whoever made it take effect may be suspended before it tells
            }

            if (_session.IsOver)
            {
                _parts.Table.TryEnd(claim, _session.EndCause, now);   // it died meanwhile, and the sweep may have passed before this took effect
            }

            return Answer.Done;
        }

        if (claim.IsPending)
        {
            return Answer.Wait(AwaitedFact.Own);
        }

        _claim = null;
        return claim.Cause switch
        {
            ClaimEnd.StoreFailed => Refusals.StoreFailed(_wanted.Owner.Owner, _wanted.Owner.Protocol, _parts.Journal!.LastFailure),
            ClaimEnd.PortHeld => RefuseHeld(now),
            _ => Answer.Again,
        };
    }

    /// <summary>Refused because of the process that keeps the port; not if that has ended
    /// meanwhile, or is dead.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]   // seldom needed: its locals are not cleared on the way past it
    private readonly Answer RefuseHeld(long now)
    {
        foreach (ClaimView holder in _parts.Table.Ports.Registrations(_wanted.Owner.Protocol, _wanted.Port))
        {
            SessionHolder process = SessionHolder.Of(holder)!;
            if (holder.Owner == _wanted.Owner.Owner || process.IsSameProcess(_session))
            {
                continue;
            }

            if (process.CheckAlive())
            {
                return Refusals.PortConflict(_wanted.Place, holder);
            }

            _parts.Table.TryEnd(holder, process.EndCause, now);
            break;
        }

        return Answer.Again;
    }
}
