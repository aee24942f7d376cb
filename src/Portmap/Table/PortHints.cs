namespace Portmap.Table;

/// <summary>Where ports to hand out may be found: free ones, and those that wait for their time.
/// Hints only: the table decides.</summary>
internal sealed class PortHints : IFreePorts
{
    private readonly PortLimits _limits;
    private readonly DelayedPorts _cooling;
    private readonly DelayedPorts _foreign;
    private readonly Action<int> _free;

    public PortHints(PortLimits limits)
    {
        _limits = limits;
        Free = new FreePorts(limits.Range);
        _free = Free.Add;
        _cooling = new DelayedPorts(limits.Range, limits.ReuseDelay);
        _foreign = new DelayedPorts(limits.Range, limits.ForeignRecheck);
        Free.Fill(limits.Excluded);
    }

    public FreePorts Free { get; }

    public long CoolingMs => _cooling.DelayMs;

    public long RecheckMs => _foreign.DelayMs;

    /// <inheritdoc/>
    /// <remarks>Ports that the kernel never hands out by itself come before the rest.</remarks>
    public int FindFree(PortPool pool, int from, int avoid)
    {
        if (pool.First.Contains(from) && from != avoid && Free.Contains(from))
        {
            return from;   // nearly always, for who goes on where he was
        }

        foreach (PortRange[] tier in pool.Tiers)
        {
            int found = FindFree(tier, from, 65_535, avoid);
            found = found != 0 ? found : FindFree(tier, 1, from - 1, avoid);
            if (found != 0)
            {
                return found;
            }
        }

        return avoid != 0 && Free.Contains(avoid) && pool.Contains(avoid) ? avoid : 0;
    }

    /// <summary>A free one of some ports, or 0.</summary>
    public int FindFree(PortPool pool) => FindFree(pool, from: 1, avoid: 0);

    public bool IsFree(int port) => Free.Contains(port);

    /// <summary>64 ports from one on, a bit for each that may be free, or with those that wait for
    /// their time.</summary>
    public ulong Window(int from, bool alsoWaiting) =>
        Free.Window(from) | (alsoWaiting ? _cooling.Window(from) | _foreign.Window(from) : 0);

    /// <summary>Whether any port waits for its time; exact when nothing else runs.</summary>
    public bool HasWaiting => _cooling.HasAny || _foreign.HasAny;

    /// <summary>Takes a port out of the free ones; false when somebody else was faster.</summary>
    public bool TryTakeFree(int port) => Free.TryTake(port);

    /// <summary>Gives a port back to those that are handed out.</summary>
    public void Offer(int port)
    {
        if (_limits.HandsOut(port))
        {
            Free.Add(port);
        }
    }

    /// <summary>Brings a port whose claim has ended back into play, when its time has
    /// come.</summary>
    public void Cool(int port, long endedAt)
    {
        if (_cooling.DelayMs == 0 && Free.IsFound(port))
        {
            return;   // nearly always, without a delay: its bit stayed while it was held
        }

        if (!_limits.HandsOut(port))
        {
            return;
        }

        if (_cooling.DelayMs == 0)
        {
            Free.Add(port);
        }
        else
        {
            _cooling.Add(port, endedAt);
        }
    }

    /// <summary>The hint of a port came early: it waits for its time.</summary>
    public void PutOff(int port, in PortView seen)
    {
        if (seen.Availability == PortAvailability.Cooling)
        {
            Cool(port, seen.SinceMs);
        }
        else if (seen.Availability == PortAvailability.Foreign)
        {
            LookAgainLater(port, seen.SinceMs);
        }
    }

    public void LookAgainLater(int port, long foundAt)
    {
        if (_limits.HandsOut(port))
        {
            Free.TryTake(port);
            _foreign.Add(port, foundAt);
        }
    }

    public void DrainDue(long now)
    {
        _cooling.DrainDue(now, _free);
        _foreign.DrainDue(now, _free);
    }

    /// <summary>Frees the cooled ports that their eighth of the delay holds back; true when there
    /// was one.</summary>
    public bool DrainCooled(long now, Func<int, bool> isCooled) => _cooling.DrainOver(now, isCooled, _free);

    /// <summary>The approximately longest-cooled one of some ports, or 0.</summary>
    public int TryTakeCooling(PortPool pool, long now) => _cooling.TryTakeOldest(pool, now);

    /// <summary>The stranger's of some ports that has waited approximately longest, or 0.</summary>
    public int TryTakeForeign(PortPool pool, long now) => _foreign.TryTakeOldest(pool, now);

    private int FindFree(PortRange[] tier, int from, int to, int avoid)
    {
        foreach (PortRange part in tier)
        {
            int first = Math.Max(from, part.First), last = Math.Min(to, part.Last);
            int found = Free.Find(first, last);
            found = found != 0 && found == avoid ? Free.Find(found + 1, last) : found;
            if (found != 0)
            {
                return found;
            }
        }

        return 0;
    }
}
