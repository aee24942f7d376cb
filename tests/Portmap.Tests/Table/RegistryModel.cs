namespace Portmap.Tests.Table;

/// <summary>The registry's specification for one operation at a time: plain dictionaries, no
/// concurrency, no cleverness.</summary>
internal sealed class RegistryModel(PortRange range, TimeSpan leaseTimeout, TimeSpan reuseDelay)
{
    private readonly Dictionary<int, DateTimeOffset> _coolsUntil = [];
    private readonly Dictionary<int, long> _highestOnPort = [];
    private readonly Dictionary<string, long> _highestOfOwner = [];

    public Dictionary<string, Registration> Bound { get; } = [];

    public Dictionary<string, OpenLease> Leases { get; } = [];

    public IEnumerable<string> OwnersOn(int port) => Bound.Where(pair => pair.Value.Port == port).Select(pair => pair.Key).Order(StringComparer.Ordinal);

    /// <summary>What the port's state may be; more than one only within a second of the end of a
    /// cool-down.</summary>
    public PortState[] StatesOf(int port, DateTimeOffset now)
    {
        if (Bound.Values.Any(bound => bound.Port == port))
        {
            return [PortState.Bound];
        }

        if (Leases.Values.Any(lease => lease.Port == port))
        {
            return [PortState.Reserved];
        }

        if (!_coolsUntil.TryGetValue(port, out DateTimeOffset until))
        {
            return [PortState.Free];
        }

        return (until - now).TotalSeconds switch
        {
            > 1 => [PortState.Cooling],
            < -1 => [PortState.Free],
            _ => [PortState.Cooling, PortState.Free],
        };
    }

    /// <summary>Ports an acquisition may get: those that may be free, and if none is surely free,
    /// those that cool.</summary>
    public HashSet<int> MayBeAcquired(DateTimeOffset now)
    {
        HashSet<int> ports = [];
        bool surelyFree = false;
        for (int port = range.First; port <= range.Last; port++)
        {
            PortState[] states = StatesOf(port, now);
            surelyFree |= states is [PortState.Free];
            if (states.Contains(PortState.Free))
            {
                ports.Add(port);
            }
        }

        for (int port = range.First; port <= range.Last && !surelyFree; port++)
        {
            if (StatesOf(port, now).Contains(PortState.Cooling))
            {
                ports.Add(port);
            }
        }

        return ports;
    }

    public void Acquire(string owner, int port, long epoch, DateTimeOffset now)
    {
        epoch.Should().BeGreaterThan(Math.Max(_highestOfOwner.GetValueOrDefault(owner), port == 0 ? 0 : _highestOnPort.GetValueOrDefault(port)), "the later one has the higher");
        _highestOfOwner[owner] = epoch;
        _highestOnPort[port] = Math.Max(epoch, _highestOnPort.GetValueOrDefault(port));
        Leases.Add(owner, new OpenLease(port, epoch, now + leaseTimeout));
        _coolsUntil.Remove(port);
    }

    /// <summary>The reason to refuse a registration without an epoch, or null.</summary>
    public PortRefusalReason? Refuses(string owner, int port, int process)
    {
        bool portHeld = Bound.Values.Any(bound => bound.Port == port && bound.Process != process);
        bool ownerHeld = Bound.TryGetValue(owner, out Registration? own) && own.Process != process;
        return portHeld || ownerHeld ? PortRefusalReason.Conflict : null;
    }

    /// <summary>The reason to refuse a registration with the open lease's epoch, or null.</summary>
    public PortRefusalReason? RefusesLease(string owner, int port, int process) =>
        Bound.Any(pair => pair.Key != owner && pair.Value.Port == port && pair.Value.Process != process) ? PortRefusalReason.Conflict : null;

    /// <summary>A registration that is not refused; <paramref name="asked"/> is what it carried and
    /// <paramref name="epoch"/> what the registry said.</summary>
    public void Register(string owner, int port, int process, long asked, long epoch, DateTimeOffset now)
    {
        Bound.TryGetValue(owner, out Registration? before);
        foreach ((string loser, _) in Leases.Where(pair => pair.Value.Port == port && pair.Key != owner).ToArray())
        {
            Leases.Remove(loser);
        }

        Leases.TryGetValue(owner, out OpenLease? lease);
        bool isSame = before is not null && (before.Port, before.Epoch, before.Process) == (port, epoch, process);
        bool usesLease = lease is not null && !isSame
            && (asked == lease.Epoch || (asked == 0 && (lease.Port == port || (lease.Port == 0 && before?.Process != process))));
        if (usesLease)
        {
            epoch.Should().BeGreaterThanOrEqualTo(lease!.Epoch);
            Leases.Remove(owner);
        }

        if (!isSame)
        {
            // One that signs in beside an open lease may rank below that lease, but below nothing
            // else.
            epoch.Should().BeGreaterThanOrEqualTo(_highestOnPort.GetValueOrDefault(port), "the later one of {0} has the higher", port);
            epoch.Should().BeGreaterThan(before?.Epoch ?? 0);
            (epoch >= _highestOfOwner.GetValueOrDefault(owner) || (lease is not null && !usesLease)).Should().BeTrue("the later one of {0} has the higher", owner);
            _highestOnPort[port] = epoch;
            _highestOfOwner[owner] = Math.Max(epoch, _highestOfOwner.GetValueOrDefault(owner));
        }

        Bound[owner] = new Registration(port, epoch, process);
        _coolsUntil.Remove(port);
        if (before is not null && before.Port != port)
        {
            CoolUnlessHeld(before.Port, now);
        }
    }

    public void Release(string owner, DateTimeOffset now)
    {
        if (Bound.Remove(owner, out Registration? bound))
        {
            CoolUnlessHeld(bound.Port, now);
        }
    }

    public void ReleaseLease(string owner, DateTimeOffset now)
    {
        if (Leases.Remove(owner, out OpenLease? lease) && lease.Port != 0)
        {
            CoolUnlessHeld(lease.Port, now);
        }
    }

    public void Die(int process, DateTimeOffset now)
    {
        foreach ((string owner, _) in Bound.Where(pair => pair.Value.Process == process).ToArray())
        {
            Release(owner, now);
        }
    }

    /// <summary>Leases surely over are ended; those within a second of it are as
    /// <paramref name="isOver"/> says.</summary>
    public void Expire(DateTimeOffset now, Func<string, bool> isOver)
    {
        foreach ((string owner, OpenLease lease) in Leases.ToArray())
        {
            double left = (lease.Expires - now).TotalSeconds;
            if (left < -1 || (left <= 1 && isOver(owner)))
            {
                ReleaseLease(owner, lease.Expires);
            }
        }
    }

    private void CoolUnlessHeld(int port, DateTimeOffset now)
    {
        if (!Bound.Values.Any(bound => bound.Port == port))
        {
            _coolsUntil[port] = now + reuseDelay;
        }
    }

    public sealed record Registration(int Port, long Epoch, int Process);

    public sealed record OpenLease(int Port, long Epoch, DateTimeOffset Expires);
}
