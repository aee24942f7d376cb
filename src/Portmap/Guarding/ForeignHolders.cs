using System.Collections.Immutable;
using Portmap.Processes;

namespace Portmap.Guarding;

/// <summary>A process outside the registry that has a port.</summary>
/// <param name="ProcessId">Its id.</param>
/// <param name="Command">
/// The name of its program, as /proc/pid/comm says, or the empty string.
/// </param>
internal sealed record ForeignHolder(int ProcessId, string Command);

/// <summary>Names the holders of ports that were found in use.</summary>
/// <remarks>
/// The way leads from the inode of the listener to the process that has it (/proc/pid/fd), where
/// that may be read. A look at all processes takes milliseconds, so it is made by a pass of the
/// registry for all new ports together, or when somebody reads the message of a refusal. Before
/// Linux 6.8 a bound socket that does not listen is in no list of the kernel's, so its holder stays
/// unnamed. Safe for any thread, and lock-free: whoever acquires notes a port here
/// (<see cref="Want"/>). Linux only.
/// </remarks>
internal sealed class ForeignHolders(SimulatedHost? host)
{
    /// <summary>How many answers are kept; past it the oldest passes' are forgotten.</summary>
    private const int Capacity = 4_096;

    private static readonly ForeignHolder s_unknown = new(0, string.Empty);

    private ImmutableDictionary<(PortProtocol, int), ForeignHolder> _known = ImmutableDictionary<(PortProtocol, int), ForeignHolder>.Empty;
    private ImmutableHashSet<(PortProtocol Protocol, int Port)> _wanted = [];

    /// <summary>Of each socket the oldest process that has it: one that is just being started has
    /// copies of its parent's.</summary>
    public static Dictionary<long, ForeignHolder> OfSockets(IEnumerable<long> inodes)
    {
        Dictionary<long, ForeignHolder> holders = [];
        foreach ((int processId, List<long> held) in ProcessSockets.HoldersOf(inodes.ToHashSet()))
        {
            ForeignHolder holder = new(processId, ProcessFiles.NameOf(processId));
            held.ForEach(inode => holders.TryAdd(inode, holder));
        }

        return holders;
    }

    /// <summary>A port was found in use just now.</summary>
    public void Want(PortProtocol protocol, int port)
    {
        if (IsKnowable && Volatile.Read(ref _wanted).Count < Capacity)
        {
            ImmutableInterlocked.TryRemove(ref _known, (protocol, port), out _);
            ImmutableInterlocked.Update(ref _wanted, static (wanted, port) => wanted.Add(port), (protocol, port));
        }
    }

    /// <summary>
    /// Looks for the holders of the ports that were found in use since the last time.
    /// </summary>
    /// <param name="found">
    /// Told of each port whose holder can be named: its process and command.
    /// </param>
    public void LookUpWanted(Action<PortProtocol, int, int, string> found)
    {
        ImmutableHashSet<(PortProtocol, int)> ports = Interlocked.Exchange(ref _wanted, []);
        if (ports.Count != 0)
        {
            foreach (((PortProtocol protocol, int port), ForeignHolder holder) in LookUp(ports))
            {
                if (!ReferenceEquals(holder, s_unknown))
                {
                    found(protocol, port, holder.ProcessId, holder.Command);
                }
            }
        }
    }

    /// <summary>
    /// The holders of some ports, as they are known; those that are not are looked for now. Of both
    /// protocols that of TCP comes first.
    /// </summary>
    public IReadOnlyList<ForeignHolder?> Of(PortProtocol protocol, params IReadOnlyList<int> ports)
    {
        PortProtocol[] protocols = protocol == PortProtocol.TcpAndUdp ? [PortProtocol.Tcp, PortProtocol.Udp] : [protocol];
        Dictionary<(PortProtocol, int), ForeignHolder> holders = [];
        HashSet<(PortProtocol, int)> missing = [];
        foreach ((PortProtocol, int) port in protocols.SelectMany(one => ports.Where(port => port != 0).Select(port => (one, port))))
        {
            if (Volatile.Read(ref _known).TryGetValue(port, out ForeignHolder? known))
            {
                holders[port] = known;
            }
            else
            {
                missing.Add(port);
            }
        }

        if (missing.Count != 0 && IsKnowable)
        {
            foreach (((PortProtocol, int) port, ForeignHolder holder) in LookUp(missing))
            {
                holders[port] = holder;   // what others know by now may be forgotten again
            }
        }

        return [.. ports.Select(port => protocols.Select(one => holders.GetValueOrDefault((one, port), s_unknown)).FirstOrDefault(holder => !ReferenceEquals(holder, s_unknown)))];
    }

    private bool IsKnowable => host is not null || OperatingSystem.IsLinux();

    /// <summary>Looks for the holders of some ports, of which each is known from then on, or known
    /// to be unknown; not before, for others take what is known for an answer.</summary>
    private Dictionary<(PortProtocol Protocol, int Port), ForeignHolder> LookUp(IReadOnlySet<(PortProtocol Protocol, int Port)> ports)
    {
        Dictionary<(PortProtocol, int), ForeignHolder> holders = host is null ? Search(ports)
            : ports.ToDictionary(port => port, port => host.Sockets(port.Protocol, port.Port).Select(socket => new ForeignHolder(socket.ProcessId, string.Empty)).FirstOrDefault(s_unknown));
        ImmutableInterlocked.Update(ref _known, static (known, found) => (known.Count + found.Count > Capacity ? known.Clear() : known).SetItems(found), holders);
        return holders;
    }

    private static Dictionary<(PortProtocol, int), ForeignHolder> Search(IReadOnlySet<(PortProtocol Protocol, int Port)> ports)
    {
        Dictionary<(PortProtocol, int), ForeignHolder> holders = ports.ToDictionary(port => port, _ => s_unknown);
        Dictionary<long, (PortProtocol, int)> sockets = [];
        Dictionary<PortProtocol, ListenTable> tables = [];
        foreach ((PortProtocol Protocol, int Port) port in ports)
        {
            // Who listens there; else who is bound and silent, or has an outgoing connection from
            // it.
            IReadOnlyList<PortSocket>? all = PortSockets.All(port.Protocol, port.Port);
            if (all is null && !tables.ContainsKey(port.Protocol))
            {
                tables[port.Protocol] = ListenTable.Read(port.Protocol);
            }

            foreach (long inode in all is not null
                ? (all.Any(socket => socket.Listens) ? all.Where(socket => socket.Listens) : all).Select(socket => socket.Inode)
                : tables[port.Protocol].SocketsOn(port.Port))
            {
                sockets[inode] = port;
            }
        }

        sockets.Remove(0);   // of a connection that nobody has any more
        foreach ((long inode, ForeignHolder holder) in OfSockets(sockets.Keys))
        {
            holders[sockets[inode]] = holder;
        }

        return holders;
    }
}
