using System.Runtime.CompilerServices;
using Portmap.Guarding;
using Portmap.Table;

namespace Portmap.Operations;

/// <summary>How an acquisition finds its port: the one the owner had before, what the strategy
/// names, and the last resorts.</summary>
/// <remarks>A part of <see cref="Acquisition"/>. What it finds is pending: invisible to lookups,
/// and it keeps others off the port.</remarks>
internal struct PortHunt
{
    private readonly RegistryParts _parts;
    private readonly ILease _lease;
    private readonly byte _strategy;
    private PortClaim? _replaced;
    private PortClaim? _replacedTwin;
    private readonly PortPool _pool;   // the ports that will do
    private SetAsidePorts _aside;
    private int _ownPort;   // the port that is asked for by its number, or 0
    private int _answer;    // what the strategy named last
    private int _avoid;     // the last resort of a fresh start: the port the owner had before, or 0
    private bool _isRecalled;   // the request has the port that the memory named
    private bool _isUnrecalled;   // the memory is yet to be asked whether a port is the one the owner had last
    private bool _isMisled;   // the strategy named a port that had its bit and could not be had
    private Exception? _failure;   // what the strategy threw
    private PortClaim? _placing;   // it has its slot, and its placeholder is being made

    /// <summary>What was asked for; with the port that the registry remembers.</summary>
    public PortRequest Request;

    /// <summary>The owner in its first protocol.</summary>
    public readonly OwnerKey Owner;

    /// <summary>One number on both protocols.</summary>
    public readonly bool Both;

    /// <summary>The new claims have epochs above this one.</summary>
    public long After;

    /// <summary>The pending claim that was found.</summary>
    public PortClaim? Claim;

    /// <summary>The pending claim of the second protocol.</summary>
    public PortClaim? Twin;

    /// <param name="parts">What it works with.</param>
    /// <param name="lease">Whom the port is for.</param>
    /// <param name="request">What was asked for.</param>
    /// <param name="strategy">Who picks.</param>
    /// <param name="replaced">The claims whose place the new ones take, when a port could not be
    /// bound.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]   // so that it is made where it is to be, without a copy
    public PortHunt(RegistryParts parts, ILease lease, in PortRequest request, byte strategy, (PortClaim? Claim, PortClaim? Twin) replaced)
    {
        _parts = parts;
        _lease = lease;
        _strategy = strategy;
        _replaced = replaced.Claim;
        _replacedTwin = replaced.Twin;
        Request = request;
        _pool = parts.Pools.Find(request.Ports, out _);
        Both = request.Protocol == PortProtocol.TcpAndUdp;
        Owner = parts.Table.Key(request.Protocol == PortProtocol.Udp ? PortProtocol.Udp : PortProtocol.Tcp, request.Owner);
    }

    /// <summary>The ports that will do.</summary>
    public readonly PortPool Pool => _pool;

    /// <summary>The number that is kept for the owner, or 0.</summary>
    private readonly int Kept => Settings.Kept?.PortOf(Request.Owner) ?? 0;

    /// <summary>Who picks.</summary>
    public readonly byte Strategy => _strategy;

    private readonly PortProtocol Protocol => Owner.Protocol;

    private readonly PortRegistrySettings Settings => _parts.Settings;

    private readonly PortHints Hints => _parts.Table.Hints(Protocol);

    /// <summary>Whether this request may be given a port.</summary>
    private readonly bool HandsOut(int port) => _parts.HandsOut(port, Request);

    /// <summary>Finds a port and makes the pending claims.</summary>
    /// <returns>Done, refused, or wait.</returns>
    public Answer Find(long now)
    {
        _aside = default;
        _ownPort = 0;
        _failure = null;
        Answer found = FindNow(now);
        if (_aside.IsUsed)
        {
            _aside.PutBack(Hints, Claim?.Port ?? 0, now);
        }

        return found;
    }

    /// <summary>Takes one certain port, for a block of several in a row.</summary>
    public PortAvailability TakeAt(int port, Terms terms, long now)
    {
        _aside = default;
        _ownPort = terms.IsInsisted && IsOwn(port) ? port : 0;
        PortAvailability found = Take(port, terms, now);
        if (_aside.IsUsed)
        {
            _aside.PutBack(Hints, Claim?.Port ?? 0, now);
        }

        return found;
    }

    /// <summary>The number that the request asks for, or 0; with what the registry
    /// remembers.</summary>
    public int Wanted(long now, out bool isRequired)
    {
        isRequired = false;
        Forget();
        if (Kept is > 0 and int kept && _pool.Contains(kept))
        {
            return kept;
        }

        PortReuse reuse = Request.Reuse ?? Settings.Reuse;
        if (Request.PreviousPort == 0 && WantsLast(reuse))
        {
            reuse = Recall(reuse, now);
        }

        isRequired = reuse == PortReuse.Require && Request.PreviousPort != 0;
        return reuse == PortReuse.Fresh ? 0 : Request.PreviousPort;
    }

    /// <summary>What the strategy names first: where a block is looked for from.</summary>
    /// <param name="failure">What it threw.</param>
    public readonly int PickFirst(out Exception? failure)
    {
        failure = null;
        try
        {
            return Pick(attempt: 0);
        }
        catch (Exception exception)
        {
            failure = exception;
            return PortSearch.Nothing;
        }
    }

    /// <summary>What there is to be had of 64 ports from one on, on every protocol asked
    /// for.</summary>
    public readonly ulong Window(int from, bool alsoWaiting)
    {
        ulong window = Hints.Window(from, alsoWaiting);
        window &= Request.Ports is null ? ulong.MaxValue : _pool.Window(from);
        return Both ? window & _parts.Table.Hints(PortProtocol.Udp).Window(from, alsoWaiting) : window;
    }

    /// <summary>Whether a port is asked for by its number.</summary>
    private readonly bool IsOwn(int port) => port == Request.PreviousPort || port == Kept;

    /// <summary>What a port looks like, without taking it.</summary>
    public readonly PortAvailability LookAt(int port, Terms terms, long now)
    {
        if (!HandsOut(port))
        {
            return PortAvailability.InUse;
        }

        string? asksFor = terms.IsInsisted && IsOwn(port) ? Request.Owner : null;
        PortAvailability found = _parts.Table.Ports.Look(Protocol, port, asksFor, terms.TakesCooling, now).Availability;
        return found == PortAvailability.Free && Both
            ? _parts.Table.Ports.Look(PortProtocol.Udp, port, asksFor, terms.TakesCooling, now).Availability
            : found;
    }

    /// <summary>A port of a row was met in the maps and cannot be had: its bit goes, so that the
    /// next row is looked for elsewhere.</summary>
    public readonly void PassOver(int port)
    {
        _parts.Table.Ports.TakeOff(Protocol, port);
        if (Both)
        {
            _parts.Table.Ports.TakeOff(PortProtocol.Udp, port);
        }
    }

    /// <summary>Whether some ports of a protocol asked for wait for their time.</summary>
    public readonly bool HasWaiting => Hints.HasWaiting || (Both && _parts.Table.Hints(PortProtocol.Udp).HasWaiting);

    /// <summary>Takes back what was found, or as much as was found of it.</summary>
    public void Undo(long now)
    {
        foreach (PortClaim claim in ((PortClaim?[])[Claim, Twin, _placing]).OfType<PortClaim>())
        {
            ref PortClaim? replaced = ref claim.Protocol == Protocol ? ref _replaced : ref _replacedTwin;
            if (_parts.Table.Withdraw(claim, now, replaced))
            {
                replaced = null;   // what comes next takes the place of nothing
                HasUndoneAMove = true;
            }
        }

        Claim = Twin = _placing = null;
    }

    /// <summary>Whether what it replaces has moved to a claim that was taken back: nobody else knows
    /// that the lease is nowhere.</summary>
    public bool HasUndoneAMove { get; private set; }

    private Answer FindNow(long now)
    {
        Hints.DrainDue(now);
        Forget();
        if (Settings.Kept is { } kept && TryKept(kept, now) is { } own)
        {
            return own;
        }

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
        int most = 2 * _pool.Width;
        return TryStrategy(most, now) ? Answer.Done : FindLater(most, now);
    }

    /// <summary>What is left when the strategy names no port that can be had.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]   // seldom needed: its locals are not cleared on the way past it
    private Answer FindLater(int most, long now)
    {
        // Before a port that still cools is taken, those that are cooled come first: the slot knows
        // exactly, the wheel by eighths.
        if (_failure is null && _parts.Table.FreeCooled(Protocol, now) && TryStrategy(most, now))
        {
            return Answer.Done;
        }

        if (_failure is null && TryLastResorts(now))
        {
            return Answer.Done;
        }

        // Asked once more while a port is free for certain, so that it is not blamed for one that
        // came back just now, nor for one whose bit it met while the port was held.
        for (int i = 0; i < most && _failure is null && Hints.FindFree(_pool) is > 0 and int left; i++)
        {
            if (TryStrategy(most: 1, now))
            {
                return Answer.Done;
            }

            if (_failure is null && !_isMisled && _parts.Table.Ports.IsFree(Protocol, left) && Hints.IsFree(left))
            {
                return Refusals.StrategyOfferedNothing(Request, _parts.Strategies.NameOf(_strategy), (Hints, _pool), _answer);
            }

            _parts.Table.Ports.TakeOff(Protocol, left);
        }

        return _failure is null
            ? Refusals.Exhausted(Request, _pool, _parts.Table.Ports, _aside.Denied)
            : Refusals.StrategyFailed(Request, _parts.Strategies.NameOf(_strategy), _failure);
    }

    /// <summary>Whether the port the owner had last is looked for: to be given again, or because
    /// its placeholder may have been kept.</summary>
    /// <remarks>A fresh start only avoids it: then the memory is asked about the one port that the
    /// strategy names, which takes 17 ns less.</remarks>
    private readonly bool WantsLast(PortReuse reuse) =>
        reuse != PortReuse.Fresh || (Request.Reuse is null && (Request.Guard ?? Settings.Guard) is PortGuardMode.WhileAlive or PortGuardMode.PassSocket);

    /// <summary>The request has the port that the owner had last.</summary>
    private void Remember(int last)
    {
        Request = Request with { Previous = last };
        _isRecalled = true;
    }

    /// <summary>The request as it was asked: what the registry remembers is looked up anew by each
    /// search, for it may be another port by now, or one that is kept.</summary>
    private void Forget()
    {
        if (_isRecalled)
        {
            Request = Request with { Previous = null };
            _isRecalled = false;
        }
    }

    /// <summary>Asks for the port the registry remembers of the owner: one that may be handed out,
    /// for a port that the process brought stays its business.</summary>
    /// <returns>What to do about that port; a placeholder that was kept after a death is taken over
    /// unless the request itself asks for a fresh one.</returns>
    private PortReuse Recall(PortReuse reuse, long now)
    {
        int last = _parts.Table.Memory.LastPort(Owner);
        if (last == 0 || !HandsOut(last))
        {
            return reuse;
        }

        bool isKept = reuse == PortReuse.Fresh && _parts.Table.Ports.CoolsAfterDeathOf(Owner, last, now);   // asked under WhileAlive only (WantsLast)
        Remember(last);
        return isKept ? PortReuse.Prefer : reuse;
    }

    /// <summary>Takes the number that is kept for the owner; null when it has none, or it cannot be
    /// had.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]   // seldom needed: its locals are not cleared on the way past it
    private Answer? TryKept(KeptPorts kept, long now)
    {
        int port = kept.PortOf(Request.Owner);
        if (port == 0 || !_pool.Contains(port) || _lease.TriedPorts.Contains(port))
        {
            return null;   // its process has met somebody there
        }

        return AnswerTo(TakeOwn(port, Settings.ReuseCooling, now));
    }

    /// <summary>Takes the port the owner had before; null when it cannot be had and another one
    /// will do.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]   // seldom needed: its locals are not cleared on the way past it
    private Answer? TakePrevious(PortReuse reuse, long now)
    {
        int port = Request.PreviousPort;
        PortAvailability found = HandsOut(port)
            ? TakeOwn(port, takesCooling: reuse == PortReuse.Require && Settings.ReuseCooling, now)   // no other port will do
            : PortAvailability.InUse;
        return AnswerTo(found) ?? (reuse == PortReuse.Require ? (Answer?)InsistedPort.Refuse(_parts, Request, found) : null);
    }

    /// <summary>Takes a port that is asked for by its number, also from a registration whose
    /// process is dead.</summary>
    private PortAvailability TakeOwn(int port, bool takesCooling, long now)
    {
        Terms terms = new(IsInsisted: true, takesCooling);
        _ownPort = port;
        PortAvailability found = Take(port, terms, now);
        return found == PortAvailability.InUse && InsistedPort.EndDeadHolders(_parts, Request with { Previous = port }, now)
            ? Take(port, terms, now)
            : found;
    }

    private static Answer? AnswerTo(PortAvailability found) =>
        found == PortAvailability.Free ? Answer.Done : found == PortAvailability.Unwritten ? Answer.Wait(AwaitedFact.OfPort) : (Answer?)null;

    /// <summary>Takes what the strategy names, or leaves the port to the process. Nothing is
    /// pending while the strategy is asked, so nothing is left behind when it throws.</summary>
    private bool TryStrategy(int most, long now)
    {
        PortHints hints = Hints;
        _answer = PortSearch.Nothing;
        _isMisled = false;
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

            if (!hints.IsFree(_answer) || (Request.Ports is not null && !_pool.Contains(_answer)))
            {
                continue;   // known to be no good, or nothing that was offered
            }

            if (Take(_answer, default, now) == PortAvailability.Free)
            {
                return true;
            }

            _isMisled = true;
            _aside.TakeOff(_parts.Table, Protocol, _answer);
        }

        return false;
    }

    /// <summary>Asks the strategy; once more, when it names the port the owner had last and knew
    /// nothing of it.</summary>
    private int Ask(int attempt)
    {
        int port = Pick(attempt);
        if (_isUnrecalled && port is > 0 and <= 65_535 && _parts.Table.Memory.WasLast(Owner, port))
        {
            _isUnrecalled = false;
            _avoid = port;
            Remember(port);
            port = Pick(attempt);
        }

        return port;
    }

    private readonly int Pick(int attempt) =>
        _parts.Strategies[_strategy].Pick(new PortSearch(Hints, _pool, Request, attempt, _avoid));

    /// <summary>Nothing else is free: the approximately longest-cooled port, a stranger's whose
    /// time is over, and last those on which closed connections linger.</summary>
    /// <remarks>Ports come out in the order of their eighth of the delay; the slot tells exactly,
    /// and one that is too early says that the others are too.</remarks>
    [MethodImpl(MethodImplOptions.NoInlining)]   // seldom needed: its locals are not cleared on the way past it
    private bool TryLastResorts(long now)
    {
        int most = DelayedPorts.Generations * _pool.Width;
        Terms terms = new(IsInsisted: true, Settings.ReuseCooling);
        PortAvailability found = PortAvailability.InUse;
        for (int i = 0; i < most && found != PortAvailability.Cooling && Hints.TryTakeCooling(_pool, now) is > 0 and int cooled; i++)
        {
            found = Take(cooled, terms, now);
            if (found == PortAvailability.Free)
            {
                return true;
            }
        }

        found = PortAvailability.InUse;
        for (int i = 0; i < most && found != PortAvailability.Foreign && Hints.TryTakeForeign(_pool, now) is > 0 and int foreign; i++)
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
            return TakeBoth(port, terms, now);
        }

        PortAvailability found = TakeOne(Protocol, port, terms, now, out PortClaim? claim);
        Claim = claim;
        return found;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]   // seldom needed: its locals are not cleared on the way past it
    private PortAvailability TakeBoth(int port, Terms terms, long now)
    {
        // Both claims carry one epoch, which must be above everything either port has seen.
        PortView udp = _parts.Table.Ports.Look(PortProtocol.Udp, port, AsksFor(port), terms.TakesCooling, now);
        After = Math.Max(After, udp.HighestEpoch);
        PortAvailability found = TakeOne(Protocol, port, terms, now, out PortClaim? claim);
        Claim = claim;
        if (found != PortAvailability.Free)
        {
            return found;
        }

        found = TakeOne(PortProtocol.Udp, port, terms, now, out PortClaim? twin);
        Twin = twin;
        if (found != PortAvailability.Free)
        {
            // Not free on UDP, so no use to this request; those that want TCP only find it again.
            PortTable.GiveUp(claim!, now);
            _parts.Guard.GiveBack(claim!.Guarded);
            Claim = null;
            _aside.Add(port, lingers: false);
        }

        return found;
    }

    private PortAvailability TakeOne(PortProtocol protocol, int port, Terms terms, long now, out PortClaim? claim)
    {
        claim = null;
        PortView seen = _parts.Table.Ports.Look(protocol, port, AsksFor(port), terms.TakesCooling, now);
        if (seen.Availability != PortAvailability.Free)
        {
            _parts.Table.Hints(protocol).PutOff(port, seen);
            return seen.Availability;
        }

        long epoch = protocol == Protocol ? _parts.Epochs.Next(Math.Max(After, seen.HighestEpoch)) : Claim!.Epoch;
        if (epoch <= seen.HighestEpoch)
        {
            return PortAvailability.InUse;   // the second of two protocols: somebody was on it since the epoch of both was drawn
        }

        PortClaim? cooling = terms.TakesCooling || AsksFor(port) is not null ? _parts.Table.Ports.CoolingOn(protocol, seen, now) : null;
        if (_parts.Table.TryTake(seen, Lease(protocol, port, epoch), cooling) is not { } taken)
        {
            return PortAvailability.InUse;   // somebody else was faster
        }

        _placing = taken;
        Hook.At(Step.PlaceGuard);
        GuardOutcome outcome = _parts.Guard.Place(taken.Guarded, Request.Owner, Request.Guard ?? Settings.Guard, terms.IsInsisted);
        _placing = null;
        if (outcome.Finding == GuardFinding.Free || (outcome.Finding == GuardFinding.Lingering && terms.IsInsisted))
        {
            taken.Guarantee = outcome.Guarantee;
            claim = taken;
            return PortAvailability.Free;
        }

        return _aside.GiveUp(_parts.Table, taken, outcome.Finding, now);
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

    /// <summary>The owner, where it asks for that very port: then it may have its own back at
    /// once.</summary>
    private readonly string? AsksFor(int port) => port == _ownPort ? Request.Owner : null;

    /// <param name="IsInsisted">No other number will do, so what lingers on the port is no
    /// obstacle.</param>
    /// <param name="TakesCooling">Also a port that cools after another owner.</param>
    internal readonly record struct Terms(bool IsInsisted, bool TakesCooling);
}
