namespace Portmap.Interleaving.Tests.Histories;

/// <summary>The rules of the design for one protocol, one call at a time: whether a call may have
/// had its answer in a state, and the state after it.</summary>
internal sealed class ProtocolSpecification(Scenario scenario)
{
    private readonly int _ports = scenario.Ports;

    public bool TryApply(in ProtocolState state, in Call call, out ProtocolState next)
    {
        next = state;
        bool applies = TryApplyCore(in state, in call, ref next);
        next = call.Kind switch
        {
            CallKind.Acquire => next.Touched(call.Owner, -1),
            CallKind.AcquireAll or CallKind.AcquireBlock => next.Touched(call.Owner, -1).Touched(call.SecondOwner, -1),
            CallKind.Register or CallKind.RegisterLease or CallKind.RegisterAgain => next.Touched(call.Owner, call.Port),
            CallKind.ReportBindFailure => next.Touched(call.Owner, -1),
            _ => next,
        };
        next = scenario.Cools ? next : next with { SurelyCools = 0, MayCool = 0 };
        return applies;
    }

    private bool TryApplyCore(in ProtocolState state, in Call call, ref ProtocolState next)
    {
        switch (call.Kind)
        {
            case CallKind.Acquire or CallKind.AcquireOwn:
                return call.Succeeded ? TryAcquire(in state, in call, ref next) : MayRefuseAcquire(in state, in call);
            case CallKind.AcquireAll or CallKind.AcquireBlock:
                return call.Succeeded ? TryAcquireBoth(in state, in call, ref next) : MayRefuseBoth(in state, in call);
            case CallKind.Register or CallKind.RegisterLease or CallKind.RegisterAgain:
                return call.Succeeded ? TryRegister(in state, in call, ref next) : MayRefuseRegister(in state, in call);
            case CallKind.Release:
                return TryRelease(in state, in call, ref next);
            case CallKind.ReleaseLease or CallKind.ReleaseEpoch:
                return TryReleaseLease(in state, in call, ref next);
            case CallKind.ReportBindFailure:
                return TryReportBindFailure(in state, in call, ref next);
            case CallKind.Extend:
                return TryExtend(in state, in call, ref next);
            case CallKind.OpenGate:
                return true;   // what the table says stays as it is; what is said of the gate is held against the kernel
            case CallKind.FindPort:
                return call.AnswerPort == state[call.Owner].Port;
            case CallKind.FindByOwner:
                return IsByOwner(state[call.Owner], in call);
            case CallKind.FindByPort:
                return IsByPort(in state, in call);
            case CallKind.Die:
                Die(in state, in call, ref next);
                return true;
            case CallKind.Pass:
                next = next with { SurelyCools = 0, MayCool = 0 };
                return true;
            case CallKind.Expire:
                return TryExpire(in state, in call, ref next);
            case CallKind.Take:
                next = state.With(call.Owner, state[call.Owner].WithoutLease()).Cool(state[call.Owner].LeasePort, in call);
                return state[call.Owner].LeaseEpoch == call.Epoch;
            case CallKind.EndHalf:
                next = state[call.Owner].LeaseEpoch == call.Epoch ? state.With(call.Owner, state[call.Owner].WithoutLease()).Cool(state[call.Owner].LeasePort, in call) : state;
                return true;   // it may have been ended by a call that names it
            default:
                return false;
        }
    }

    private bool TryAcquire(in ProtocolState state, in Call call, ref ProtocolState next)
    {
        OwnerState owner = state[call.Owner];
        long epoch = call.AnswerEpoch;
        next = state.With(call.Owner, owner with { LeaseEpoch = epoch, LeasePort = call.AnswerPort, Granted = epoch, HighestLease = epoch }).Warm(call.AnswerPort).Seen(call.AnswerPort, epoch);
        return !owner.HasLease && epoch > owner.HighestEpoch && epoch > state.HighestOn(call.AnswerPort)
            && (call.Kind == CallKind.AcquireOwn ? call.AnswerPort == 0
                : MayHandOut(call.AnswerPort, call.Owner) && !state.IsHeld(call.AnswerPort) && (!state.SurelyCoolsOn(call.AnswerPort) || MayHaveItsOwn(in owner, in call)));
    }

    private bool MayHandOut(int port, int owner) => port >= 1 && port <= _ports && (!scenario.KeepsOne || port != Scenario.KeptPort || owner == Scenario.KeptFor);

    /// <summary>Its own port cools for everybody but the owner: the one that is kept for it, and
    /// under guards the one on which its process died.</summary>
    private bool MayHaveItsOwn(in OwnerState owner, in Call call) =>
        (scenario.KeepsOne && call.AnswerPort == Scenario.KeptPort && call.Owner == Scenario.KeptFor) || (scenario.IsGuarded && owner.Last.Port == call.AnswerPort);

    private static bool TryExtend(in ProtocolState state, in Call call, ref ProtocolState next)
    {
        OwnerState owner = state[call.Owner];
        bool isOpen = owner.HasLease && owner.Granted == call.Granted;
        next = isOpen && call.Succeeded ? state.With(call.Owner, owner with { IsExtended = true }) : state;
        return call.Succeeded ? isOpen
            : call.Reason == PortRefusalReason.LeaseEnded && (!isOpen || call.IsOfUncertainTime || call.Rivals > 0);   // its time is closed, or it is used up, a little before it ends
    }

    /// <summary>The lease goes on with another port at one moment; that the old one is a stranger's
    /// shows a little later.</summary>
    private bool TryReportBindFailure(in ProtocolState state, in Call call, ref ProtocolState next)
    {
        OwnerState owner = state[call.Owner];
        bool isOpen = owner.HasLease && owner.LeaseEpoch == call.Epoch;
        if (!call.Succeeded)
        {
            // One that is refused for want of ports ends the lease.
            bool endsIt = isOpen && call.Reason is PortRefusalReason.Exhausted or PortRefusalReason.AttemptsExhausted;
            next = endsIt ? state.With(call.Owner, owner.WithoutLease()) : state;
            next = call.Reason == PortRefusalReason.StoreFailed ? next : next.Foreign(call.Port);   // it could not be bound, whatever became of the lease
            return endsIt ? call.Reason == PortRefusalReason.AttemptsExhausted || MayBeExhausted(in state, in call)
                : call.Reason switch
                {
                    PortRefusalReason.LeaseEnded => !isOpen || call.Rivals > 0,
                    PortRefusalReason.StoreFailed => scenario.StoreFails,
                    _ => !isOpen && call.Reason is PortRefusalReason.Exhausted or PortRefusalReason.AlreadyReserved,   // it ended as another port was looked for
                };
        }

        if (call.AnswerEpoch == call.Epoch)
        {
            return !isOpen || call.Rivals > 0;   // the lease was over, and got no other port
        }

        next = state.With(call.Owner, owner with { LeaseEpoch = call.AnswerEpoch, LeasePort = call.AnswerPort, HighestLease = call.AnswerEpoch })
            .Warm(call.AnswerPort).Seen(call.AnswerPort, call.AnswerEpoch).Foreign(owner.LeasePort);
        return isOpen && call.AnswerEpoch > owner.HighestEpoch && call.AnswerEpoch > state.HighestOn(call.AnswerPort) && call.AnswerPort != owner.LeasePort
            && MayHandOut(call.AnswerPort, call.Owner) && !state.IsHeld(call.AnswerPort) && (!state.SurelyCoolsOn(call.AnswerPort) || MayHaveItsOwn(in owner, in call));
    }

    /// <summary>Both at one moment.</summary>
    private bool TryAcquireBoth(in ProtocolState state, in Call call, ref ProtocolState next)
    {
        Call[] both = [.. call.Acquisitions];
        return TryAcquire(in state, in both[0], ref next) && next is var between && TryAcquire(in between, in both[1], ref next)
            && (call.Kind == CallKind.AcquireAll || call.SecondPort == call.AnswerPort + 1);
    }

    private bool MayRefuseBoth(in ProtocolState state, in Call call)
    {
        if (call.Reason == PortRefusalReason.AlreadyReserved)
        {
            return state[call.Owner].HasLease || state[call.SecondOwner].HasLease || call.MeetsBoth;
        }

        // Each call under way may hide a port, and stand between two.
        int free = 0, pairs = 0;
        for (int port = 1; port <= _ports; port++)
        {
            bool isFree = state.IsSurelyFree(port) && (MayHandOut(port, call.Owner) || MayHandOut(port, call.SecondOwner));
            free += isFree ? 1 : 0;
            pairs += isFree && port < _ports && MayHandOut(port, call.Owner) && state.IsSurelyFree(port + 1) && MayHandOut(port + 1, call.SecondOwner) ? 1 : 0;
        }

        return (call.Reason == PortRefusalReason.StoreFailed && scenario.StoreFails)
            || (call.Reason == PortRefusalReason.Exhausted && (scenario.StoreFails || (call.Kind == CallKind.AcquireAll ? free < 2 + call.Rivals : pairs <= 2 * call.Rivals)));
    }

    private bool MayRefuseAcquire(in ProtocolState state, in Call call)
    {
        return call.Reason switch
        {
            PortRefusalReason.AlreadyReserved => state[call.Owner].HasLease || call.MeetsBoth,
            PortRefusalReason.Exhausted => call.Kind == CallKind.Acquire && MayBeExhausted(in state, in call),
            PortRefusalReason.StoreFailed => scenario.StoreFails,
            _ => false,
        };
    }

    /// <summary>A port that a call under way is about to take or to give back is found by nobody
    /// else, so each may hide one; one whose end could not be written is nobody's.</summary>
    private bool MayBeExhausted(in ProtocolState state, in Call call)
    {
        int free = 0;
        for (int port = 1; port <= _ports; port++)
        {
            free += state.IsSurelyFree(port) && MayHandOut(port, call.Owner) ? 1 : 0;
        }

        return free <= call.Rivals || scenario.StoreFails;
    }

    private static bool TryRegister(in ProtocolState state, in Call call, ref ProtocolState next)
    {
        OwnerState owner = state[call.Owner];
        long epoch = call.AnswerEpoch;
        if (owner.Port == call.Port && owner.Process == call.Process && owner.Epoch == epoch && (call.Epoch == 0 || owner.IsOf(call.Epoch)))
        {
            return true;   // the same again
        }

        bool usesLease = owner.HasLease && (owner.LeasePort == 0 || owner.LeasePort == call.Port)
            && (call.Epoch == owner.LeaseEpoch || (call.Epoch == 0 && (owner.LeasePort != 0 || !owner.IsBound || owner.Process != call.Process)));
        bool isOfOwner = !owner.IsBound || owner.Process == call.Process;
        bool isLast = call.Epoch == 0 || owner.IsOf(call.Epoch) || owner.IsAgain(call.Epoch);
        if (!(usesLease ? isOfOwner || call.Epoch == owner.LeaseEpoch : isOfOwner && isLast) || !IsRanked(in state, in call, usesLease) || !IsOpenTo(in state, in call, alsoLeases: true))
        {
            return false;
        }

        long origin = usesLease ? owner.LeaseEpoch : call.Epoch == 0 ? epoch : owner.IsBound ? owner.Origin : owner.Last.Origin;
        // One whose process died since it was looked at takes effect and is gone at once.
        OwnerState registered = (usesLease ? owner.WithoutLease() : owner) with
        {
            Port = call.Port,
            Process = call.Process,
            Epoch = epoch,
            Origin = origin,
            BoundOf = usesLease ? owner.Granted : call.Epoch == 0 ? 0 : owner.BoundOf,
            HighestBound = epoch,
        };
        bool isDead = state.IsDead(call.Process);
        next = state.With(call.Owner, isDead ? registered.WithoutRegistration() : registered).Warm(call.Port).Seen(call.Port, epoch);
        next = owner.IsBound && owner.Port != call.Port ? next.Cool(owner.Port, in call) : next;
        next = isDead ? next.Cool(call.Port, in call) : next;
        return true;
    }

    private bool MayRefuseRegister(in ProtocolState state, in Call call)
    {
        OwnerState owner = state[call.Owner];
        return call.Reason switch
        {
            PortRefusalReason.Conflict => (owner.IsBound && owner.Process != call.Process && (call.Epoch == 0 || call.Epoch != owner.LeaseEpoch)) || !IsOpenTo(in state, in call, alsoLeases: false),
            PortRefusalReason.Stale => call.Epoch != 0 && call.Epoch != owner.LeaseEpoch && (!owner.IsAgain(call.Epoch) || owner.Last.IsForgotten || call.HasRivalOwners)
                && !(owner.IsOf(call.Epoch) && (owner.Process == call.Process || !owner.HasLease)),
            PortRefusalReason.WrongPort => call.Epoch != 0 && call.Epoch == owner.LeaseEpoch && owner.LeasePort != 0 && owner.LeasePort != call.Port,
            PortRefusalReason.StoreFailed => scenario.StoreFails,
            PortRefusalReason.NotListening => scenario.IsGuarded && (owner.IsBound || call.Rivals > 0 || state.Dead != 0 || !state.IsSurelyFree(call.Port)),   // it takes something, or a placeholder is there, and nobody listens
            PortRefusalReason.ProcessDead => state.IsDead(call.Process),
            PortRefusalReason.SessionEnded => state.IsDead(call.Process) || call.Rivals > 0,   // the connection of one that dies breaks off before it shows as dead
            _ => false,
        };
    }

    /// <summary>Of two claims on one port, or of one owner, the later one has the higher epoch. One
    /// that signs in beside an open lease may rank below that lease.</summary>
    private static bool IsRanked(in ProtocolState state, in Call call, bool usesLease)
    {
        OwnerState owner = state[call.Owner];
        long epoch = call.AnswerEpoch, onPort = state.HighestOn(call.Port);
        bool isBesideLease = !usesLease && (owner.HasLease || call.Rivals > 0);   // the lease may have ended since the registration began beside it
        return usesLease && epoch == owner.LeaseEpoch ? epoch >= onPort && epoch > owner.HighestBound
            : epoch > onPort && epoch > owner.HighestBound && (epoch > owner.HighestLease || (isBesideLease && epoch > owner.HighestLease - Table.EpochSource.Spacing));
    }

    /// <summary>Whether nobody but other owners of the same process is on the port.</summary>
    private static bool IsOpenTo(in ProtocolState state, in Call call, bool alsoLeases)
    {
        for (int other = 0; other < 3; other++)
        {
            OwnerState held = state[other];
            if (other != call.Owner && ((held.Port == call.Port && held.Process != call.Process) || (alsoLeases && held.HasLease && held.LeasePort == call.Port)))
            {
                return false;
            }
        }

        return true;
    }

    private static bool TryRelease(in ProtocolState state, in Call call, ref ProtocolState next)
    {
        OwnerState owner = state[call.Owner];
        if (!call.Succeeded)
        {
            return call.Reason == PortRefusalReason.NotOwner && (owner.IsBound ? owner.Process != call.Process : owner.HasLease || call.MeetsBoth);
        }

        if (owner.IsBound)
        {
            next = state.With(call.Owner, owner.WithoutRegistration()).Cool(owner.Port, in call);
            return owner.Process == call.Process;
        }

        return !owner.HasLease || state.Dead != 0;   // what it released may be of a dead process, which had ended before
    }

    private static bool TryReleaseLease(in ProtocolState state, in Call call, ref ProtocolState next)
    {
        OwnerState owner = state[call.Owner];
        if (!call.Succeeded)
        {
            return call.Reason == PortRefusalReason.Stale && owner.LeaseEpoch != call.Epoch && !owner.IsOf(call.Epoch) && owner.NewestEpoch > call.Epoch;
        }

        if (call.Granted != 0 ? owner.HasLease && owner.Granted == call.Granted : owner.LeaseEpoch == call.Epoch)
        {
            next = state.With(call.Owner, owner.WithoutLease()).Cool(owner.LeasePort, in call);
        }
        else if (owner.IsOf(call.Epoch) || (call.Granted != 0 && owner.BoundOf == call.Granted))
        {
            next = state.With(call.Owner, owner.WithoutRegistration()).Cool(owner.Port, in call);
        }
        else
        {
            return owner.NewestEpoch < call.Epoch;
        }

        return true;
    }

    private static bool IsByOwner(OwnerState owner, in Call call) => call.State switch
    {
        PortState.Bound => owner.IsBound && (call.AnswerPort, call.AnswerProcess, call.AnswerEpoch) == (owner.Port, owner.Process, owner.Epoch),
        PortState.Reserved => !owner.IsBound && owner.HasLease && (call.AnswerPort, call.AnswerEpoch) == (owner.LeasePort, owner.LeaseEpoch),
        _ => !owner.IsBound && !owner.HasLease,
    };

    private bool IsByPort(in ProtocolState state, in Call call)
    {
        OwnerState owner = call.AnswerOwner >= 0 ? state[call.AnswerOwner] : default;
        return call.State switch
        {
            PortState.Bound => (call.Port, call.AnswerProcess, call.AnswerEpoch) == (owner.Port, owner.Process, owner.Epoch),
            PortState.Reserved => owner.HasLease && (call.Port, call.AnswerEpoch) == (owner.LeasePort, owner.LeaseEpoch),
            // Until its end is on disk a port shows as Cooling; the end that a pass or a death
            // brings is written after it.
            PortState.Cooling => !state.IsHeld(call.Port) && (state.MayCoolOn(call.Port) || state.Dead != 0 || scenario.IsStored),
            PortState.Foreign => !state.IsHeld(call.Port) && (state.MayBeForeignOn(call.Port) || call.Rivals > 0),
            // A claim under way that has its slot hides what cooled there, and is no entry yet.
            _ => !state.IsHeld(call.Port) && (!state.SurelyCoolsOn(call.Port) || call.Rivals > 0),
        };
    }

    private static void Die(in ProtocolState state, in Call call, ref ProtocolState next)
    {
        next = state with { Dead = (byte)(state.Dead | (1 << call.Process)) };
        for (int owner = 0; owner < 3; owner++)
        {
            OwnerState held = next[owner];
            if (held.IsBound && held.Process == call.Process)
            {
                next = next.With(owner, held.WithoutRegistration()).Cool(held.Port, in call);
            }
        }
    }

    private static bool TryExpire(in ProtocolState state, in Call call, ref ProtocolState next)
    {
        OwnerState owner = state[call.Owner];
        if (!call.Succeeded)
        {
            // One that a registration under way has used up is left to it, though lookups still
            // show it.
            return owner.LeaseEpoch != call.Epoch || owner.IsExtended || call.Rivals > 0;
        }

        next = state.With(call.Owner, owner.WithoutLease()).Cool(owner.LeasePort, in call);
        return owner.LeaseEpoch == call.Epoch && !owner.IsExtended;
    }
}
