using System.Runtime.CompilerServices;
using Portmap.Guarding;
using Portmap.Table;

namespace Portmap.Operations;

/// <summary>The ports that one acquisition met and could not take, until it is over: then they are
/// brought back into play.</summary>
internal struct SetAsidePorts
{
    private List<(int Port, bool Lingers)>? _ports;

    /// <summary>The ports that the system did not let us bind; null when there was none.</summary>
    public HashSet<int>? Denied { get; private set; }

    public readonly bool IsUsed => _ports is not null || Denied is not null;

    public readonly int Count => _ports?.Count ?? 0;

    public readonly int this[int index] => _ports![index].Port;

    /// <summary>One that is no first choice (closed connections linger on it), whose placeholder
    /// goes just now, or that is not free on both protocols.</summary>
    public void Add(int port, bool lingers)
    {
        _ports ??= [];
        if (!_ports.Contains((port, lingers)))
        {
            _ports.Add((port, lingers));
        }
    }

    /// <summary>A port that was named and could not be had is named no more: not while it is set
    /// aside, nor while somebody has it.</summary>
    public readonly void TakeOff(PortTable table, PortProtocol protocol, int port)
    {
        if (Denied?.Contains(port) == true || _ports?.Exists(aside => aside.Port == port) == true)
        {
            table.Hints(protocol).TryTakeFree(port);
        }
        else
        {
            table.Ports.TakeOff(protocol, port);
        }
    }

    /// <summary>The operating system says that a port which was free for the table is no
    /// good.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]   // seldom needed: its locals are not cleared on the way past it
    public PortAvailability GiveUp(PortTable table, PortClaim taken, GuardFinding finding, long now)
    {
        int port = taken.Port;
        PortTable.GiveUp(taken, now);
        switch (finding)
        {
            case GuardFinding.Lingering:
                Add(port, lingers: true);
                return PortAvailability.InUse;
            case GuardFinding.Busy:
                Add(port, lingers: false);
                return PortAvailability.InUse;
            case GuardFinding.Denied:
                (Denied ??= []).Add(port);
                return PortAvailability.Denied;
            default:
                table.TryMarkForeign(taken.Protocol, port, now, except: taken);
                return PortAvailability.FoundForeign;
        }
    }

    /// <summary>Brings them back into play, but for the one that was taken.</summary>
    public readonly void PutBack(PortHints hints, int taken, long now)
    {
        if (Denied is not null)
        {
            foreach (int denied in Denied)
            {
                hints.LookAgainLater(denied, now);   // without a mark in its slot: it is no stranger's
            }
        }

        for (int i = 0; i < Count; i++)
        {
            (int port, bool lingers) = _ports![i];
            if (port == taken)
            {
                continue;
            }

            if (lingers)
            {
                hints.Cool(port, now);
            }
            else
            {
                hints.Offer(port);
            }
        }
    }
}
