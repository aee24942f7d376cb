using Portmap.Processes;

namespace Portmap.Guarding;

/// <summary>What became of a look for the listener of a program.</summary>
internal enum ListenerSight
{
    /// <summary>Nobody listens yet.</summary>
    None,

    /// <summary>A process of the program listens.</summary>
    Found,

    /// <summary>A process that is none of the program listens on its port.</summary>
    Stranger,

    /// <summary>Somebody listens on the port who cannot be seen.</summary>
    Unseen,

    /// <summary>The kernel's list could not be read.</summary>
    Unreadable,
}

/// <summary>What was seen.</summary>
/// <param name="Sight">The outcome.</param>
/// <param name="Port">The port.</param>
/// <param name="ProcessId">The listener, or the stranger.</param>
/// <param name="Why">Why nothing could be seen.</param>
internal readonly record struct FoundListener(ListenerSight Sight, int Port = 0, int ProcessId = 0, string? Why = null);

/// <summary>
/// Finds which process of a program listens, and where, by what /proc says of its sockets.
/// </summary>
/// <remarks>
/// The listener is the oldest process that has the socket: of a master and its workers the master.
/// Where the descriptors of a process of the program may not be read (another user's), a listener
/// on the port asked for that is of its user is believed to be its. Any thread may use it. Linux
/// only.
/// </remarks>
internal sealed class ListenerSearch(ProcessFamily family, PortPool range)
{
    private HashSet<long> _others = [];

    /// <summary>As <see cref="ProcessSockets.HoldersOf(IReadOnlySet{long}, out bool)"/>.</summary>
    internal delegate IReadOnlyList<(int ProcessId, List<long> Sockets)> HolderLook(IReadOnlySet<long> sockets, out bool isWhole);

    /// <summary>Who tells which processes have a socket; tests have it come to nothing.</summary>
    internal HolderLook HoldersOf { get; init; } = ProcessSockets.HoldersOf;

    /// <summary>The daemon listens itself and passes its socket to the program.</summary>
    public bool IsPassed { get; init; }

    /// <summary>
    /// Looks for the listener on a port; for 0, on any, and first on one inside the range.
    /// </summary>
    /// <param name="protocol">TCP or UDP.</param>
    /// <param name="port">The port, or 0.</param>
    /// <param name="ours">Who listens in our own network.</param>
    /// <param name="thorough">
    /// Whether, for 0, listeners are looked at whose process has not been seen as one of the
    /// program.
    /// </param>
    public FoundListener Find(PortProtocol protocol, int port, ListenTable ours, bool thorough)
    {
        family.LookAround();
        IReadOnlyList<int> members = family.Living();
        Dictionary<int, ListenTable> tables = TablesOf(members, protocol, ours);
        if (Best(members, tables, port) is { } found)
        {
            return new FoundListener(ListenerSight.Found, found.Port, found.ProcessId);
        }

        ListenTable[] distinct = [.. tables.Values.Append(ours).Distinct()];
        if (port != 0)
        {
            foreach (ListenTable table in distinct.Where(table => table.Listens(port)))
            {
                return Judge(table, protocol, port);
            }
        }
        else if (thorough)
        {
            AdoptListeners(distinct);
        }

        return distinct.FirstOrDefault(table => !table.IsComplete) is { } unread ? new FoundListener(ListenerSight.Unreadable, Why: unread.WhyIncomplete) : default;
    }

    /// <summary>
    /// Finds the process that goes on listening on a port when one of the program has stopped.
    /// </summary>
    /// <param name="protocol">TCP or UDP.</param>
    /// <param name="port">The port.</param>
    /// <param name="except">The one that has stopped.</param>
    /// <param name="sockets">
    /// Sockets that the program is known to listen with: who has one of them is of the program,
    /// unless the program had it from him, or he is a child of ours that may have a copy only.
    /// </param>
    /// <returns>Found; None; or Unreadable, for want of a descriptor or of memory: then another look
    /// may find one.</returns>
    public FoundListener FindSibling(PortProtocol protocol, int port, int except, IReadOnlySet<long> sockets)
    {
        family.LookAround();
        IReadOnlyList<int> members = family.Living();
        ListenTable ours = ListenTable.Read(protocol);
        FoundListener nobody = default;
        foreach (ListenTable table in TablesOf(members, protocol, ours).Values.Append(ours).Distinct())
        {
            if (table is { IsComplete: false, IsUnreadable: false })
            {
                nobody = new FoundListener(ListenerSight.Unreadable, port);
            }

            if (!table.Listens(port))
            {
                continue;
            }

            bool isShort = false;
            IReadOnlyList<(int ProcessId, List<long> Sockets)> holders = HoldersOf(table.SocketsOn(port).ToHashSet(), out bool isWhole);
            foreach ((int processId, List<long> held) in holders)
            {
                if (processId != except && !family.IsAncestor(processId)
                    && ((held.Exists(sockets.Contains) && !MayBeACopy(processId, ref isShort)) || family.Includes(processId, likelyIsEnough: false, ref isShort)))
                {
                    return new FoundListener(ListenerSight.Found, port, processId);
                }
            }

            nobody = isWhole && !isShort ? nobody : new FoundListener(ListenerSight.Unreadable, port);
        }

        return nobody;
    }

    /// <summary>Of a socket that we pass, each child of ours has a copy until it has become its
    /// program.</summary>
    private bool MayBeACopy(int processId, ref bool isShort) =>
        IsPassed && (!ProcessStat.TryRead(processId, out ProcessStat stat, ref isShort) || stat.Parent == Environment.ProcessId);

    private static Dictionary<int, ListenTable> TablesOf(IReadOnlyList<int> members, PortProtocol protocol, ListenTable ours)
    {
        Dictionary<int, ListenTable> tables = [];
        Dictionary<string, ListenTable> read = [];
        foreach (int member in members)
        {
            if (ProcessFiles.ForeignNetworkOf(member) is not { } folder)
            {
                tables[member] = ours;
            }
            else
            {
                string network = ProcessFiles.NetworkOf(member) ?? folder;
                if (!read.TryGetValue(network, out ListenTable? table))
                {
                    read.Add(network, table = ListenTable.Read(protocol, folder));
                }

                tables[member] = table;
            }
        }

        return tables;
    }

    private (int Port, int ProcessId)? Best(IReadOnlyList<int> members, Dictionary<int, ListenTable> tables, int port)
    {
        (int Port, int ProcessId)? best = null, believed = null;
        foreach (int member in members)
        {
            ListenTable table = tables[member];
            if (port != 0 && !table.Listens(port))
            {
                continue;   // nothing to look at the process for
            }

            bool isShort = false;
            HashSet<long>? sockets = ProcessSockets.Of(member, ref isShort);
            uint? user = sockets is null && !isShort && port != 0 ? ProcessUser.Of(member) : null;
            foreach (ListenTable.Listener listener in table.Listeners)
            {
                if (port == 0 ? listener.IsConnected : listener.Port != port)
                {
                    continue;
                }

                if (sockets?.Contains(listener.Inode) == true)
                {
                    best = best is { } other && !IsBetter(listener.Port, other.Port) ? best : (listener.Port, member);
                }
                else if (sockets is null && port != 0 && listener.User == user)
                {
                    believed = (listener.Port, member);   // the youngest: wrappers wait, what they started listens
                }
            }
        }

        return best ?? believed;
    }

    private bool IsBetter(int port, int than) => range.Contains(port) == range.Contains(than) ? port < than : range.Contains(port);

    /// <summary>Whose listener it is that none of the members has.</summary>
    private FoundListener Judge(ListenTable table, PortProtocol protocol, int port)
    {
        HashSet<long> sockets = [.. table.SocketsOn(port)];
        if (sockets.SetEquals(Volatile.Read(ref _others)))
        {
            return new FoundListener(ListenerSight.Unseen, port);   // looked for already, which takes milliseconds
        }

        bool isShort = false;
        IReadOnlyList<(int ProcessId, List<long> Sockets)> holders = HoldersOf(sockets, out bool isWhole);
        foreach ((int processId, _) in holders)
        {
            if (family.Includes(processId, likelyIsEnough: true, ref isShort))
            {
                return new FoundListener(ListenerSight.Found, port, processId);
            }
        }

        isWhole &= !isShort;
        if (holders.Count != 0 && isWhole)   // else the one it is of may be among those that were passed over
        {
            // What UDP shows of ourselves is the placeholder: it is bound, and nobody listens on
            // UDP. Of a socket that is passed we are a holder until the program has it; another one
            // may be a child of ours that is about to become a program, and to lose it.
            bool isGuard = IsPassed ? holders.Any(holder => holder.ProcessId == Environment.ProcessId)
                : protocol == PortProtocol.Udp && holders[0].ProcessId == Environment.ProcessId;
            return isGuard ? default : new FoundListener(ListenerSight.Stranger, port, holders[0].ProcessId);
        }

        Volatile.Write(ref _others, isWhole ? sockets : []);   // who could not be looked at may be of it
        return new FoundListener(ListenerSight.Unseen, port);
    }

    /// <summary>
    /// Takes those into the family that listen inside the range and turn out to be of it.
    /// </summary>
    private void AdoptListeners(ListenTable[] tables)
    {
        HashSet<long> sockets = [.. tables.SelectMany(table => table.Listeners).Where(listener => range.Contains(listener.Port)).Select(listener => listener.Inode)];
        sockets.ExceptWith(Volatile.Read(ref _others));
        if (sockets.Count == 0)
        {
            return;
        }

        bool isShort = false;
        IReadOnlyList<(int ProcessId, List<long> Sockets)> holders = HoldersOf(sockets, out bool isWhole);
        foreach ((int processId, List<long> held) in holders)
        {
            if (family.Includes(processId, likelyIsEnough: false, ref isShort))
            {
                sockets.ExceptWith(held);
            }
        }

        if (isWhole && !isShort)
        {
            Volatile.Write(ref _others, [.. Volatile.Read(ref _others), .. sockets]);   // of others: not looked for again
        }
    }
}
