using System.Net.Sockets;

namespace Portmap.Testing;

/// <summary>A host that is made up: the processes that live on it, and the sockets they
/// have.</summary>
/// <remarks>
/// <para>A registry whose options it was given asks it, and never the operating system
/// (<see cref="PortRegistryOptions.SimulateHost"/>). Tests that run side by side do not disturb each
/// other, and any port number will do.</para>
/// <para>A port has one holder. Addresses, families, SO_REUSEADDR and TIME_WAIT play no part, and a
/// registry cannot hold a port here: a stranger gets in until a process has the port. What depends
/// on those is tested with real sockets.</para>
/// <para>All members are safe for any thread.</para>
/// </remarks>
public sealed class FakeMachine
{
    /// <summary>The id of the first process. No Linux gives one that high (pid_max is at most
    /// 4,194,304), so none is taken for a real process.</summary>
    public const int FirstProcessId = 10_000_000;

    private readonly Lock _gate = new();
    private readonly Dictionary<int, FakeProcess> _processes = [];
    private readonly Dictionary<(PortProtocol Protocol, int Port), (FakeProcess Process, bool Listens)> _sockets = [];
    private int _nextId = FirstProcessId;
    private long _ticks;

    /// <summary>The boot of the machine; <see cref="Reboot"/> makes another one.</summary>
    public Guid BootId { get; private set; } = Guid.NewGuid();

    /// <summary>The processes that live, the oldest first.</summary>
    public IReadOnlyList<FakeProcess> Processes
    {
        get
        {
            lock (_gate)
            {
                return [.. _processes.Values.OrderBy(process => process.StartTime)];
            }
        }
    }

    /// <summary>Has the registry that is made with these options ask this machine.</summary>
    /// <param name="options">The options. The boot that they carry is the one of now.</param>
    /// <exception cref="ArgumentNullException"><paramref name="options"/> is null.</exception>
    public void Simulate(PortRegistryOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.SimulateHost(SocketsOn, StartOf, BootId);
    }

    /// <summary>Starts a process, which does nothing by itself.</summary>
    /// <param name="userId">The user it acts as, as the kernel would say; null is
    /// unknown.</param>
    /// <param name="processId">Its id, such as the one of a process that has died; null is one that
    /// nobody had.</param>
    /// <returns>The process. It lives until <see cref="FakeProcess.Kill"/> or
    /// <see cref="Reboot"/>.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="processId"/> is 0 or
    /// less.</exception>
    /// <exception cref="InvalidOperationException">A process with that id lives.</exception>
    public FakeProcess StartProcess(uint? userId = null, int? processId = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(processId ?? 1, nameof(processId));
        lock (_gate)
        {
            int id = processId ?? _nextId++;
            FakeProcess process = new(this, id, userId, ++_ticks);
            return _processes.TryAdd(id, process) ? process : throw new InvalidOperationException($"Process {id} lives: kill it first.");
        }
    }

    /// <summary>Has a stranger, a process of its own that the registry knows nothing of, listen on a
    /// port.</summary>
    /// <param name="port">The port, 1 to 65535.</param>
    /// <param name="protocol">TCP, UDP or both.</param>
    /// <returns>The stranger: kill it, and the port is free.</returns>
    /// <exception cref="ArgumentOutOfRangeException">It is no port.</exception>
    /// <exception cref="SocketException">AddressAlreadyInUse: a process has the port.</exception>
    public FakeProcess Occupy(int port, PortProtocol protocol = PortProtocol.Tcp)
    {
        FakeProcess stranger = StartProcess();
        try
        {
            stranger.Listen(port, protocol);
            return stranger;
        }
        catch
        {
            stranger.Kill();
            throw;
        }
    }

    /// <summary>The process that has a port, listening or not; null when nobody has.</summary>
    /// <param name="port">The port.</param>
    /// <param name="protocol">TCP or UDP.</param>
    public FakeProcess? HolderOf(int port, PortProtocol protocol = PortProtocol.Tcp)
    {
        lock (_gate)
        {
            return _sockets.GetValueOrDefault((protocol, port)).Process;
        }
    }

    /// <summary>Ends every process and begins another boot. A registry that was opened before knows
    /// nothing of it: open it anew, with options that were given to <see cref="Simulate"/>
    /// again.</summary>
    public void Reboot()
    {
        foreach (FakeProcess process in Processes)
        {
            process.Kill();
        }

        BootId = Guid.NewGuid();
    }

    internal bool IsAlive(FakeProcess process)
    {
        lock (_gate)
        {
            return _processes.GetValueOrDefault(process.Id) == process;
        }
    }

    internal IReadOnlyList<(PortProtocol Protocol, int Port)> PortsOf(FakeProcess process)
    {
        lock (_gate)
        {
            return [.. _sockets.Where(socket => socket.Value.Process == process).Select(socket => socket.Key).Order()];
        }
    }

    /// <summary>All of the sockets, or none.</summary>
    internal void Open(FakeProcess process, int port, PortProtocol protocol, bool listens)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(port, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(port, 65_535);
        lock (_gate)
        {
            if (_processes.GetValueOrDefault(process.Id) != process)
            {
                throw new InvalidOperationException($"Process {process.Id} has died.");
            }

            if (Halves(protocol).Any(half => _sockets.TryGetValue((half, port), out var held) && (held.Process != process || held.Listens)))
            {
                throw new SocketException((int)SocketError.AddressAlreadyInUse);
            }

            foreach (PortProtocol half in Halves(protocol))
            {
                _sockets[(half, port)] = (process, listens || half == PortProtocol.Udp);
            }
        }
    }

    internal void Close(FakeProcess process, int port, PortProtocol protocol)
    {
        lock (_gate)
        {
            foreach (PortProtocol half in Halves(protocol))
            {
                if (_sockets.GetValueOrDefault((half, port)).Process == process)
                {
                    _sockets.Remove((half, port));
                }
            }
        }
    }

    /// <summary>False when it had ended.</summary>
    internal bool End(FakeProcess process)
    {
        lock (_gate)
        {
            if (!IsAlive(process))
            {
                return false;
            }

            foreach ((PortProtocol protocol, int port) in PortsOf(process))
            {
                _sockets.Remove((protocol, port));
            }

            return _processes.Remove(process.Id);
        }
    }

    private static PortProtocol[] Halves(PortProtocol protocol) =>
        protocol == PortProtocol.TcpAndUdp ? [PortProtocol.Tcp, PortProtocol.Udp] : [protocol];

    private IEnumerable<(int Port, int ProcessId, bool Listens)> SocketsOn(PortProtocol protocol, int port)
    {
        lock (_gate)
        {
            if (port == 0)
            {
                return [.. _sockets.Where(socket => socket.Key.Protocol == protocol).Select(socket => (socket.Key.Port, socket.Value.Process.Id, socket.Value.Listens))];
            }

            return _sockets.TryGetValue((protocol, port), out var held) ? [(port, held.Process.Id, held.Listens)] : [];
        }
    }

    private long? StartOf(int processId)
    {
        lock (_gate)
        {
            return _processes.GetValueOrDefault(processId)?.StartTime;
        }
    }
}
