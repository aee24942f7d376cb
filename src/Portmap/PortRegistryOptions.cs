using System.Diagnostics.Metrics;

namespace Portmap;

/// <summary>
/// How a <see cref="PortRegistry"/> behaves. Read once, when the registry is made; later changes
/// have no effect.
/// </summary>
/// <remarks>
/// Every value is checked then; a wrong one is named with its bound and remedy in an
/// <see cref="Microsoft.Extensions.Options.OptionsValidationException"/>. Not safe for concurrent
/// writes.
/// </remarks>
public sealed class PortRegistryOptions
{
    /// <summary>
    /// The strategy by which the process or the kernel picks: the number becomes a claim when the
    /// process has listened and registers. The recommended one, and the default.
    /// </summary>
    public const string ProcessBinds = "ProcessBinds";

    /// <summary>
    /// The strategy by which the registry picks, for ports that must be known before the process
    /// starts.
    /// </summary>
    public const string AllocatorPicks = "AllocatorPicks";

    /// <summary>The ports that may be handed out.</summary>
    /// <value>
    /// <c>FIRST-LAST</c>, both included, 1 to 65535, or several separated by commas, at most 256,
    /// which may not overlap: <c>49152-65535,7000-7099</c>. The default is <c>49152-65535</c>, the
    /// dynamic ports of RFC 6335.
    /// </value>
    /// <remarks>
    /// <para>Their order is kept where they are shown and means nothing to who gets which: ports
    /// that the kernel never hands out by itself come first, then <see cref="Order"/> decides. A
    /// request that wants some of them only says so by <see cref="PortRequest.Ports"/>.</para>
    /// <para>A process may register a port outside: a listening process is never refused because of
    /// the range.</para>
    /// </remarks>
    public string Ports { get; set; } = "49152-65535";

    /// <summary>Ports of the range that are never handed out.</summary>
    /// <value>
    /// Numbers and ranges separated by commas, for example <c>50000,51000-51999</c>. The default is
    /// none.
    /// </value>
    public string Exclude { get; set; } = string.Empty;

    /// <summary>Numbers that are kept for certain owners: nobody else is ever given them, and the
    /// owner gets its own first.</summary>
    /// <value>
    /// The owner, and one port of <see cref="Ports"/> that is not excluded; no port for two owners.
    /// The default is none. A configuration takes the colon for its separator, so an owner that
    /// holds one is added in code.
    /// </value>
    /// <remarks>
    /// <para>The number holds for both protocols, and comes before whatever
    /// <see cref="PortRequest.Reuse"/> says: unless <see cref="PortRequest.Ports"/> leaves it out,
    /// the owner gets it while it can be had, and else another one. Workers that pick their own
    /// port are told to leave the numbers of others alone (PORTMAP_EXCLUDE).</para>
    /// <para>A process of another owner that listens there all the same is served, as everybody who
    /// listens, and logged. While the owner has no lease nothing is bound for it: a program that
    /// binds its number without asking, as many do that have one, would be kept out.</para>
    /// </remarks>
    public IDictionary<string, int> KeptPorts { get; } = new Dictionary<string, int>(StringComparer.Ordinal);

    /// <summary>The name of the strategy that requests use which name none.</summary>
    /// <value>
    /// <see cref="ProcessBinds"/> (the default), <see cref="AllocatorPicks"/>, or the name of one
    /// given to <see cref="AddStrategy"/>.
    /// </value>
    public string Strategy { get; set; } = ProcessBinds;

    /// <summary>Which free port <see cref="AllocatorPicks"/> tries first.</summary>
    /// <value>The default is <see cref="PortOrder.NextFit"/>.</value>
    public PortOrder Order { get; set; } = PortOrder.NextFit;

    /// <summary>What happens to an owner's earlier port when a request does not say.</summary>
    /// <value>The default is <see cref="PortReuse.Fresh"/>.</value>
    public PortReuse Reuse { get; set; } = PortReuse.Fresh;

    /// <summary>How long a lease waits for its process to register.</summary>
    /// <value>100 ms to 24 h. The default is 60 s.</value>
    public TimeSpan LeaseTimeout { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>How long a released port is not handed out again, and how long
    /// <see cref="PortGuardMode.WhileAlive"/> and <see cref="PortGuardMode.PassSocket"/> hold a port
    /// after its process died.</summary>
    /// <value>0 (at once) to 24 h. The default is 60 s.</value>
    public TimeSpan ReuseDelay { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>
    /// Whether a port that is still cooling may be handed out when nothing else is free.
    /// </summary>
    /// <value>
    /// The default is true: the approximately longest-cooled one is used rather than failing.
    /// </value>
    public bool ReuseCooling { get; set; } = true;

    /// <summary>
    /// How long the registrations of a session that broke off are served while their process lives.
    /// </summary>
    /// <value>0 to 1 h. The default is 10 s.</value>
    public TimeSpan DisconnectGrace { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>How often the processes of all registrations are looked at.</summary>
    /// <value>50 ms to 1 h. The default is 1 s.</value>
    public TimeSpan LivenessInterval { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>
    /// How often all entries are held against what the kernel says. An entry whose process died
    /// ends at once; one whose port nobody listens on any more ends after three passes on end.
    /// </summary>
    /// <value>
    /// 100 ms to 24 h. The default is 10 s. Linux only, and not when <see cref="Probe"/> is off.
    /// </value>
    /// <remarks>
    /// One read of /proc/net per pass; nothing is bound. A process whose network cannot be looked
    /// at is left alone.
    /// </remarks>
    public TimeSpan ReconcileInterval { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// Whether a registration is believed only if the kernel says that somebody listens on its port
    /// (/proc/net/tcp{,6}; UDP: a bound socket).
    /// </summary>
    /// <value>
    /// The default is false. With it <see cref="PortSession.RegisterAsync"/> waits for one read of
    /// the kernel's list, which answers all that wait, and refuses NotListening;
    /// <see cref="PortSession.TryRegister"/> throws, because it never waits. Linux only: elsewhere
    /// every registration is Unverifiable.
    /// </value>
    /// <remarks>
    /// A process that has a network of its own (a container) is looked for in that network. Of one
    /// that is not known the daemon's network is read, and where nobody listens there it is
    /// Unverifiable.
    /// </remarks>
    public bool VerifyListening { get; set; }

    /// <summary>
    /// Whether the listening socket must also be among the descriptors of the process that
    /// registers (/proc/pid/fd); implies <see cref="VerifyListening"/>.
    /// </summary>
    /// <value>
    /// The default is false. Where that folder may not be read, for another user's process or an
    /// unknown one, the registration is refused as Unverifiable.
    /// </value>
    public bool VerifyProcess { get; set; }

    /// <summary>After how long a port that a stranger had is tried again.</summary>
    /// <value>100 ms to 24 h. The default is 30 s.</value>
    public TimeSpan ForeignRecheck { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// How many ports in a row one owner may find impossible to bind before it is refused.
    /// </summary>
    /// <value>1 to 1,000. The default is 8.</value>
    public int BindAttempts { get; set; } = 8;

    /// <summary>How many owners may be live at once, both protocols counted.</summary>
    /// <value>
    /// 1 to 1,048,576. The default is 65,536. The index takes 24 to 48 bytes for each owner that
    /// there is, and grows with them.
    /// </value>
    public int MaxOwners { get; set; } = 65_536;

    /// <summary>
    /// How many changes are kept for readers of <see cref="PortRegistry.WatchAsync"/>.
    /// </summary>
    /// <value>16 to 1,048,576, rounded up to a power of two. The default is 4,096.</value>
    public int WatchCapacity { get; set; } = 4_096;

    /// <summary>
    /// How the kernel keeps others off a port until its process listens, when a request does not
    /// say.
    /// </summary>
    /// <value>The default is <see cref="PortGuardMode.UntilRegistered"/>.</value>
    public PortGuardMode Guard { get; set; } = PortGuardMode.UntilRegistered;

    /// <summary>
    /// How many ports may be guarded at once; each takes a descriptor. Past it, leases are
    /// <see cref="PortGuarantee.ProbedOnly"/> and nothing fails.
    /// </summary>
    /// <value>
    /// 0 to 131,072. The default is 4,096. Never more than half of the descriptors the process may
    /// have, so that the host keeps the other half.
    /// </value>
    public int MaxGuards { get; set; } = 4_096;

    /// <summary>Whether the operating system is asked before a port is handed out.</summary>
    /// <value>
    /// The default is true. Without it every lease with a number is
    /// <see cref="PortGuarantee.LedgerOnly"/>.
    /// </value>
    /// <remarks>
    /// <b>When it is off, ports that other programs use are handed out too.</b> It is meant for
    /// tests, for measurements, and for registries of other hosts' ports.
    /// </remarks>
    public bool Probe { get; set; } = true;

    /// <summary>
    /// Where workers find the daemon; <see cref="PortLease.PrepareStart"/> hands it to them as
    /// <c>PORTMAP_ENDPOINT</c>.
    /// </summary>
    /// <value>
    /// <c>unix:PATH</c>, absolute, or <c>tcp:ADDRESS:PORT</c>. null, the default, sets nothing, and
    /// daemon and workers meet at <c>unix:$XDG_RUNTIME_DIR/portmap.sock</c>, else
    /// <c>unix:/run/portmap.sock</c>.
    /// </value>
    /// <remarks>
    /// Name one of those that the server listens on; a registry without a server needs none.
    /// </remarks>
    public string? Endpoint { get; set; }

    /// <summary>
    /// The folder in which the registry keeps its state over crashes, power loss and reboots.
    /// </summary>
    /// <value>
    /// An absolute path; the folder is made when it is not there. null, the default, keeps
    /// everything in memory only.
    /// </value>
    /// <remarks>
    /// It takes effect with <see cref="PortRegistry.OpenAsync"/> and <c>AddPortmap</c>. One daemon
    /// at a time may use a folder.
    /// </remarks>
    public string? StateFolder { get; set; }

    /// <summary>When a change is complete, if the registry has a store.</summary>
    /// <value>The default is <see cref="PortDurability.Confirmed"/>: when it is on disk.</value>
    public PortDurability Durability { get; set; } = PortDurability.Confirmed;

    /// <summary>
    /// Within what time a change is on its way to the disk under
    /// <see cref="PortDurability.Background"/>.
    /// </summary>
    /// <value>1 ms to 1 min. The default is 100 ms.</value>
    public TimeSpan BackgroundFlush { get; set; } = TimeSpan.FromMilliseconds(100);

    /// <summary>How long <see cref="PortRegistry.OpenAsync"/> waits for the stored state.</summary>
    /// <value>100 ms to 1 h. The default is 10 s.</value>
    public TimeSpan OpenTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>Makes the meter <c>Portmap</c> of this registry.</summary>
    /// <value>null, the default, counts on one meter for all registries of the process that have no
    /// factory; what is counted of one registry alone (open leases, sessions, the store's queue) is
    /// left out there. <c>AddPortmap</c> takes the host's factory where this is null.</value>
    public IMeterFactory? MeterFactory { get; set; }

    internal List<IPortAllocationStrategy> CustomStrategies { get; } = [];

    /// <summary>What is asked instead of the operating system; null asks that.</summary>
    internal SimulatedHost? SimulatedHost { get; private set; }

    /// <summary>
    /// Adds a strategy of the host's own; <see cref="Strategy"/> and
    /// <see cref="PortRequest.Strategy"/> choose it by its name.
    /// </summary>
    /// <param name="strategy">
    /// The strategy; its name must differ from the built-in ones and from those added before.
    /// </param>
    /// <returns>These options, for chaining.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="strategy"/> is null.</exception>
    public PortRegistryOptions AddStrategy(IPortAllocationStrategy strategy)
    {
        ArgumentNullException.ThrowIfNull(strategy);
        CustomStrategies.Add(strategy);
        return this;
    }

    /// <summary>
    /// Has the registry ask these functions, and never the operating system, which ports are in
    /// use, who listens, and which processes live: for tests. <c>Portmap.Testing</c> brings such a
    /// host.
    /// </summary>
    /// <param name="sockets">
    /// The sockets of a protocol, TCP or UDP, on one port, or with port 0 on any: the port, the
    /// process that has it, and whether it listens (UDP: is bound).
    /// </param>
    /// <param name="startOf">
    /// When a process began, as a number above 0 that another process of the same id does not have;
    /// null when it does not live.
    /// </param>
    /// <param name="bootId">
    /// The boot of the host, which <see cref="PortRegistry.OpenAsync"/> holds stored facts against;
    /// null is the real host's.
    /// </param>
    /// <returns>These options, for chaining.</returns>
    /// <remarks>
    /// <para>The functions are called by any thread, and must not throw. A death is seen by the
    /// next pass (<see cref="LivenessInterval"/>), or at once when the session is disposed.</para>
    /// <para>Nothing can be held there, so leases with a number are
    /// <see cref="PortGuarantee.ProbedOnly"/>, and <see cref="PortRegistry.Diagnose"/> says why.
    /// The kernel's ephemeral range and the limit of descriptors play no part.
    /// <see cref="PortLease.RegisterAsync"/> and <see cref="PortLease.Start"/> need a real process
    /// and throw <see cref="InvalidOperationException"/>.</para>
    /// </remarks>
    /// <exception cref="ArgumentNullException">A function is null.</exception>
    public PortRegistryOptions SimulateHost(
        Func<PortProtocol, int, IEnumerable<(int Port, int ProcessId, bool Listens)>> sockets, Func<int, long?> startOf, Guid? bootId = null)
    {
        ArgumentNullException.ThrowIfNull(sockets);
        ArgumentNullException.ThrowIfNull(startOf);
        SimulatedHost = new SimulatedHost(sockets, startOf, bootId);
        return this;
    }
}
