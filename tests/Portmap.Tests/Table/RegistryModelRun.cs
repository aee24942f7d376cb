using Portmap.Tests.Support;

namespace Portmap.Tests.Table;

/// <summary>Does each operation on the registry and on the model, and compares them.</summary>
internal sealed class RegistryModelRun : IDisposable
{
    private static readonly PortRange s_range = new(20000, 20003);
    private static readonly string[] s_owners = ["a", "b", "c"];

    private readonly FakeTimeProvider _clock = new();
    private readonly PortRegistry _registry;
    private readonly RegistryModel _model;
    private readonly Child?[] _children = new Child?[RegistryOperation.Processes];
    private readonly PortSession?[] _sessions = new PortSession?[RegistryOperation.Processes];
    private readonly Dictionary<string, PortLease> _leases = [];

    /// <param name="durability">On a store that is written so; null is in memory.</param>
    public RegistryModelRun(PortDurability? durability = null)
    {
        PortRegistryOptions options = new()
        {
            Ports = s_range.ToString(),
            Probe = false,
            LeaseTimeout = TimeSpan.FromSeconds(40),
            ReuseDelay = TimeSpan.FromSeconds(30),
            LivenessInterval = TimeSpan.FromSeconds(1),
        };
        options.Durability = durability ?? options.Durability;
        _registry = durability is null
            ? new PortRegistry(options, null, _clock)
            : PortRegistry.OpenAsync(options, new FakePortStore(), null, _clock).Within().GetAwaiter().GetResult();
        _model = new RegistryModel(s_range, options.LeaseTimeout, options.ReuseDelay);
    }

    private DateTimeOffset Now => _clock.GetUtcNow();

    public void Do(RegistryOperation operation)
    {
        switch (operation)
        {
            case RegistryOperation.Acquire acquire:
                Acquire(acquire.Owner, acquire.AllocatorPicks ? "AllocatorPicks" : "ProcessBinds");
                break;
            case RegistryOperation.RegisterLease register:
                RegisterLease(register.Owner, register.Port, register.Process);
                break;
            case RegistryOperation.Register register:
                Register(register.Owner, register.Port, register.Process);
                break;
            case RegistryOperation.Release release:
                Release(release.Owner, release.Process);
                break;
            case RegistryOperation.ReleaseLease release:
                ReleaseLease(release.Owner);
                break;
            case RegistryOperation.Advance advance:
                // Second by second: the manual clock shows its final time to every timer it passes.
                for (int second = 0; second < advance.Seconds; second++)
                {
                    _clock.Advance(TimeSpan.FromSeconds(1));
                }

                break;
            case RegistryOperation.Die die:
                Die(die.Process);
                break;
        }

        _registry.FlushAsync().Within().GetAwaiter().GetResult();
        _model.Expire(Now, owner => _leases[owner].WhenBound.IsCompleted);
        Compare();
    }

    /// <summary>A verb of a registry that confirms, waited for.</summary>
    private static bool Wait(Func<Task> verb, out PortRefusal? refusal)
    {
        try
        {
            verb().Within().GetAwaiter().GetResult();
            refusal = null;
            return true;
        }
        catch (PortRefusedException refused)
        {
            refusal = refused.Refusal;
            return false;
        }
    }

    public void Dispose()
    {
        _registry.Dispose();
        foreach (Child? child in _children)
        {
            child?.Dispose();
        }
    }

    private void Acquire(string owner, string strategy)
    {
        HashSet<int> allowed = strategy == "ProcessBinds" ? [0] : _model.MayBeAcquired(Now);
        PortRequest request = new(owner) { Strategy = strategy };
        PortLease? lease = null;
        PortRefusal? refusal = null;
        bool granted = _registry.Confirms
            ? Wait(async () => lease = await _registry.AcquireAsync(request), out refusal)
            : _registry.TryAcquire(request, out lease, out refusal);
        if (_model.Leases.ContainsKey(owner))
        {
            refusal?.Reason.Should().Be(PortRefusalReason.AlreadyReserved);
            granted.Should().BeFalse();
        }
        else if (allowed.Count == 0)
        {
            refusal?.Reason.Should().Be(PortRefusalReason.Exhausted);
            granted.Should().BeFalse();
        }
        else
        {
            granted.Should().BeTrue("it was refused: {0}", refusal?.Message);
            allowed.Should().Contain(lease!.Port);
            _leases[owner] = lease;
            _model.Acquire(owner, lease.Port, lease.Epoch, Now);
        }
    }

    private void RegisterLease(string owner, int port, int process)
    {
        if (!_model.Leases.TryGetValue(owner, out RegistryModel.OpenLease? lease))
        {
            return;
        }

        port = lease.Port != 0 ? lease.Port : port;
        if (_model.Bound.TryGetValue(owner, out RegistryModel.Registration? before) && before.Port == port && before.Process != IdOf(process))
        {
            return; // the very port of the live process that is to be replaced: two processes cannot both listen there
        }

        Register(owner, port, process, lease.Epoch, _model.RefusesLease(owner, port, IdOf(process)));
    }

    private void Register(string owner, int port, int process) => Register(owner, port, process, 0, _model.Refuses(owner, port, IdOf(process)));

    private void Register(string owner, int port, int process, long epoch, PortRefusalReason? expected)
    {
        PortClaimRequest request = new(owner, port) { Epoch = epoch };
        PortEntry entry = default;
        PortRefusal? refusal = null;
        bool registered = _registry.Confirms
            ? Wait(async () => entry = await SessionOf(process).RegisterAsync(request), out refusal)
            : SessionOf(process).TryRegister(request, out entry, out refusal);
        refusal?.Reason.Should().Be(expected, "{0}", refusal);
        registered.Should().Be(expected is null);
        if (registered)
        {
            _model.Register(owner, port, IdOf(process), epoch, entry.Epoch!.Value, Now);
        }
    }

    private void Release(string owner, int process)
    {
        PortSession session = SessionOf(process);
        // An open lease has no process yet; only its epoch gives it back.
        bool stranger = _model.Bound.TryGetValue(owner, out RegistryModel.Registration? bound)
            ? bound.Process != IdOf(process)
            : _model.Leases.ContainsKey(owner);
        PortRefusal? refusal = null;
        bool released = _registry.Confirms ? Wait(async () => await session.ReleaseAsync(owner), out refusal) : session.TryRelease(owner, out refusal);
        released.Should().Be(!stranger);
        refusal?.Reason.Should().Be(PortRefusalReason.NotOwner);
        if (!stranger)
        {
            _model.Release(owner, Now);
        }
    }

    private void ReleaseLease(string owner)
    {
        if (!_leases.TryGetValue(owner, out PortLease? lease))
        {
            return;
        }

        bool open = _model.Leases.TryGetValue(owner, out RegistryModel.OpenLease? reserved) && reserved.Epoch == lease.Epoch;
        bool bound = _model.Bound.TryGetValue(owner, out RegistryModel.Registration? registration) && registration.Epoch == lease.Epoch;
        _ = _registry.Confirms ? Wait(async () => await lease.ReleaseAsync(), out _) : lease.TryRelease(out _);
        if (open)
        {
            _model.ReleaseLease(owner, Now);
        }

        if (bound)
        {
            _model.Release(owner, Now);
        }
    }

    private void Die(int process)
    {
        if (_children[process] is not { } child)
        {
            return;
        }

        int id = child.Id;
        child.Kill();
        child.Dispose();
        (_children[process], _sessions[process]) = (null, null);
        _clock.Advance(TimeSpan.FromSeconds(1));
        _model.Die(id, Now);
    }

    private PortSession SessionOf(int process)
    {
        if (_sessions[process] is not { } session)
        {
            _children[process] = Child.Start();
            _sessions[process] = session = _registry.OpenSession(_children[process]!.Id);
        }

        return session;
    }

    private int IdOf(int process)
    {
        SessionOf(process);
        return _children[process]!.Id;
    }

    private void Compare()
    {
        foreach (string owner in s_owners)
        {
            _model.Bound.TryGetValue(owner, out RegistryModel.Registration? bound);
            _model.Leases.TryGetValue(owner, out RegistryModel.OpenLease? lease);
            (_registry.TryGetPort(owner, out int port) ? port : 0).Should().Be(bound?.Port ?? 0, "that is where {0} is", owner);
            _registry.TryGetEntry(owner, out PortEntry entry).Should().Be(bound is not null || lease is not null, "{0}", owner);
            (entry.Port, entry.Epoch ?? 0, entry.ProcessId ?? 0).Should().Be(
                bound is not null ? (bound.Port, bound.Epoch, bound.Process) : (lease?.Port ?? 0, lease?.Epoch ?? 0, 0), "{0}", owner);
        }

        for (int port = s_range.First; port <= s_range.Last + 1; port++)
        {
            PortState state = _registry.TryGetEntry(port, out PortEntry entry) ? entry.State : PortState.Free;
            _model.StatesOf(port, Now).Should().Contain(state, "of port {0}", port);
            string[] owners = [.. _registry.EnumerateOwners(port).Where(e => e.State == PortState.Bound).Select(e => e.Owner).Order(StringComparer.Ordinal)];
            owners.Should().Equal(_model.OwnersOn(port), "of port {0}", port);
        }

        IEnumerable<(string, int, long?)> held = _registry.Snapshot().Entries
            .Where(entry => entry.State is PortState.Bound or PortState.Reserved)
            .Select(entry => (entry.Owner, entry.Port, entry.Epoch));
        held.Should().BeEquivalentTo(
            _model.Bound.Select(pair => (pair.Key, pair.Value.Port, (long?)pair.Value.Epoch))
                .Concat(_model.Leases.Select(pair => (pair.Key, pair.Value.Port, (long?)pair.Value.Epoch))));
    }
}
