namespace Portmap.Interleaving.Tests.Histories;

/// <summary>The rules of the design, one call at a time: whether a call may have had its answer in
/// a state, and the state after it.</summary>
/// <param name="ports">How many ports the range has.</param>
/// <param name="cools">Whether a released port cools, and is not handed out meanwhile; else there
/// is no delay.</param>
/// <param name="isStored">Whether an ending is written before its port is free.</param>
internal sealed class RegistrySpecification(int ports, bool cools, bool isStored)
{
    public bool TryApply(in RegistryState state, in Call call, out RegistryState next)
    {
        next = state;
        bool applies = TryApplyCore(in state, in call, ref next);
        next = call.Kind switch
        {
            CallKind.Acquire => next.Touched(call.Owner, -1),
            CallKind.AcquireAll or CallKind.AcquireBlock => next.Touched(call.Owner, -1).Touched(call.SecondOwner, -1),
            CallKind.Register or CallKind.RegisterLease => next.Touched(call.Owner, call.Port),
            _ => next,
        };
        next = cools ? next : next with { SurelyCools = 0, MayCool = 0 };
        return applies;
    }

    private bool TryApplyCore(in RegistryState state, in Call call, ref RegistryState next)
    {
        switch (call.Kind)
        {
            case CallKind.Acquire or CallKind.AcquireOwn:
                return call.Succeeded ? TryAcquire(in state, in call, ref next) : MayRefuseAcquire(in state, in call);
            case CallKind.AcquireAll or CallKind.AcquireBlock:
                return call.Succeeded ? TryAcquireBoth(in state, in call, ref next) : MayRefuseBoth(in state, in call);
            case CallKind.Register or CallKind.RegisterLease:
                return call.Succeeded ? TryRegister(in state, in call, ref next) : MayRefuseRegister(in state, in call, ref next);
            case CallKind.Release:
                return TryRelease(in state, in call, ref next);
            case CallKind.ReleaseLease or CallKind.ReleaseEpoch:
                return TryReleaseLease(in state, in call, ref next);
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
            default:
                return false;
        }
    }

    private bool TryAcquire(in RegistryState state, in Call call, ref RegistryState next)
    {
        OwnerState owner = state[call.Owner];
        long epoch = call.AnswerEpoch;
        next = state.With(call.Owner, owner with { LeaseEpoch = epoch, LeasePort = call.AnswerPort, HighestLease = epoch }).Warm(call.AnswerPort).Seen(call.AnswerPort, epoch);
        return !owner.HasLease && epoch > owner.HighestEpoch && epoch > state.HighestOn(call.AnswerPort)
            && (call.Kind == CallKind.AcquireOwn ? call.AnswerPort == 0
                : call.AnswerPort >= 1 && call.AnswerPort <= ports && !state.IsHeld(call.AnswerPort) && !state.SurelyCoolsOn(call.AnswerPort));
    }

    /// <summary>Both at one moment.</summary>
    private bool TryAcquireBoth(in RegistryState state, in Call call, ref RegistryState next)
    {
        Call[] both = [.. call.Acquisitions];
        return TryAcquire(in state, in both[0], ref next) && next is var between && TryAcquire(in between, in both[1], ref next)
            && (call.Kind == CallKind.AcquireAll || call.SecondPort == call.AnswerPort + 1);
    }

    private bool MayRefuseBoth(in RegistryState state, in Call call)
    {
        if (call.Reason == PortRefusalReason.AlreadyReserved)
        {
            return state[call.Owner].HasLease || state[call.SecondOwner].HasLease;
        }

        // Each call under way may hide a port, and stand between two.
        int free = 0, pairs = 0;
        for (int port = 1; port <= ports; port++)
        {
            bool isFree = !state.IsHeld(port) && !state.MayCoolOn(port);
            free += isFree ? 1 : 0;
            pairs += isFree && port < ports && !state.IsHeld(port + 1) && !state.MayCoolOn(port + 1) ? 1 : 0;
        }

        return call.Reason == PortRefusalReason.Exhausted && (call.Kind == CallKind.AcquireAll ? free < 2 + call.Rivals : pairs <= 2 * call.Rivals);
    }

    private bool MayRefuseAcquire(in RegistryState state, in Call call)
    {
        if (call.Reason == PortRefusalReason.AlreadyReserved)
        {
            return state[call.Owner].HasLease;
        }

        // A port that a call under way is about to take or to give back is found by nobody else, so
        // each may hide one.
        int free = 0;
        for (int port = 1; port <= ports; port++)
        {
            free += state.IsHeld(port) || state.MayCoolOn(port) ? 0 : 1;
        }

        return call.Reason == PortRefusalReason.Exhausted && call.Kind == CallKind.Acquire && free <= call.Rivals;
    }

    private static bool TryRegister(in RegistryState state, in Call call, ref RegistryState next)
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
            HighestBound = epoch,
        };
        bool isDead = state.IsDead(call.Process);
        next = state.With(call.Owner, isDead ? registered.WithoutRegistration() : registered).Warm(call.Port).Seen(call.Port, epoch);
        next = owner.IsBound && owner.Port != call.Port ? next.Cool(owner.Port, in call) : next;
        next = isDead ? next.Cool(call.Port, in call) : next;
        return true;
    }

    private static bool MayRefuseRegister(in RegistryState state, in Call call, ref RegistryState next)
    {
        OwnerState owner = state[call.Owner];
        next = next with { SurelyCools = (byte)(next.SurelyCools & ~(1 << call.Port)) };   // it may have been in the slot before it was refused
        return call.Reason switch
        {
            PortRefusalReason.Conflict => (owner.IsBound && owner.Process != call.Process && (call.Epoch == 0 || call.Epoch != owner.LeaseEpoch)) || !IsOpenTo(in state, in call, alsoLeases: false),
            PortRefusalReason.Stale => call.Epoch != 0 && call.Epoch != owner.LeaseEpoch && (!owner.IsAgain(call.Epoch) || owner.Last.IsForgotten || call.HasRivalOwners)
                && !(owner.IsOf(call.Epoch) && (owner.Process == call.Process || !owner.HasLease)),
            PortRefusalReason.WrongPort => call.Epoch != 0 && call.Epoch == owner.LeaseEpoch && owner.LeasePort != 0 && owner.LeasePort != call.Port,
            PortRefusalReason.ProcessDead => state.IsDead(call.Process),
            PortRefusalReason.SessionEnded => state.IsDead(call.Process) || call.Rivals > 0,   // the connection of one that dies breaks off before it shows as dead
            _ => false,
        };
    }

    /// <summary>Of two claims on one port, or of one owner, the later one has the higher epoch. One
    /// that signs in beside an open lease may rank below that lease.</summary>
    private static bool IsRanked(in RegistryState state, in Call call, bool usesLease)
    {
        OwnerState owner = state[call.Owner];
        long epoch = call.AnswerEpoch, onPort = state.HighestOn(call.Port);
        bool isBesideLease = !usesLease && (owner.HasLease || call.Rivals > 0);   // the lease may have ended since the registration began beside it
        return usesLease && epoch == owner.LeaseEpoch ? epoch >= onPort && epoch > owner.HighestBound
            : epoch > onPort && epoch > owner.HighestBound && (epoch > owner.HighestLease || (isBesideLease && epoch > owner.HighestLease - Table.EpochSource.Spacing));
    }

    /// <summary>Whether nobody but other owners of the same process is on the port.</summary>
    private static bool IsOpenTo(in RegistryState state, in Call call, bool alsoLeases)
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

    private static bool TryRelease(in RegistryState state, in Call call, ref RegistryState next)
    {
        OwnerState owner = state[call.Owner];
        if (!call.Succeeded)
        {
            return call.Reason == PortRefusalReason.NotOwner && (owner.IsBound ? owner.Process != call.Process : owner.HasLease);
        }

        if (owner.IsBound)
        {
            next = state.With(call.Owner, owner.WithoutRegistration()).Cool(owner.Port, in call);
            return owner.Process == call.Process;
        }

        return !owner.HasLease || state.Dead != 0;   // what it released may be of a dead process, which had ended before
    }

    private static bool TryReleaseLease(in RegistryState state, in Call call, ref RegistryState next)
    {
        OwnerState owner = state[call.Owner];
        if (!call.Succeeded)
        {
            return call.Reason == PortRefusalReason.Stale && owner.LeaseEpoch != call.Epoch && !owner.IsOf(call.Epoch) && owner.NewestEpoch > call.Epoch;
        }

        if (owner.LeaseEpoch == call.Epoch)
        {
            next = state.With(call.Owner, owner.WithoutLease()).Cool(owner.LeasePort, in call);
        }
        else if (owner.IsOf(call.Epoch))
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

    private bool IsByPort(in RegistryState state, in Call call)
    {
        OwnerState owner = call.AnswerOwner >= 0 ? state[call.AnswerOwner] : default;
        return call.State switch
        {
            PortState.Bound => (call.Port, call.AnswerProcess, call.AnswerEpoch) == (owner.Port, owner.Process, owner.Epoch),
            PortState.Reserved => owner.HasLease && (call.Port, call.AnswerEpoch) == (owner.LeasePort, owner.LeaseEpoch),
            // Until its end is on disk a port shows as Cooling; the end that a pass or a death
            // brings is written after it.
            PortState.Cooling => !state.IsHeld(call.Port) && (state.MayCoolOn(call.Port) || state.Dead != 0 || isStored),
            // A claim under way that has its slot hides what cooled there, and is no entry yet.
            _ => !state.IsHeld(call.Port) && (!state.SurelyCoolsOn(call.Port) || call.Rivals > 0),
        };
    }

    private static void Die(in RegistryState state, in Call call, ref RegistryState next)
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

    private static bool TryExpire(in RegistryState state, in Call call, ref RegistryState next)
    {
        OwnerState owner = state[call.Owner];
        if (!call.Succeeded)
        {
            // One that a registration under way has used up is left to it, though lookups still
            // show it.
            return owner.LeaseEpoch != call.Epoch || call.Rivals > 0;
        }

        next = state.With(call.Owner, owner.WithoutLease()).Cool(owner.LeasePort, in call);
        return owner.LeaseEpoch == call.Epoch;
    }
}
