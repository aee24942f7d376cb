using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using Microsoft.Extensions.Logging;
using Portmap.Diagnostics;
using Portmap.Guarding;
using Portmap.Operations;
using Portmap.Persistence;
using Portmap.Strategies;
using Portmap.Table;

namespace Portmap;

/// <summary>Answers one question for everything that runs on a host: which process serves which port? Hands out ports and keeps the book of who listens where.</summary>
/// <remarks>
/// <para>All members are safe for any number of threads, and no table operation takes a lock: lookups are wait-free and allocate nothing, the rest
/// is lock-free. One made by the constructor lives in memory only; one that <see cref="OpenAsync"/> opened keeps its state, and verbs that change it
/// wait for the disk (<see cref="PortRegistryOptions.Durability"/>).</para>
/// <para>It is not a server: <c>Portmap.Rpc</c> serves it to other processes.</para>
/// </remarks>
public sealed partial class PortRegistry : IAsyncDisposable, IDisposable
{
    private readonly RegistryLog _log;
    private readonly IPortGuard _guard;
    private readonly IPortAllocationStrategy[] _strategies;
    private readonly string[] _strategyNames;   // as they were checked: a host's own strategy may answer another one later
    private readonly int _defaultStrategy;
    private readonly EpochSource _epochs;
    private readonly PortTable _table;
    private readonly EpochFence _fence;
    private readonly ChangeLog _changes;
    private readonly Settlement _settlement = Settlement.Done;
    private readonly ITimer _maintenance;
    private readonly ITimer? _reconciliation;
    private int _disposed;

    /// <summary>Makes a registry that lives in memory only.</summary>
    /// <param name="options">The options; read now, so that later changes have no effect.</param>
    /// <param name="logger">Where it logs; null logs nothing.</param>
    /// <param name="timeProvider">The clock of all its times; null is the system's.</param>
    /// <exception cref="ArgumentNullException"><paramref name="options"/> is null.</exception>
    /// <exception cref="ArgumentException">The options name a <see cref="PortRegistryOptions.StateFolder"/>: use <see cref="OpenAsync"/>.</exception>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">Options are wrong; each wrong value is named with its bound and remedy.</exception>
    public PortRegistry(PortRegistryOptions options, ILogger<PortRegistry>? logger = null, TimeProvider? timeProvider = null)
        : this(options, PortRegistrySettings.Of(options, inMemory: true), logger, new RegistryClock(timeProvider ?? TimeProvider.System), opened: null)
    {
    }

    private PortRegistry(PortRegistryOptions options, PortRegistrySettings settings, ILogger? logger, RegistryClock clock, OpenedStore? opened)
    {
        Settings = settings;
        Clock = clock;
        _log = new RegistryLog(logger, () => clock.NowMs, new(settings.LeaseTimeout, settings.DisconnectGrace, settings.ForeignRecheck));
        PortmapMetrics.Publish();
        int processors = Environment.ProcessorCount;
        ulong seed = BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(sizeof(ulong)));
        _strategies = [new ProcessBinds(), new AllocatorPicks(Settings.Order, Settings.Range, processors, seed), .. options.CustomStrategies];
        _strategyNames = Array.ConvertAll(_strategies, static strategy => strategy.Name);
        _defaultStrategy = Array.IndexOf(_strategyNames, options.Strategy);
        _guard = !Settings.Probe ? new NoGuard() : OperatingSystem.IsLinux() ? new SocketGuard(Settings.GuardLimit) : new ProbingGuard();

        _epochs = new EpochSource(opened?.FirstEpoch ?? EpochSource.FirstAt(Clock.Provider.GetUtcNow()), processors);
        _changes = new ChangeLog(Settings.WatchCapacity, _epochs.First);
        _table = new PortTable(Settings, Clock, this, processors, seed);
        _fence = new EpochFence(_table, _epochs);
        if (opened is not null)
        {
            _table.Journal = new ClaimJournal(this, _table, opened.Store, opened.BootId, opened.Mark);
            try
            {
                Restore(opened);
            }
            catch
            {
                _table.Journal.Dispose();   // its timer and its store: nobody else knows of them
                throw;
            }

            if (opened.Recovery.Bound.Count > 0)
            {
                _settlement = new Settlement(Clock.Provider, Settings.DisconnectGrace, SettleRecovered);
            }
        }

        TimeSpan period = TimeSpan.FromMilliseconds(Math.Clamp(Settings.LeaseTimeout.TotalMilliseconds / 4, 50, Settings.LivenessInterval.TotalMilliseconds));
        _maintenance = Clock.Provider.CreateTimer(static state => ((PortRegistry)state!).Maintain(), this, period, period);
        if (Settings.Probe && OperatingSystem.IsLinux())
        {
            _reconciliation = Clock.Provider.CreateTimer(static state => ((PortRegistry)state!).Reconcile(), this, Settings.ReconcileInterval, Settings.ReconcileInterval);
        }
    }

    internal PortRegistrySettings Settings { get; }

    internal RegistryClock Clock { get; }

    internal IPortGuard Guard => _guard;

    internal long NowMs => Clock.NowMs;

    internal long FirstEpoch => _epochs.First;

    /// <summary>Completes when what an earlier run left is settled: each Recovered entry has signed in again or ended, or
    /// <see cref="PortRegistryOptions.DisconnectGrace"/> is over since the opening. At once when there was none.</summary>
    /// <value>Who is Recovered still when it completes has a living process that may not know how to sign in; its port is held for it, and it is not settled
    /// otherwise any more. Faults with <see cref="ObjectDisposedException"/> when the registry is disposed first.</value>
    public Task WhenSettled => _settlement.Task;

    /// <summary>The ports that are handed out, exclusions among them, and how many owners may be live at once: what others need who share them out.</summary>
    public (PortRange Ports, int MaxOwners) Bounds => (Settings.Range, Settings.MaxOwners);

    /// <summary>Opens a session: one connection of one process, over which it registers and releases.</summary>
    /// <param name="processId">The process, as the kernel knows it; null when it is not known (another pid namespace).</param>
    /// <returns>The session. Dispose it when the connection ends.</returns>
    /// <remarks>It speaks for the user of the process, as <see cref="OpenSession(int?, uint?)"/> says. Where that is not known, the host vouches for
    /// it: it may use the leases that the host acquired for nobody in particular.</remarks>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="processId"/> is 0 or less.</exception>
    public PortSession OpenSession(int? processId)
    {
        int process = Checked(processId);
        uint? user = Processes.ProcessUser.Of(process);
        return new PortSession(this, process, user) { IsVouchedFor = user is null };
    }

    /// <summary>As <see cref="OpenSession(int?)"/>, for a caller whose user is known from elsewhere, or is known not to be known.</summary>
    /// <param name="processId">The process, as the kernel knows it; null when it is not known.</param>
    /// <param name="userId">The user it speaks for, as the kernel knows it; null when it is not known.</param>
    /// <returns>The session. Dispose it when the connection ends.</returns>
    /// <remarks>What it registers is recorded as this user's. Who is not the process or session of a claim, nor acquired it, nor root, the daemon's
    /// user or the claim's user, changes nothing of it while its process lives. A session of an unknown user is nobody but itself.</remarks>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="processId"/> is 0 or less.</exception>
    public PortSession OpenSession(int? processId, uint? userId) => new(this, Checked(processId), userId);

    /// <summary>Ends the passes over leases and processes, every <see cref="WatchAsync"/>, and the wait for leases that are open, and lets go of guarded ports. Entries stay readable;
    /// ports are not released. A registry with a store waits until what is on its way to the disk is there, and gives the state up: prefer <see cref="DisposeAsync"/>.</summary>
    /// <remarks>A change that races it succeeds and is on disk, or throws <see cref="ObjectDisposedException"/>. Nothing a store throws comes out of it.</remarks>
    public void Dispose()
    {
        End();
        _table.Journal?.Dispose();
    }

    /// <summary>As <see cref="Dispose"/>, without blocking.</summary>
    public ValueTask DisposeAsync()
    {
        End();
        return _table.Journal?.DisposeAsync() ?? ValueTask.CompletedTask;
    }

    private void End()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 0)
        {
            _maintenance.Dispose();
            _reconciliation?.Dispose();
            _settlement.Dispose();
            _changes.Complete();
            _guard.Dispose();
            foreach (OwnerCell cell in _table.Index.Cells())
            {
                if (cell.OpenLease()?.Lease is { } lease)
                {
                    lease.SetOutcome(Refusals.RegistryDisposed(lease));   // nobody waits for ever
                }
            }
        }
    }

    private static int Checked(int? processId, [CallerArgumentExpression(nameof(processId))] string? name = null)
    {
        if (processId is { } process)
        {
            ArgumentOutOfRangeException.ThrowIfNegativeOrZero(process, name);
        }

        return processId ?? 0;
    }

    internal string StrategyName(int strategy) => _strategyNames[strategy];

    private static PortRefusal? CheckOwnerAndProtocol(string? owner, PortProtocol protocol, bool both) =>
        OwnerName.Complaint(owner) is { } complaint ? Refusals.InvalidOwner(owner, protocol, complaint)
        : protocol is PortProtocol.Tcp or PortProtocol.Udp || (both && protocol == PortProtocol.TcpAndUdp) ? null
        : Refusals.InvalidProtocol(owner!, protocol, both);

    private bool TryFindStrategy(string? name, out int strategy)
    {
        // A loop, not a lambda: this is on the path of every acquisition, and a closure would be 88 bytes.
        strategy = name is null ? _defaultStrategy : _strategyNames.Length - 1;
        while (name is not null && strategy >= 0 && _strategyNames[strategy] != name)
        {
            strategy--;
        }

        return strategy >= 0;
    }
}
