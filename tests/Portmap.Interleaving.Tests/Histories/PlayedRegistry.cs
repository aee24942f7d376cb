using Portmap.Table;

namespace Portmap.Interleaving.Tests.Histories;

/// <summary>The registry, with hooks in it, as scenarios see it.</summary>
internal sealed class PlayedRegistry : IPlayed
{
    private const int FirstPort = 20_000;

    private static readonly string[] s_owners = ["a", "b", "c"];
    private static readonly TimeSpan s_leaseTimeout = TimeSpan.FromSeconds(40), s_reuseDelay = TimeSpan.FromSeconds(20);

    private readonly int _ports;
    private readonly ManualClock _clock = new();
    private readonly Mortal? _mortal;
    private readonly PortRegistry _registry;
    private readonly PortSession[] _sessions;
    private readonly PortLease?[] _leases = new PortLease?[s_owners.Length];
    private readonly Dictionary<long, PortLease> _granted = [];

    /// <param name="scenario">What will be played.</param>
    /// <param name="livingProcess">A process other than this one.</param>
    public PlayedRegistry(Scenario scenario, int livingProcess)
    {
        _ports = scenario.Ports;
        PortRegistryOptions options = new()
        {
            Ports = new PortRange(FirstPort, FirstPort + scenario.Ports - 1).ToString(),
            Strategy = PortRegistryOptions.AllocatorPicks,
            Probe = false,
            LeaseTimeout = s_leaseTimeout,
            ReuseDelay = scenario.Cools ? s_reuseDelay : TimeSpan.Zero,
            ReuseCooling = false,
            WatchCapacity = 64,
        };
        _registry = scenario.IsStored
            ? PortRegistry.OpenAsync(options, new SlowStore(), null, _clock).GetAwaiter().GetResult()
            : new PortRegistry(options, null, _clock);
        _mortal = scenario.HasDeath ? new Mortal() : null;
        int here = Environment.ProcessId;
        _sessions = [.. new[] { here, livingProcess, _mortal?.Id ?? here, here }.Select(id => _registry.OpenSession(id))];
    }

    public Call? Do(Call call) => call.Kind switch
    {
        CallKind.Acquire or CallKind.AcquireOwn => Acquire(call),
        CallKind.AcquireAll or CallKind.AcquireBlock => AcquireAll(call),
        CallKind.Register or CallKind.RegisterLease => Register(call),
        CallKind.Release => Release(call),
        CallKind.ReleaseLease or CallKind.ReleaseEpoch => ReleaseLease(call),
        CallKind.FindPort => call with { Succeeded = _registry.TryGetPort(s_owners[call.Owner], out int port), AnswerPort = NumberOf(port) },
        CallKind.FindByOwner => Found(call, _registry.TryGetEntry(s_owners[call.Owner], out PortEntry entry), entry),
        CallKind.FindByPort => Found(call, _registry.TryGetEntry(PortOf(call.Port), out PortEntry entry), entry),
        CallKind.Die => Die(call),
        _ => Pass(call),
    };

    public CallKind? EndOf(long leaseEpoch) => _granted[leaseEpoch].Claim switch
    {
        { IsLease: true, Word.Cause: ClaimEnd.Expired } => CallKind.Expire,
        { IsLease: true, Word.Cause: ClaimEnd.LostToListener } => CallKind.Take,
        _ => null,
    };

    public string? Disagreement() => Audit.Disagreement(_registry, s_owners, Enumerable.Range(FirstPort, _ports));

    public string? Leak()
    {
        _registry.AssertInvariants();
        foreach (TimeSpan time in (TimeSpan[])[s_leaseTimeout, 2 * s_reuseDelay])
        {
            _clock.Advance(time);
            _registry.Maintain();
        }

        return Disagreement() ?? Audit.Leak(_registry, new PortRange(FirstPort, FirstPort + _ports - 1));
    }

    public void Dispose()
    {
        _registry.Dispose();
        _mortal?.Dispose();
    }

    private Call Acquire(Call call)
    {
        PortRequest request = new(s_owners[call.Owner]) { Strategy = call.Kind == CallKind.AcquireOwn ? "ProcessBinds" : null };
        bool granted = _registry.Acquire(request, out PortLease? lease, out PortRefusal? refusal);
        if (lease is null)
        {
            return Answer(call, granted, refusal);
        }

        Volatile.Write(ref _leases[call.Owner], lease);
        // The lease may say the epoch of the registration that used it up meanwhile.
        long epoch = lease.Claim.Origin;
        lock (_granted)
        {
            _granted.Add(epoch, lease);
        }

        // What the lease says may be of the registration that used it up meanwhile; one for a
        // process that brings its port has none by itself.
        return Answer(call, granted, refusal) with { AnswerEpoch = epoch, AnswerPort = call.Kind == CallKind.AcquireOwn ? 0 : NumberOf(lease.Port) };
    }

    private Call AcquireAll(Call call)
    {
        PortRequest[] requests = [s_owners[call.Owner], s_owners[call.SecondOwner]];
        bool granted = _registry.AcquireAll(requests, call.Kind == CallKind.AcquireBlock, out IReadOnlyList<PortLease>? leases, out PortRefusal? refusal);
        if (leases is null)
        {
            return Answer(call, granted, refusal);
        }

        long[] epochs = [.. leases.Select(lease => lease.Claim.Origin)];
        lock (_granted)
        {
            _granted.Add(epochs[0], leases[0]);
            _granted.Add(epochs[1], leases[1]);
        }

        Volatile.Write(ref _leases[call.Owner], leases[0]);
        Volatile.Write(ref _leases[call.SecondOwner], leases[1]);
        return Answer(call, granted, refusal) with
        {
            AnswerEpoch = epochs[0],
            AnswerPort = NumberOf(leases[0].Port),
            SecondEpoch = epochs[1],
            SecondPort = NumberOf(leases[1].Port),
        };
    }

    private Call Register(Call call)
    {
        PortLease? lease = call.Kind == CallKind.RegisterLease ? Volatile.Read(ref _leases[call.Owner]) : null;
        if (lease is not null)
        {
            int port = lease.Port;
            call = call with { Epoch = lease.Epoch, Port = port == 0 ? call.Port : NumberOf(port) };
        }

        bool registered = _sessions[call.Process].Register(_registry, s_owners[call.Owner], PortOf(call.Port), out PortEntry entry, out PortRefusal? refusal, call.Epoch);
        return Answer(call, registered, refusal) with { Process = ProcessOf(call.Process), AnswerEpoch = entry.Epoch ?? 0 };
    }

    private Call Release(Call call)
    {
        bool released = _sessions[call.Process].Release(_registry, s_owners[call.Owner], out PortRefusal? refusal);
        return Answer(call, released, refusal) with { Process = ProcessOf(call.Process) };
    }

    private Call? ReleaseLease(Call call)
    {
        if (Volatile.Read(ref _leases[call.Owner]) is not { } lease)
        {
            return null;
        }

        call = call with { Epoch = lease.Epoch };
        bool released = call.Kind == CallKind.ReleaseLease
            ? lease.Release(_registry, out PortRefusal? refusal)
            : _sessions[call.Process].Release(_registry, s_owners[call.Owner], out refusal, call.Epoch);
        return Answer(call, released, refusal);
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

    private static Call Answer(Call call, bool succeeded, PortRefusal? refusal) => call with { Succeeded = succeeded, Reason = refusal?.Reason ?? default };

    private static int ProcessOf(int session) => session == Scenario.Sessions - 1 ? 0 : session;

    private static int PortOf(int number) => FirstPort + number - 1;

    private static int NumberOf(int port) => port == 0 ? 0 : port - FirstPort + 1;
}
