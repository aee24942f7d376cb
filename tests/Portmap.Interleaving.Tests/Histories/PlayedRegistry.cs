using Portmap.Table;

namespace Portmap.Interleaving.Tests.Histories;

/// <summary>The registry, with hooks in it, as scenarios see it.</summary>
internal sealed class PlayedRegistry : IPlayed
{
    /// <summary>More than a pass takes.</summary>
    private static readonly TimeSpan s_extension = TimeSpan.FromSeconds(100);

    private static readonly string[] s_owners = ["a", "b", "c"];
    private static readonly TimeSpan s_leaseTimeout = TimeSpan.FromSeconds(40), s_reuseDelay = TimeSpan.FromSeconds(20);

    private readonly int _firstPort;
    private readonly int _ports;
    private readonly int _kept;
    private readonly ManualClock _clock = new();
    private readonly IPlayedStore? _store;
    private readonly bool _isGuarded;
    private readonly Mortal? _mortal;
    private readonly PortRegistry _registry;
    private readonly PortSession[] _sessions;
    private readonly PortLease?[] _leases = new PortLease?[2 * s_owners.Length];
    private readonly long[] _registered = new long[2 * s_owners.Length];
    private readonly Dictionary<(PortProtocol Protocol, long Epoch), PortLease> _granted = [];

    /// <param name="scenario">What will be played.</param>
    /// <param name="livingProcess">A process other than this one.</param>
    /// <param name="firstPort">The first of its ports: of nobody else in this process where the
    /// kernel is asked.</param>
    public PlayedRegistry(Scenario scenario, int livingProcess, int firstPort)
    {
        _ports = scenario.Ports;
        _isGuarded = scenario.IsGuarded;
        _firstPort = firstPort;
        PortRegistryOptions options = new()
        {
            Ports = Range.ToString(),
            Strategy = PortRegistryOptions.AllocatorPicks,
            Guard = scenario.IsGuarded ? PortGuardMode.WhileAlive : PortGuardMode.UntilRegistered,
            Probe = scenario.IsGuarded,
            LeaseTimeout = s_leaseTimeout,
            ReuseDelay = scenario.Cools ? s_reuseDelay : TimeSpan.Zero,
            ReuseCooling = false,
            ForeignRecheck = s_reuseDelay,
            WatchCapacity = 64,
            MaxOwners = 64,   // each audit looks into every bucket
        };
        if (scenario.KeepsOne)
        {
            _kept = PortOf(Scenario.KeptPort);
            options.KeptPorts[s_owners[Scenario.KeptFor]] = _kept;
        }

        _store = !scenario.IsStored ? null : scenario.IsStepped ? new SteppedStore(scenario.FailingBatch) : new SlowStore(scenario.StoreFails);
        _registry = _store is not null
            ? PortRegistry.OpenAsync(options, _store, null, _clock).GetAwaiter().GetResult()
            : new PortRegistry(options, null, _clock);
        _store?.Begin();
        _mortal = scenario.HasDeath ? new Mortal() : null;
        int here = Environment.ProcessId;
        _sessions = [.. new[] { here, livingProcess, _mortal?.Id ?? here, here }.Select(id => _registry.OpenSession(id))];
    }

    private PortRange Range => new(_firstPort, _firstPort + _ports - 1);

    public Call? Do(Call call)
    {
        EitherForm.Stepped = _store as SteppedStore;
        return Answered(call);
    }

    private Call? Answered(Call call) => call.Kind switch
    {
        CallKind.Acquire or CallKind.AcquireOwn or CallKind.AcquireBoth => Acquire(call),
        CallKind.AcquireAll or CallKind.AcquireBlock => AcquireAll(call),
        CallKind.Register or CallKind.RegisterLease or CallKind.RegisterAgain => Register(call),
        CallKind.Release => Release(call),
        CallKind.ReleaseLease or CallKind.ReleaseEpoch => ReleaseLease(call),
        CallKind.ReportBindFailure => ReportBindFailure(call),
        CallKind.Extend => Extend(call),
        CallKind.OpenGate => OpenGate(call),
        CallKind.FindPort => call with { Succeeded = _registry.TryGetPort(s_owners[call.Owner], out int port, call.Protocol), AnswerPort = NumberOf(port) },
        CallKind.FindByOwner => Found(call, _registry.TryGetEntry(s_owners[call.Owner], out PortEntry entry, call.Protocol), entry),
        CallKind.FindByPort => Found(call, _registry.TryGetEntry(PortOf(call.Port), out PortEntry entry, call.Protocol), entry),
        CallKind.Die => Die(call),
        _ => Pass(call),
    };

    public CallKind? EndOf(PortProtocol protocol, long leaseEpoch)
    {
        PortLease lease = _granted[(protocol, leaseEpoch)];
        PortClaim half = HalfOf(lease, protocol);
        return half.IsLease && half.Epoch == leaseEpoch
            ? half.Word.Cause switch
            {
                ClaimEnd.Expired => CallKind.Expire,
                ClaimEnd.LostToListener => CallKind.Take,
                ClaimEnd.Released when lease.Twin is not null => CallKind.EndHalf,
                _ => null,
            }
            : null;
    }

    public string? Disagreement() => Audit.Disagreement(_registry, s_owners, Enumerable.Range(_firstPort, _ports)) ?? (_isGuarded ? Audit.Lie(_registry) : null);

    public string? Leak()
    {
        _store?.Heal();
        foreach (TimeSpan time in (TimeSpan[])[TimeSpan.Zero, s_leaseTimeout, 2 * s_reuseDelay])
        {
            _registry.AssertInvariants();
            _clock.Advance(time);
            _registry.Maintain();
            _registry.FlushAsync().WaitAsync(Deadline.Default).GetAwaiter().GetResult();
        }

        return Disagreement() ?? Audit.Unaccounted(_registry) ?? Audit.Leak(_registry, Range, _kept);
    }

    public void Dispose()
    {
        _store?.Heal();
        _registry.Dispose();
        _mortal?.Dispose();
    }

    private Call Acquire(Call call)
    {
        PortRequest request = new(s_owners[call.Owner])
        {
            Protocol = call.Kind == CallKind.AcquireBoth ? PortProtocol.TcpAndUdp : call.Protocol,
            Strategy = call.Kind == CallKind.AcquireOwn ? PortRegistryOptions.ProcessBinds : null,
        };
        bool granted = _registry.Acquire(request, out PortLease? lease, out PortRefusal? refusal);
        if (lease is null)
        {
            return Answer(call, granted, refusal);
        }

        // What the lease says may be of the registration that used it up meanwhile; one for a
        // process that brings its port has none by itself.
        Call answer = Answer(call, granted, refusal) with { AnswerEpoch = lease.Claim.Origin, AnswerPort = call.Kind == CallKind.AcquireOwn ? 0 : NumberOf(lease.Port) };
        foreach (Call half in answer.Acquisitions)
        {
            Note(lease, half.Protocol, half.Owner, half.AnswerEpoch);
        }

        return answer;
    }

    private Call AcquireAll(Call call)
    {
        PortRequest[] requests = [Request(call.Owner), Request(call.SecondOwner)];
        bool granted = _registry.AcquireAll(requests, call.Kind == CallKind.AcquireBlock, out IReadOnlyList<PortLease>? leases, out PortRefusal? refusal);
        if (leases is null)
        {
            return Answer(call, granted, refusal);
        }

        long[] epochs = [.. leases.Select(lease => lease.Claim.Origin)];
        Note(leases[0], call.Protocol, call.Owner, epochs[0]);
        Note(leases[1], call.Protocol, call.SecondOwner, epochs[1]);
        return Answer(call, granted, refusal) with
        {
            AnswerEpoch = epochs[0],
            AnswerPort = NumberOf(leases[0].Port),
            SecondEpoch = epochs[1],
            SecondPort = NumberOf(leases[1].Port),
        };

        PortRequest Request(int owner) => new(s_owners[owner]) { Protocol = call.Protocol };
    }

    private Call? Register(Call call)
    {
        if (call.Kind == CallKind.RegisterLease && LeaseOf(call) is { } lease)
        {
            PortClaim half = HalfOf(lease, call.Protocol);
            call = call with { Epoch = half.Epoch, Port = half.Port == 0 ? call.Port : NumberOf(half.Port) };
        }
        else if (call.Kind == CallKind.RegisterAgain)
        {
            call = call with { Epoch = Volatile.Read(ref _registered[PlaceOf(call.Protocol, call.Owner)]) };
            if (call.Epoch == 0)
            {
                return null;
            }
        }

        PortClaimRequest request = new(s_owners[call.Owner], PortOf(call.Port)) { Epoch = call.Epoch, Protocol = call.Protocol };
        bool registered = _sessions[call.Process].Register(_registry, request, out PortEntry entry, out PortRefusal? refusal);
        if (registered)
        {
            Volatile.Write(ref _registered[PlaceOf(call.Protocol, call.Owner)], entry.Epoch ?? 0);
        }

        return Answer(call, registered, refusal) with { Process = ProcessOf(call.Process), AnswerEpoch = entry.Epoch ?? 0 };
    }

    private Call Release(Call call)
    {
        bool released = _sessions[call.Process].Release(_registry, new PortClaimRequest(s_owners[call.Owner]) { Protocol = call.Protocol }, out PortRefusal? refusal);
        return AnswerToRelease(call, released, refusal) with { Process = ProcessOf(call.Process) };
    }

    /// <summary>Of a lease for both protocols only half is given back, by its epoch: the lease
    /// itself gives back each half at a moment of its own.</summary>
    private Call? ReleaseLease(Call call)
    {
        if (LeaseOf(call) is not { } lease || (lease.Twin is not null && call.Kind == CallKind.ReleaseLease))
        {
            return null;
        }

        call = call with { Epoch = HalfOf(lease, call.Protocol).Epoch, Granted = call.Kind == CallKind.ReleaseLease ? GrantedAs(lease) : 0 };
        bool released = call.Kind == CallKind.ReleaseLease
            ? lease.Release(_registry, out PortRefusal? refusal)
            : _sessions[call.Process].Release(_registry, new PortClaimRequest(s_owners[call.Owner]) { Epoch = call.Epoch, Protocol = call.Protocol }, out refusal);
        return AnswerToRelease(call, released, refusal);
    }

    private Call? ReportBindFailure(Call call)
    {
        if (LeaseOf(call) is not { Twin: null, Port: not 0 } lease)
        {
            return null;
        }

        call = call with { Epoch = lease.Claim.Origin, Granted = GrantedAs(lease), Port = NumberOf(lease.Port) };
        bool healed = lease.ReportBindFailure(out PortRefusal? refusal);
        long epoch = lease.Claim.Origin;
        if (healed && epoch != call.Epoch)
        {
            Note(lease, call.Protocol, call.Owner, epoch);
        }

        return Answer(call, healed, refusal) with { AnswerEpoch = epoch, AnswerPort = NumberOf(lease.Port) };
    }

    private Call? Extend(Call call)
    {
        if (LeaseOf(call) is not { Twin: null } lease)
        {
            return null;
        }

        call = call with { Epoch = lease.Claim.Origin, Granted = GrantedAs(lease) };
        bool extended = lease.Extend(s_extension, out PortRefusal? refusal);
        return Answer(call, extended || refusal?.Reason == PortRefusalReason.StoreFailed, refusal);   // what is not on disk holds in this run
    }

    private Call? OpenGate(Call call)
    {
        if (LeaseOf(call) is not { } lease)
        {
            return null;
        }

        lease.OpenGate();
        return call with { Succeeded = true };
    }

    private Call Die(Call call)
    {
        _mortal!.Kill();
        _sessions[Scenario.Mortal].DisposeAsync().AsTask().Wait();
        return call with { Succeeded = true };
    }

    private Call Pass(Call call)
    {
        _clock.Advance(s_leaseTimeout + s_reuseDelay);
        _registry.Maintain();
        return call with { Succeeded = true };
    }

    private Call Found(Call call, bool found, PortEntry entry) => call with
    {
        Succeeded = found,
        State = found ? entry.State : PortState.Free,
        AnswerOwner = found ? Array.IndexOf(s_owners, entry.Owner) : -1,
        AnswerPort = found ? NumberOf(entry.Port) : 0,
        AnswerEpoch = entry.Epoch ?? 0,
        AnswerProcess = entry.ProcessId is null ? -1 : ProcessOf(Array.FindIndex(_sessions, session => session.ProcessId == entry.ProcessId)),
    };

    private void Note(PortLease lease, PortProtocol protocol, int owner, long epoch)
    {
        Volatile.Write(ref _leases[PlaceOf(protocol, owner)], lease);
        lock (_granted)
        {
            _granted.Add((protocol, epoch), lease);
        }
    }

    private long GrantedAs(PortLease lease)
    {
        lock (_granted)
        {
            return _granted.Where(one => ReferenceEquals(one.Value, lease)).Min(one => one.Key.Epoch);
        }
    }

    private PortLease? LeaseOf(Call call) => Volatile.Read(ref _leases[PlaceOf(call.Protocol, call.Owner)]);

    private static PortClaim HalfOf(PortLease lease, PortProtocol protocol) => lease.Twin is { } twin && twin.Protocol == protocol ? twin : lease.Claim;

    private static Call Answer(Call call, bool succeeded, PortRefusal? refusal) => call with { Succeeded = succeeded, Reason = refusal?.Reason ?? default };

    /// <summary>What ended has ended, though that could not be written yet.</summary>
    private static Call AnswerToRelease(Call call, bool released, PortRefusal? refusal) => Answer(call, released || refusal?.Reason == PortRefusalReason.StoreFailed, refusal);

    private static int PlaceOf(PortProtocol protocol, int owner) => owner + (protocol == PortProtocol.Udp ? s_owners.Length : 0);

    private static int ProcessOf(int session) => session == Scenario.Sessions - 1 ? 0 : session;

    private int PortOf(int number) => _firstPort + number - 1;

    private int NumberOf(int port) => port == 0 ? 0 : port - _firstPort + 1;
}
