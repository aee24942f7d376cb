using Portmap.Guarding;
using Portmap.Table;

namespace Portmap;

// How an acquisition finds its port: the one it had before, what the strategy names, and the last resorts.
public sealed partial class PortRegistry
{
    private PortRefusal? FindPort(ref Candidate candidate, long now)
    {
        PortSpace space = _table.Space(candidate.Protocol);
        space.DrainDue(now);
        PortRequest request = candidate.Request;
        PortReuse reuse = request.Reuse ?? Settings.Reuse;
        if (request.PreviousPort == 0)
        {
            candidate.Request = request = Recall(request, candidate.Protocol, candidate.Hash, ref reuse, now);
        }

        if (request.PreviousPort != 0 && reuse != PortReuse.Fresh)
        {
            bool takeCooling = reuse == PortReuse.Require && Settings.ReuseCooling;   // no other port will do
            candidate.OwnPort = request.PreviousPort;
            PortTable.Taking taking = Settings.HandsOut(request.PreviousPort) ? TryTake(ref candidate, request.PreviousPort, insisted: true, takeCooling, now) : PortTable.Taking.InUse;
            if (taking == PortTable.Taking.InUse && EndDeadHolders(request, now))
            {
                taking = TryTake(ref candidate, request.PreviousPort, insisted: true, takeCooling, now);
            }

            if (taking == PortTable.Taking.Taken)
            {
                return null;
            }

            if (taking == PortTable.Taking.Unwritten)
            {
                return Refusals.Waiting;
            }

            if (reuse == PortReuse.Require)
            {
                return RefuseRequired(request, taking, candidate.Protocol);
            }
        }

        int avoid = reuse == PortReuse.Fresh ? request.PreviousPort : 0;
        int most = 2 * Settings.Range.Count;
        if (TryStrategy(ref candidate, space, avoid, most, now, out int answer, out Exception? failure))
        {
            return null;
        }

        // Before a port that still cools is taken, those that are cooled come first: the slot knows exactly, the wheel by eighths.
        if (failure is null && FreeCooled(candidate.Protocol, space, now) && TryStrategy(ref candidate, space, avoid, most, now, out answer, out failure))
        {
            return null;
        }

        if (failure is null && TryLastResorts(ref candidate, space, now))
        {
            return null;
        }

        // Asked once more while a port is free for certain, so that it is not blamed for one that came back just now.
        if (failure is null && space.Free.Find(Settings.Range.First, Settings.Range.Last) is > 0 and int left)
        {
            if (TryStrategy(ref candidate, space, avoid, most: 1, now, out answer, out failure))
            {
                return null;
            }

            if (failure is null && space.Free.Contains(left))
            {
                return Refusals.StrategyOfferedNothing(request, StrategyName(candidate.Strategy), _table, candidate.Protocol, answer);
            }
        }

        return failure is null ? Refusals.Exhausted(request, _table, candidate.Protocol, candidate.Denied)
            : Refusals.StrategyFailed(request, StrategyName(candidate.Strategy), candidate.Protocol, failure);
    }

    /// <summary>The request with the port the registry remembers of its owner: one that may be handed out, for a port that the process brought stays its business.</summary>
    /// <param name="request">The request, which names no port.</param>
    /// <param name="protocol">Its first protocol.</param>
    /// <param name="hash">The hash of the owner.</param>
    /// <param name="reuse">What to do about that port; a placeholder that was kept after a death is taken over unless the request itself asks for a fresh one.</param>
    /// <param name="now">The time.</param>
    private PortRequest Recall(PortRequest request, PortProtocol protocol, int hash, ref PortReuse reuse, long now)
    {
        int last = _table.LastPort(protocol, request.Owner, hash);
        if (last == 0 || !Settings.HandsOut(last))
        {
            return request;
        }

        if (reuse == PortReuse.Fresh && request.Reuse is null && (request.Guard ?? Settings.Guard) == PortGuardMode.WhileAlive
            && _table.CoolsAfterDeathOf(protocol, last, request.Owner, now))
        {
            reuse = PortReuse.Prefer;
        }

        return request with { Previous = last };
    }

    /// <summary>A method of its own: in the caller its closure would be made for every acquisition.</summary>
    private bool FreeCooled(PortProtocol protocol, PortSpace space, long now) =>
        space.DrainCooled(now, port => _table.Look(protocol, port, null, takeCooling: false, now, out _, out _, out _) == PortTable.Taking.Taken);

    /// <summary>Takes what the strategy names, or leaves the port to the process.</summary>
    /// <param name="candidate">The acquisition.</param>
    /// <param name="space">The ports of its protocol.</param>
    /// <param name="avoid">The port that comes last.</param>
    /// <param name="most">How often it is asked.</param>
    /// <param name="now">The time.</param>
    /// <param name="port">What it named last.</param>
    /// <param name="failure">What it threw. Nothing is pending while it is asked, so nothing is left behind.</param>
    private bool TryStrategy(ref Candidate candidate, PortSpace space, int avoid, int most, long now, out int port, out Exception? failure)
    {
        failure = null;
        port = PortSearch.Nothing;
        for (int attempt = 0; attempt < most; attempt++)
        {
            try
            {
                port = _strategies[candidate.Strategy].Pick(new PortSearch(space, candidate.Request, candidate.Protocol, attempt, avoid));
            }
            catch (Exception exception)
            {
                failure = exception;
                return false;
            }

            if (port == PortSearch.ProcessBrings)
            {
                candidate.BringOwn(_epochs, _table.Confirms);
                return true;
            }

            if (port is < 0 or > 65_535)
            {
                break;
            }

            // The bit is a hint; taking it keeps two threads from trying the same port, and a port that is no good is not offered again.
            if (space.Free.TryTake(port) && TryTake(ref candidate, port, insisted: false, takeCooling: false, now) == PortTable.Taking.Taken)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Nothing else is free: the approximately longest-cooled port, a stranger's whose time is over, and last those on which closed connections linger.</summary>
    /// <remarks>Ports come out in the order of their eighth of the delay; the slot tells exactly, and one that is too early says that the others are too.</remarks>
    private bool TryLastResorts(ref Candidate candidate, PortSpace space, long now)
    {
        int most = DelayedPorts.Generations * Settings.Range.Count;
        PortTable.Taking taking = PortTable.Taking.InUse;
        for (int i = 0; i < most && taking != PortTable.Taking.Cooling && space.TryTakeCooling(now) is > 0 and int cooled; i++)
        {
            taking = TryTake(ref candidate, cooled, insisted: true, takeCooling: Settings.ReuseCooling, now);
            if (taking == PortTable.Taking.Taken)
            {
                return true;
            }
        }

        taking = PortTable.Taking.InUse;
        for (int i = 0; i < most && taking != PortTable.Taking.Foreign && space.TryTakeForeign(now) is > 0 and int foreign; i++)
        {
            taking = TryTake(ref candidate, foreign, insisted: true, takeCooling: false, now);
            if (taking == PortTable.Taking.Taken)
            {
                return true;
            }
        }

        for (int i = 0; i < candidate.SetAside?.Count; i++)
        {
            if (TryTake(ref candidate, candidate.SetAside[i].Port, insisted: true, Settings.ReuseCooling, now) == PortTable.Taking.Taken)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Takes a port on every protocol asked for, or on none.</summary>
    private PortTable.Taking TryTake(ref Candidate candidate, int port, bool insisted, bool takeCooling, long now)
    {
        if (candidate.Both)
        {
            // Both claims carry one epoch, which must be above everything either port has seen.
            _table.Look(PortProtocol.Udp, port, candidate.AsksFor(port), takeCooling, now, out _, out long highest, out _);
            candidate.After = Math.Max(candidate.After, highest);
        }

        PortTable.Taking taking = TryTakeOne(ref candidate, candidate.Protocol, port, insisted, takeCooling, now, out candidate.Claim);
        if (taking == PortTable.Taking.Taken && candidate.Both)
        {
            taking = TryTakeOne(ref candidate, PortProtocol.Udp, port, insisted, takeCooling, now, out candidate.Twin);
            if (taking != PortTable.Taking.Taken)
            {
                // Not free on UDP, so no use to this request; those that want TCP only find it again.
                candidate.Claim!.TryEnd(ClaimEnd.Withdrawn, now);
                _guard.Drop(candidate.Claim.Guarded, keep: false, now);
                candidate.Claim = null;
                candidate.Put(port, lingers: false);
            }
        }

        return taking;
    }

    private PortTable.Taking TryTakeOne(
        ref Candidate candidate, PortProtocol protocol, int port, bool insisted, bool takeCooling, long now, out PortClaim? claim)
    {
        claim = null;
        PortSpace space = _table.Space(protocol);
        PortTable.Taking taking = _table.Look(protocol, port, candidate.AsksFor(port), takeCooling, now, out object? slot, out long highestEpoch, out long since);
        if (taking != PortTable.Taking.Taken)
        {
            if (taking == PortTable.Taking.Cooling)
            {
                space.Cool(port, since);   // the hint came early
            }
            else if (taking == PortTable.Taking.Foreign)
            {
                space.LookAgainLater(port, since);
            }

            return taking;
        }

        long epoch = protocol == candidate.Protocol ? _epochs.Next(Math.Max(candidate.After, highestEpoch)) : candidate.Claim!.Epoch;
        if (epoch <= highestEpoch)
        {
            return PortTable.Taking.InUse;   // the second of two protocols: somebody was on it since the epoch of both was drawn
        }

        PortClaim taken = PortClaim.ForLease(protocol, port, epoch, candidate.Strategy, candidate.Lease, candidate.ReplacedBy(protocol), _table.Confirms);
        if (!space.Slots.TrySet(port, slot, taken))
        {
            return PortTable.Taking.InUse;   // somebody else was faster
        }

        if (space.Free.Contains(port))
        {
            space.Free.TryTake(port);   // it came by another way than its bit
        }

        Hook.At(Step.PlaceGuard);
        GuardOutcome outcome = _guard.Place(taken.Guarded, candidate.Request.Guard ?? Settings.Guard, insisted);
        if (outcome.Finding == GuardFinding.Free || (outcome.Finding == GuardFinding.Lingering && insisted))
        {
            taken.Guarantee = outcome.Guarantee;
            claim = taken;
            return PortTable.Taking.Taken;
        }

        taken.TryEnd(ClaimEnd.Withdrawn, now);
        if (outcome.Finding == GuardFinding.Lingering)
        {
            candidate.Put(port, lingers: true);
            return PortTable.Taking.InUse;
        }

        if (outcome.Finding == GuardFinding.Denied)
        {
            (candidate.Denied ??= []).Add(port);
            return PortTable.Taking.Denied;
        }

        _table.TryMarkForeign(protocol, port, now, except: taken);
        return PortTable.Taking.FoundForeign;
    }

    private PortRefusal RefuseRequired(PortRequest request, PortTable.Taking taking, PortProtocol protocol)
    {
        if (!Settings.HandsOut(request.PreviousPort))
        {
            return Refusals.NotHandedOut(request, Settings);
        }

        if (!TryGetEntry(request.PreviousPort, out PortEntry holder, protocol) && request.Protocol == PortProtocol.TcpAndUdp)
        {
            TryGetEntry(request.PreviousPort, out holder, PortProtocol.Udp);
        }

        if (taking == PortTable.Taking.Denied)
        {
            return Refusals.Denied(request, request.PreviousPort);
        }

        return taking is PortTable.Taking.Foreign or PortTable.Taking.FoundForeign ? Refusals.Foreign(request, Settings, _holders) : Refusals.InUse(request, holder, taking);
    }

    /// <summary>Ends the registrations of dead processes on the port that is insisted on, before it is refused because of them.</summary>
    private bool EndDeadHolders(PortRequest request, long now)
    {
        bool ended = false;
        foreach (PortProtocol protocol in request.Protocol == PortProtocol.TcpAndUdp ? (PortProtocol[])[PortProtocol.Tcp, PortProtocol.Udp] : [request.Protocol])
        {
            object? slot = _table.Space(protocol).Slots[request.PreviousPort];
            foreach (PortClaim claim in PortSlots.Claims(ref slot))
            {
                if (claim.Cell?.InForceOn(request.PreviousPort) is { Session: { } session } holder && !session.CheckAlive())
                {
                    ended |= _table.TryEnd(holder, session.EndCause, now);
                }
            }
        }

        return ended;
    }

    private static Candidate NewCandidate(PortLease lease, PortRequest request, int strategy, PortClaim? replaced = null, PortClaim? replacedTwin = null) => new()
    {
        Lease = lease,
        Request = request,
        Strategy = (byte)strategy,
        Protocol = request.Protocol == PortProtocol.Udp ? PortProtocol.Udp : PortProtocol.Tcp,
        Both = request.Protocol == PortProtocol.TcpAndUdp,
        Replaced = replaced,
        ReplacedTwin = replacedTwin,
    };

    /// <summary>One acquisition under way.</summary>
    private struct Candidate
    {
        public required PortLease Lease;
        public required PortRequest Request;
        public required byte Strategy;
        public required PortProtocol Protocol;
        public required bool Both;
        public long After;

        /// <summary>The hash of the owner in its first protocol.</summary>
        public int Hash;

        public required PortClaim? Replaced;
        public required PortClaim? ReplacedTwin;
        public PortClaim? Claim;
        public PortClaim? Twin;

        /// <summary>The claims top their owners and wait for the disk.</summary>
        public bool IsPushed;

        /// <summary>Ports that are no first choice (closed connections linger on them) or not free on both protocols.</summary>
        public List<(int Port, bool Lingers)>? SetAside;

        /// <summary>The ports that the system did not let us bind.</summary>
        public HashSet<int>? Denied;

        /// <summary>The port that is asked for by its number, or 0.</summary>
        public int OwnPort;

        public readonly bool IsPending => Claim!.Word.Stage == ClaimStage.Taking || Twin?.Word.Stage == ClaimStage.Taking;

        /// <summary>The owner, where it asks for that very port: then it may have its own back at once.</summary>
        public readonly string? AsksFor(int port) => port == OwnPort ? Request.Owner : null;

        /// <summary>The lease claim whose place the new one takes, when a port could not be bound.</summary>
        public readonly PortClaim? ReplacedBy(PortProtocol protocol) => protocol == Protocol ? Replaced : ReplacedTwin;

        public void Put(int port, bool lingers)
        {
            SetAside ??= [];
            if (!SetAside.Contains((port, lingers)))
            {
                SetAside.Add((port, lingers));
            }
        }

        public readonly void PutBack(PortSpace space, long now)
        {
            if (Denied is not null)
            {
                foreach (int denied in Denied)
                {
                    space.LookAgainLater(denied, now);   // without a mark in its slot: it is no stranger's
                }
            }

            for (int i = 0; i < SetAside?.Count; i++)
            {
                (int port, bool lingers) = SetAside[i];
                if (port != Claim?.Port && lingers)
                {
                    space.Cool(port, now);
                }
                else if (port != Claim?.Port)
                {
                    space.Free.Add(port);
                }
            }
        }

        public void BringOwn(EpochSource epochs, bool confirmed)
        {
            long epoch = epochs.Next(After);
            Claim = PortClaim.ForLease(Protocol, 0, epoch, Strategy, Lease, Replaced, confirmed);
            Claim.Guarantee = PortGuarantee.HeldByProcess;
            if (Both)
            {
                Twin = PortClaim.ForLease(PortProtocol.Udp, 0, epoch, Strategy, Lease, ReplacedTwin, confirmed);
                Twin.Guarantee = PortGuarantee.HeldByProcess;
            }
        }
    }
}
