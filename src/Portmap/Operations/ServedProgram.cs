using System.Collections.Immutable;
using Portmap.Guarding;
using Portmap.Processes;

namespace Portmap.Operations;

/// <summary>A program the host registered for: which ports it serves for which owner, and who goes
/// on when the process that listens has gone.</summary>
/// <remarks>The session of the program asks it before it is dead. Any thread may use it: what is
/// known is replaced whole.</remarks>
internal sealed class ServedProgram(string owner, ProcessFamily family, PortPool range, bool isPassed)
{
    private ImmutableArray<Served> _ports = [];

    /// <summary>One port, and the sockets it is known to be served by.</summary>
    internal sealed record Served(PortProtocol Protocol, int Port, ImmutableHashSet<long> Sockets);

    public string Owner => owner;

    /// <summary>All that came from the process that was started.</summary>
    public ProcessFamily Family => family;

    public ListenerSearch Search { get; } = new(family, range) { IsPassed = isPassed };

    /// <summary>Where its lease wants it to listen.</summary>
    public PortPool Range => range;

    /// <summary>What was registered for it.</summary>
    public ImmutableArray<Served> Ports => _ports;   // written before the session's claim is published, and by passes

    /// <summary>It is about to be registered, or still serves: notes by which sockets, so that who
    /// has one of them later is known as one of the program.</summary>
    /// <remarks>A list that was not read whole takes nothing away from what is known. Nor does a look
    /// at the processes: one that has a socket may be none that is seen, for want of a descriptor or
    /// because those between have gone. What listens no more goes.</remarks>
    public void Note(PortProtocol protocol, int port, ListenTable listeners)
    {
        ImmutableHashSet<long>? known = _ports.FirstOrDefault(served => served.Protocol == protocol && served.Port == port)?.Sockets;
        if (!listeners.IsComplete && known is not null)
        {
            return;
        }

        family.LookAround();
        HashSet<long> sockets = [.. listeners.SocketsOn(port)];
        ImmutableHashSet<long> held = known?.Intersect(sockets) ?? [];
        foreach (int member in family.Living())
        {
            held = held.Union(ProcessSockets.Of(member) is { } its ? its.Intersect(sockets) : []);
        }

        ImmutableInterlocked.Update(
            ref _ports,
            static (ports, noted) => [.. ports.Where(served => served.Protocol != noted.Protocol), noted],
            new Served(protocol, port, held));
    }

    /// <summary>Looks for another process of the program that listens on its port.</summary>
    /// <param name="from">The one that has stopped.</param>
    /// <param name="session">Its session, for which the other one is held on to.</param>
    /// <param name="sibling">The other one; null when there is none.</param>
    /// <returns>False when nobody can tell, for want of a descriptor or of memory.</returns>
    public bool TryFindSibling(WatchedProcess from, IDeathObserver session, out WatchedProcess? sibling)
    {
        bool isSeen = true;
        foreach (Served served in _ports)
        {
            FoundListener found = Search.FindSibling(served.Protocol, served.Port, from.Identity.Id, served.Sockets);
            isSeen &= found.Sight != ListenerSight.Unreadable;
            if (found.Sight == ListenerSight.Found)
            {
                sibling = WatchedProcess.Open(found.ProcessId, session, out bool isDead);
                if (!isDead)
                {
                    return true;
                }

                sibling.Dispose();
            }
        }

        sibling = null;
        return isSeen;
    }
}
