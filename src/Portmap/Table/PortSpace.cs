namespace Portmap.Table;

/// <summary>The ports of one protocol: their slots, and the hints that find one to hand out.</summary>
internal sealed class PortSpace : IFreePorts
{
    private readonly DelayedPorts _cooling;
    private readonly DelayedPorts _foreign;
    private readonly Action<int> _free;

    public PortSpace(PortRegistrySettings settings, PortProtocol protocol)
    {
        Settings = settings;
        Last = new LastPorts(protocol);
        Free = new FreePorts(settings.Range);
        _free = Free.Add;
        _cooling = new DelayedPorts(settings.Range, settings.ReuseDelay);
        _foreign = new DelayedPorts(settings.Range, settings.ForeignRecheck);
        for (int port = settings.Range.First; port <= settings.Range.Last; port++)
        {
            if (settings.HandsOut(port))
            {
                Free.Add(port);
            }
        }
    }

    public PortRegistrySettings Settings { get; }

    public PortRange Range => Settings.Range;

    public PortSlots Slots { get; } = new();

    public FreePorts Free { get; }

    /// <summary>The port each owner had last.</summary>
    public LastPorts Last { get; }

    /// <inheritdoc/>
    /// <remarks>Ports that the kernel never hands out by itself come before the rest.</remarks>
    public int FindFree(int from, int avoid)
    {
        foreach (PortRange[] tier in Settings.Tiers)
        {
            int found = FindFree(tier, from, 65_535, avoid);
            found = found != 0 ? found : FindFree(tier, 1, from - 1, avoid);
            if (found != 0)
            {
                return found;
            }
        }

        return avoid != 0 && Free.Contains(avoid) ? avoid : 0;
    }

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

    /// <summary>Brings a port whose claim has ended back into play, when its time has come.</summary>
    public void Cool(int port, long endedAt)
    {
        if (!Settings.HandsOut(port))
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

    public void LookAgainLater(int port, long foundAt)
    {
        if (Settings.HandsOut(port))
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

    /// <summary>Frees the cooled ports that their eighth of the delay holds back; true when there was one.</summary>
    public bool DrainCooled(long now, Func<int, bool> isCooled) => _cooling.DrainOver(now, isCooled, _free);

    /// <summary>The approximately longest-cooled port, or 0.</summary>
    public int TryTakeCooling(long now) => _cooling.TryTakeOldest(now);

    /// <summary>The stranger's port that has waited approximately longest, or 0.</summary>
    public int TryTakeForeign(long now) => _foreign.TryTakeOldest(now);

    /// <summary>Whether the marker of a stranger is old enough to be doubted.</summary>
    public bool IsDue(ClaimWord foreign, long now) => now - foreign.At >= _foreign.DelayMs;

    /// <summary>Whether a port cools after a claim that ended so: not if the claim never took effect, or goes on as a registration.</summary>
    public static bool Cools(ClaimEnd cause) => cause is not (ClaimEnd.Withdrawn or ClaimEnd.PortHeld or ClaimEnd.LeaseGone or ClaimEnd.Consumed or ClaimEnd.StoreFailed);

    /// <summary>How long a port that ended then still cools; 0 when it is over.</summary>
    public long CoolsForMs(ClaimWord ended, long now)
    {
        if (ended.Waits)
        {
            return Math.Max(1, ended.At + _cooling.DelayMs - now);   // its end is not on disk yet
        }

        // Without a delay nothing cools, not even a port whose end is newer than the caller's time, which may be some milliseconds old.
        return _cooling.DelayMs == 0 || !Cools(ended.Cause) ? 0 : Math.Max(0, ended.At + _cooling.DelayMs - now);
    }
}
