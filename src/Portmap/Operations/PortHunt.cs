using Portmap.Guarding;
using Portmap.Table;

namespace Portmap.Operations;

/// <summary>How an acquisition finds its port: the one the owner had before, what the strategy names, and the last resorts.</summary>
/// <remarks>A part of <see cref="Acquisition"/>. What it finds is pending: invisible to lookups, and it keeps others off the port.</remarks>
internal struct PortHunt
{
    private readonly RegistryParts _parts;
    private readonly ILease _lease;
    private readonly byte _strategy;
    private readonly PortClaim? _replaced;
    private readonly PortClaim? _replacedTwin;
    private SetAsidePorts _aside;
    private int _ownPort;   // the port that is asked for by its number, or 0
    private int _answer;    // what the strategy named last
    private int _avoid;     // the last resort of a fresh start: the port the owner had before, or 0
    private bool _isUnrecalled;   // the memory is yet to be asked whether a port is the one the owner had last
    private Exception? _failure;   // what the strategy threw

    /// <param name="parts">What it works with.</param>
    /// <param name="lease">Whom the port is for.</param>
    /// <param name="strategy">Who picks.</param>
    /// <param name="replaced">The claim whose place the new one takes, when a port could not be bound.</param>
    /// <param name="replacedTwin">The same of the second protocol.</param>
    public PortHunt(RegistryParts parts, ILease lease, byte strategy, PortClaim? replaced, PortClaim? replacedTwin)
    {
        _parts = parts;
        _lease = lease;
        _strategy = strategy;
        _replaced = replaced;
        _replacedTwin = replacedTwin;
    }

    /// <summary>What was asked for; with the port that the registry remembers.</summary>
    public required PortRequest Request { readonly get; set; }

    /// <summary>The owner in its first protocol.</summary>
    public required OwnerKey Owner { get; init; }

    /// <summary>One number on both protocols.</summary>
    public required bool Both { get; init; }

    /// <summary>The new claims have epochs above this one.</summary>
    public long After { readonly get; set; }

    /// <summary>The pending claim that was found.</summary>
    public PortClaim? Claim { readonly get; private set; }

    /// <summary>The pending claim of the second protocol.</summary>
    public PortClaim? Twin { readonly get; private set; }

    private readonly PortProtocol Protocol => Owner.Protocol;

    private readonly PortRegistrySettings Settings => _parts.Settings;

    private readonly PortHints Hints => _parts.Table.Hints(Protocol);

    /// <summary>Finds a port and makes the pending claims.</summary>
    /// <returns>Done, refused, or wait.</returns>
    public Answer Find(long now)
    {
        _aside = default;
        _ownPort = 0;
        _failure = null;
        Answer found = FindNow(now);
        _aside.PutBack(Hints, Claim?.Port ?? 0, now);
        return found;
    }

    /// <summary>Takes back what was found, or as much as was found of it.</summary>
    public void Undo(long now)
    {
        if (Claim is { } claim)
        {
            _parts.Table.Withdraw(claim, now);
        }

        if (Twin is { } twin)
        {
            _parts.Table.Withdraw(twin, now);
        }

        Claim = Twin = null;
    }

    private Answer FindNow(long now)
    {
        Hints.DrainDue(now);
        PortReuse reuse = Request.Reuse ?? Settings.Reuse;
        _isUnrecalled = Request.PreviousPort == 0 && !WantsLast(reuse);
        if (Request.PreviousPort == 0 && !_isUnrecalled)
        {
            reuse = Recall(reuse, now);
        }

        if (Request.PreviousPort != 0 && reuse != PortReuse.Fresh && TakePrevious(reuse, now) is { } previous)
        {
            return previous;
        }

        _avoid = reuse == PortReuse.Fresh ? Request.PreviousPort : 0;
        int most = 2 * Settings.Range.Count;
        if (TryStrategy(most, now))
        {
            return Answer.Done;
        }

        // Before a port that still cools is taken, those that are cooled come first: the slot knows exactly, the wheel by eighths.
        if (_failure is null && _parts.Table.FreeCooled(Protocol, now) && TryStrategy(most, now))
        {
            return Answer.Done;
        }

        if (_failure is null && TryLastResorts(now))
        {
            return Answer.Done;
        }

        // Asked once more while a port is free for certain, so that it is not blamed for one that came back just now.
        if (_failure is null && Hints.Free.Find(Settings.Range.First, Settings.Range.Last) is > 0 and int left)
        {
            if (TryStrategy(most: 1, now))
            {
                return Answer.Done;
            }

            if (_failure is null && Hints.Free.Contains(left))
            {
                return Refusals.StrategyOfferedNothing(Request, _parts.Strategies.NameOf(_strategy), Hints, _answer);
            }
        }

        return _failure is null
            ? Refusals.Exhausted(Request, Settings, _parts.Table.Ports, _aside.Denied)
            : Refusals.StrategyFailed(Request, _parts.Strategies.NameOf(_strategy), _failure);
    }

    /// <summary>Whether the port the owner had last is looked for: to be given again, or because its
    /// placeholder may have been kept.</summary>
    /// <remarks>A fresh start only avoids it: then the memory is asked about the one port that the
    /// strategy names, which takes 17 ns less.</remarks>
    private readonly bool WantsLast(PortReuse reuse) =>
        reuse != PortReuse.Fresh || (Request.Reuse is null && (Request.Guard ?? Settings.Guard) == PortGuardMode.WhileAlive);

    /// <summary>Asks for the port the registry remembers of the owner: one that may be handed out, for a port that the process brought
    /// stays its business.</summary>
    /// <returns>What to do about that port; a placeholder that was kept after a death is taken over unless the request itself asks
    /// for a fresh one.</returns>
    private PortReuse Recall(PortReuse reuse, long now)
    {
        int last = _parts.Table.LastPort(Owner);
        if (last == 0 || !Settings.HandsOut(last))
        {
            return reuse;
        }

        bool isKept = reuse == PortReuse.Fresh && Request.Reuse is null && (Request.Guard ?? Settings.Guard) == PortGuardMode.WhileAlive
            && _parts.Table.CoolsAfterDeathOf(Owner, last, now);
        Request = Request with { Previous = last };
        return isKept ? PortReuse.Prefer : reuse;
    }

    /// <summary>Takes the port the owner had before; null when it cannot be had and another one will do.</summary>
    private Answer? TakePrevious(PortReuse reuse, long now)
    {
        int port = Request.PreviousPort;
        Terms terms = new(IsInsisted: true, TakesCooling: reuse == PortReuse.Require && Settings.ReuseCooling);   // no other port will do
        _ownPort = port;
        PortAvailability found = Settings.HandsOut(port) ? Take(port, terms, now) : PortAvailability.InUse;
        if (found == PortAvailability.InUse && EndDeadHolders(now))
        {
            found = Take(port, terms, now);
        }

        if (found == PortAvailability.Free)
        {
            return Answer.Done;
        }

        if (found == PortAvailability.Unwritten)
        {
            return Answer.Wait(AwaitedFact.OfPort);
        }

        return reuse == PortReuse.Require ? (Answer?)RefuseRequired(found) : null;
    }

    /// <summary>Takes what the strategy names, or leaves the port to the process. Nothing is pending while the strategy is asked, so
    /// nothing is left behind when it throws.</summary>
    private bool TryStrategy(int most, long now)
    {
        _answer = PortSearch.Nothing;
        for (int attempt = 0; attempt < most; attempt++)
        {
            try
            {
                _answer = Ask(attempt);
            }
            catch (Exception exception)
            {
                _failure = exception;
                return false;
            }

            if (_answer == PortSearch.ProcessBrings)
            {
                BringOwn();
                return true;
            }

            if (_answer is < 0 or > 65_535)
            {
                break;
            }

            // The bit is a hint; taking it keeps two threads from trying the same port, and a port that is no good is not offered again.
            if (Hints.Free.TryTake(_answer) && Take(_answer, default, now) == PortAvailability.Free)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Asks the strategy; once more, when it names the port the owner had last and knew nothing of it.</summary>
    private int Ask(int attempt)
    {
        int port = Pick(attempt);
        if (_isUnrecalled && port is > 0 and <= 65_535 && _parts.Table.WasLast(Owner, port))
        {
            _isUnrecalled = false;
            _avoid = port;
            Request = Request with { Previous = port };
            port = Pick(attempt);
        }

        return port;
    }

    private readonly int Pick(int attempt) =>
        _parts.Strategies[_strategy].Pick(new PortSearch(Hints, Request, Protocol, attempt, _avoid));

    /// <summary>Nothing else is free: the approximately longest-cooled port, a stranger's whose time is over, and last those on which
    /// closed connections linger.</summary>
    /// <remarks>Ports come out in the order of their eighth of the delay; the slot tells exactly, and one that is too early says that
    /// the others are too.</remarks>
    private bool TryLastResorts(long now)
    {
        int most = DelayedPorts.Generations * Settings.Range.Count;
        Terms terms = new(IsInsisted: true, Settings.ReuseCooling);
        PortAvailability found = PortAvailability.InUse;
        for (int i = 0; i < most && found != PortAvailability.Cooling && Hints.TryTakeCooling(now) is > 0 and int cooled; i++)
        {
            found = Take(cooled, terms, now);
            if (found == PortAvailability.Free)
            {
                return true;
            }
        }

        found = PortAvailability.InUse;
        for (int i = 0; i < most && found != PortAvailability.Foreign && Hints.TryTakeForeign(now) is > 0 and int foreign; i++)
        {
            found = Take(foreign, terms with { TakesCooling = false }, now);
            if (found == PortAvailability.Free)
            {
                return true;
            }
        }

        for (int i = 0; i < _aside.Count; i++)
        {
            if (Take(_aside[i], terms, now) == PortAvailability.Free)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Takes a port on every protocol asked for, or on none.</summary>
    /// <returns>Free: it is taken. Else why not.</returns>
    private PortAvailability Take(int port, Terms terms, long now)
    {
        if (Both)
        {
            // Both claims carry one epoch, which must be above everything either port has seen.
            PortView udp = _parts.Table.Look(PortProtocol.Udp, port, AsksFor(port), terms.TakesCooling, now);
            After = Math.Max(After, udp.HighestEpoch);
        }

        PortAvailability found = TakeOne(Protocol, port, terms, now, out PortClaim? claim);
        Claim = claim;
        if (found == PortAvailability.Free && Both)
        {
            found = TakeOne(PortProtocol.Udp, port, terms, now, out PortClaim? twin);
            Twin = twin;
            if (found != PortAvailability.Free)
            {
                // Not free on UDP, so no use to this request; those that want TCP only find it again.
                PortTable.GiveUp(claim!, now);
                _parts.Guard.Drop(claim!.Guarded, keep: false, now);
                Claim = null;
                _aside.Add(port, lingers: false);
            }
        }

        return found;
    }

    private PortAvailability TakeOne(PortProtocol protocol, int port, Terms terms, long now, out PortClaim? claim)
    {
        claim = null;
        PortView seen = _parts.Table.Look(protocol, port, AsksFor(port), terms.TakesCooling, now);
        if (seen.Availability != PortAvailability.Free)
        {
            PutOff(protocol, port, seen);
            return seen.Availability;
        }

        long epoch = protocol == Protocol ? _parts.Epochs.Next(Math.Max(After, seen.HighestEpoch)) : Claim!.Epoch;
        if (epoch <= seen.HighestEpoch)
        {
            return PortAvailability.InUse;   // the second of two protocols: somebody was on it since the epoch of both was drawn
        }

        if (_parts.Table.TryTake(seen, Lease(protocol, port, epoch)) is not { } taken)
        {
            return PortAvailability.InUse;   // somebody else was faster
        }

        Hook.At(Step.PlaceGuard);
        GuardOutcome outcome = _parts.Guard.Place(taken.Guarded, Request.Guard ?? Settings.Guard, terms.IsInsisted);
        if (outcome.Finding == GuardFinding.Free || (outcome.Finding == GuardFinding.Lingering && terms.IsInsisted))
        {
            taken.Guarantee = outcome.Guarantee;
            claim = taken;
            return PortAvailability.Free;
        }

        PortTable.GiveUp(taken, now);
        switch (outcome.Finding)
        {
            case GuardFinding.Lingering:
                _aside.Add(port, lingers: true);
                return PortAvailability.InUse;
            case GuardFinding.Denied:
                _aside.AddDenied(port);
                return PortAvailability.Denied;
            default:
                _parts.Table.TryMarkForeign(protocol, port, now, except: taken);
                return PortAvailability.FoundForeign;
        }
    }

    /// <summary>The hint of a port came early: it waits for its time.</summary>
    private readonly void PutOff(PortProtocol protocol, int port, in PortView seen)
    {
        PortHints hints = _parts.Table.Hints(protocol);
        if (seen.Availability == PortAvailability.Cooling)
        {
            hints.Cool(port, seen.SinceMs);
        }
        else if (seen.Availability == PortAvailability.Foreign)
        {
            hints.LookAgainLater(port, seen.SinceMs);
        }
    }

    private void BringOwn()
    {
        long epoch = _parts.Epochs.Next(After);
        Claim = _parts.Table.Make(Lease(Protocol, port: 0, epoch));
        Twin = Both ? _parts.Table.Make(Lease(PortProtocol.Udp, port: 0, epoch)) : null;
    }

    private readonly NewClaim Lease(PortProtocol protocol, int port, long epoch) => new()
    {
        Protocol = protocol,
        Port = port,
        Epoch = epoch,
        Strategy = _strategy,
        Lease = _lease,
        UsesUp = protocol == Protocol ? _replaced : _replacedTwin,
    };

    /// <summary>The owner, where it asks for that very port: then it may have its own back at once.</summary>
    private readonly string? AsksFor(int port) => port == _ownPort ? Request.Owner : null;

    private readonly PortRefusal RefuseRequired(PortAvailability found)
    {
        if (!Settings.HandsOut(Request.PreviousPort))
        {
            return Refusals.NotHandedOut(Request, Settings);
        }

        if (found == PortAvailability.Denied)
        {
            return Refusals.Denied(Request, Request.PreviousPort);
        }

        return found is PortAvailability.Foreign or PortAvailability.FoundForeign
            ? Refusals.Foreign(Request, Settings, _parts.Holders)
            : Refusals.InUse(Request, FindHolder(), isCooling: found == PortAvailability.Cooling);
    }

    private readonly PortEntry FindHolder()
    {
        ClaimView holder = _parts.Table.Ports.Find(Protocol, Request.PreviousPort, out PortState state);
        if (holder.IsNone && Both)
        {
            holder = _parts.Table.Ports.Find(PortProtocol.Udp, Request.PreviousPort, out state);
        }

        return holder.IsNone ? default : _parts.Entries.Of(holder, state);
    }

    /// <summary>Ends the registrations of dead processes on the port that is insisted on, before it is refused because of them.</summary>
    private readonly bool EndDeadHolders(long now)
    {
        bool ended = EndDeadHolders(Protocol, now);
        return (Both && EndDeadHolders(PortProtocol.Udp, now)) || ended;
    }

    private readonly bool EndDeadHolders(PortProtocol protocol, long now)
    {
        bool ended = false;
        foreach (ClaimView holder in _parts.Table.Ports.Registrations(protocol, Request.PreviousPort))
        {
            if (SessionHolder.Of(holder) is { } session && !session.CheckAlive())
            {
                ended |= _parts.Table.TryEnd(holder, session.EndCause, now);
            }
        }

        return ended;
    }

    /// <param name="IsInsisted">No other number will do, so what lingers on the port is no obstacle.</param>
    /// <param name="TakesCooling">Also a port that cools after another owner.</param>
    private readonly record struct Terms(bool IsInsisted, bool TakesCooling);
}
