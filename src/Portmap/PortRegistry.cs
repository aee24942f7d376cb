using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using Microsoft.Extensions.Logging;
using Portmap.Diagnostics;
using Portmap.Guarding;
using Portmap.Operations;
using Portmap.Persistence;
using Portmap.Processes;
using Portmap.Strategies;
using Portmap.Table;
using Portmap.Upkeep;

namespace Portmap;

/// <summary>Hands out ports to the processes of a host, and answers which process listens on which
/// port.</summary>
/// <remarks>
/// <para>All members are safe for any number of threads, and no table operation takes a lock:
/// lookups are wait-free and allocate nothing, the rest is lock-free. One made by the constructor
/// lives in memory only; one that <see cref="OpenAsync"/> opened keeps its state, and verbs that
/// change it wait for the disk (<see cref="PortRegistryOptions.Durability"/>).</para>
/// <para>It is not a server: <c>Portmap.Rpc</c> serves it to other processes.</para>
/// </remarks>
public sealed partial class PortRegistry : IAsyncDisposable, IDisposable
{
    private readonly PortTable _table;     // beside Parts, because lookups take two steps less to it
    private readonly PortEntries _entries;
    private readonly Findings _findings;
    private readonly LivenessPass _liveness;
    private readonly Reconciler _reconciler;
    private readonly ITimer _maintenance;
    private readonly ITimer? _reconciliation;

    /// <summary>Makes a registry that lives in memory only.</summary>
    /// <param name="options">The options; read now, so that later changes have no effect.</param>
    /// <param name="logger">Where it logs; null logs nothing.</param>
    /// <param name="timeProvider">The clock of all its times; null is the system's.</param>
    /// <exception cref="ArgumentNullException"><paramref name="options"/> is null.</exception>
    /// <exception cref="ArgumentException">The options name a
    /// <see cref="PortRegistryOptions.StateFolder"/>: use <see cref="OpenAsync"/>.</exception>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">Options are wrong;
    /// each wrong value is named with its bound and remedy.</exception>
    public PortRegistry(PortRegistryOptions options, ILogger<PortRegistry>? logger = null, TimeProvider? timeProvider = null)
        : this(options, PortRegistrySettings.Of(options, inMemory: true), logger, new RegistryClock(timeProvider ?? TimeProvider.System), opened: null)
    {
    }

    private PortRegistry(PortRegistryOptions options, PortRegistrySettings settings, ILogger? logger, RegistryClock clock, OpenedStore? opened)
    {
        Parts = MakeParts(options, settings, logger, clock, opened?.FirstEpoch);
        ClaimEvents events = new(Parts);
        Sweep sweep = new(Parts);
        Parts.Sessions = new SessionWatch(Parts, events, sweep);
        Parts.Table = _table = new PortTable(settings.Limits, clock, events, Environment.ProcessorCount, Seed());
        Parts.Entries = _entries = new PortEntries(_table, clock, Parts.Strategies);
        Parts.Fence = new EpochFence(Parts.Table, Parts.Epochs);
        _findings = new Findings(Parts.Log);
        _liveness = new LivenessPass(Parts, sweep, _findings);
        Parts.LastPassMs = Parts.NowMs;   // overdue counts from here
        _reconciler = new Reconciler(Parts, sweep);
        if (opened is not null)
        {
            Restore(opened);
        }

        RegistryGauges.Add(Parts);
        _maintenance = clock.Provider.CreateTimer(static state => ((LivenessPass)state!).Run(), _liveness, settings.PassPeriod, settings.PassPeriod);
        if (Parts.AsksTheKernel)
        {
            _reconciliation = clock.Provider.CreateTimer(static state => ((Reconciler)state!).Run(), _reconciler, settings.ReconcileInterval, settings.ReconcileInterval);
        }
    }

    /// <summary>What the operations work with.</summary>
    internal RegistryParts Parts { get; }

    /// <summary>Completes when what an earlier run left is settled: each Recovered entry has signed
    /// in again or ended, or <see cref="PortRegistryOptions.DisconnectGrace"/> is over since the
    /// opening. At once when there was none.</summary>
    /// <value>Who is Recovered still when it completes has a living process that may not know how
    /// to sign in; its port is held for it, and it is not settled otherwise any more. Faults with
    /// <see cref="ObjectDisposedException"/> when the registry is disposed first.</value>
    public Task WhenSettled => _liveness.Settlement.Task;

    /// <summary>The ports that are handed out, exclusions among them, and how many owners may be
    /// live at once: for code that divides these among several users.</summary>
    public (IReadOnlyList<PortRange> Ports, int MaxOwners) Bounds => (Parts.Settings.Ports.View, Parts.Settings.MaxOwners);

    /// <summary>Opens a registry that keeps its state over crashes, power loss and
    /// reboots.</summary>
    /// <param name="options">The options; read now, so that later changes have no effect.</param>
    /// <param name="store">Where the state is kept, and given up with the registry, also when
    /// opening fails. null: in <see cref="PortRegistryOptions.StateFolder"/>, or, if there is none,
    /// in memory only.</param>
    /// <param name="logger">Where it logs; null logs nothing.</param>
    /// <param name="timeProvider">The clock of all its times; null is the system's.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>The registry. Registrations of processes that still live are Recovered: their ports
    /// are held, lookups answer from their sign-in on. Those of dead ones, and all after a reboot
    /// of the host, have ended. Open leases and cooling ports have the time left that they
    /// had.</returns>
    /// <remarks>Reads each process once and never binds. Ports outside the configured range are
    /// kept for their owners and not handed out again.</remarks>
    /// <exception cref="ArgumentNullException"><paramref name="options"/> is null.</exception>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">Options are wrong;
    /// each wrong value is named with its bound and remedy.</exception>
    /// <exception cref="PortRefusedException">StateInUse: another daemon has the state;
    /// StateUnreadable: it is of a newer version, no state at all, or names an epoch that no
    /// registry gives; StoreFailed: it cannot be read or written, or not within
    /// <see cref="PortRegistryOptions.OpenTimeout"/>; TooManyOwners: more than MaxOwners are
    /// stored.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static Task<PortRegistry> OpenAsync(
        PortRegistryOptions options, IPortStore? store = null, ILogger<PortRegistry>? logger = null, TimeProvider? timeProvider = null, CancellationToken cancellationToken = default) =>
        OpenOnAsync(options, store, options?.SimulatedHost?.BootId ?? BootIdentity.Current, logger, timeProvider ?? TimeProvider.System, cancellationToken);

    /// <summary>As <see cref="OpenAsync"/>, in a certain boot of the host.</summary>
    internal static async Task<PortRegistry> OpenOnAsync(
        PortRegistryOptions options, IPortStore? store, Guid bootId, ILogger<PortRegistry>? logger, TimeProvider time, CancellationToken cancellationToken)
    {
        PortRegistrySettings settings = await StoreOpening.OrGiveUpAsync(store, () => PortRegistrySettings.Of(options, inMemory: false)).ConfigureAwait(false);
        store ??= options.StateFolder is { } folder ? new FilePortStore(folder, time) : null;
        if (store is null)
        {
            return new PortRegistry(options, logger, time);
        }

        DateTimeOffset now = time.GetUtcNow();
        StoreOpening opening = new(store, cancellationToken);
        try
        {
            OpenedStore opened = await opening.Begin(new(bootId, now, EpochSource.FirstAt(now), settings.MaxOwners), settings.ReuseDelay, settings.Host)
                .WaitAsync(settings.OpenTimeout, time, cancellationToken).ConfigureAwait(false);

            // Its clock counts from 1970 on, so that what came about in earlier runs has a time.
            PortRegistry registry = new(options, settings, logger, new RegistryClock(time, now.ToUnixTimeMilliseconds()), opened);
            opening.Dispose();
            return registry;
        }
        catch (Exception exception)
        {
            bool isOurTimeout = exception is TimeoutException && !opening.HasThrown(exception);   // the store may throw one of its own
            await opening.GiveUpAsync().ConfigureAwait(false);
            throw exception switch
            {
                PortRefusedException => exception,
                OperationCanceledException when cancellationToken.IsCancellationRequested => exception,
                _ when isOurTimeout => new PortRefusedException(Refusals.OpenTimeout(settings)),
                _ => new PortRefusedException(Refusals.OpenFailed(exception)),
            };
        }
    }

    /// <summary>Opens a session: one connection of one process, over which it registers and
    /// releases.</summary>
    /// <param name="processId">The process, as the kernel knows it; null when it is not known
    /// (another pid namespace).</param>
    /// <returns>The session. Dispose it when the connection ends.</returns>
    /// <remarks>It speaks for the user of the process, as <see cref="OpenSession(int?, uint?)"/>
    /// says. Where that is not known, the daemon vouches for it: it may use the leases that the
    /// daemon acquired without a <see cref="PortRequest.UserId"/>.</remarks>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="processId"/> is 0 or
    /// less.</exception>
    public PortSession OpenSession(int? processId)
    {
        int process = Checked(processId);
        uint? user = Parts.Settings.Host is null ? ProcessUser.Of(process) : null;   // which takes no descriptor
        return new PortSession(this, new SessionHolder(Parts.Sessions, process, user) { IsVouchedFor = user is null });
    }

    /// <summary>As <see cref="OpenSession(int?)"/>, for a caller whose user is known from
    /// elsewhere, or is known not to be known.</summary>
    /// <param name="processId">The process, as the kernel knows it; null when it is not
    /// known.</param>
    /// <param name="userId">The user it speaks for, as the kernel knows it; null when it is not
    /// known.</param>
    /// <returns>The session. Dispose it when the connection ends.</returns>
    /// <remarks>What it registers is recorded as this user's. Who is not the process or session of
    /// a claim, nor acquired it, nor root, the daemon's user or the claim's user, changes nothing
    /// of it while its process lives. A session of an unknown user is nobody but itself.</remarks>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="processId"/> is 0 or
    /// less.</exception>
    public PortSession OpenSession(int? processId, uint? userId) =>
        new(this, new SessionHolder(Parts.Sessions, Checked(processId), userId));

    /// <summary>Says what about this host and these options weakens the promises: with numbers, and
    /// the exact remedy.</summary>
    /// <returns>The findings of now; empty when there is nothing to say. Those about the host's
    /// settings and the options are logged once, by the first pass: as warnings, and notes
    /// (<see cref="PortFinding.IsNote"/>) as information. What the kernel's settings say is what they said when the
    /// registry was made.</returns>
    /// <remarks>Takes some system calls; not meant for a hot path.</remarks>
    public IReadOnlyList<PortFinding> Diagnose() => _findings.All(Parts);

    /// <summary>Ends the passes over leases and processes, every <see cref="WatchAsync"/>, and the
    /// wait for leases that are open, and lets go of guarded ports. Entries stay readable; ports
    /// are not released. A registry with a store waits until what is on its way to the disk is
    /// there, and gives the state up: prefer <see cref="DisposeAsync"/>.</summary>
    /// <remarks>A change that races it succeeds and is on disk, or throws
    /// <see cref="ObjectDisposedException"/>. Nothing a store throws comes out of it.</remarks>
    public void Dispose()
    {
        End();
        Parts.Journal?.Dispose();
    }

    /// <summary>As <see cref="Dispose"/>, without blocking.</summary>
    public ValueTask DisposeAsync()
    {
        End();
        return Parts.Journal?.DisposeAsync() ?? ValueTask.CompletedTask;
    }

    internal IPortGuard Guard => Parts.Guard;

    internal ListenReader Listeners => Parts.Listeners;

    internal long FirstEpoch => Parts.Epochs.First;

    internal long NowMs => Parts.NowMs;

    internal bool Confirms => Parts.Table.Confirms;

    /// <summary>Adds a finding; for tests.</summary>
    internal void AddFinding(PortFinding finding) => _findings.Add(finding);

    /// <summary>One pass over leases and processes; for tests.</summary>
    internal void Maintain() => _liveness.Run();

    /// <summary>One pass that holds the book against the kernel; for tests.</summary>
    internal void Reconcile() => _reconciler.Run();

    /// <summary>Checks what must hold when nothing else runs; for tests.</summary>
    internal void AssertInvariants() => TableAudit.Check(Parts.Table);

    /// <summary>Completes when what changed before is on disk, or could not be written; for
    /// tests.</summary>
    internal Task FlushAsync() => Parts.Journal?.FlushAsync() ?? Task.CompletedTask;

    private RegistryParts MakeParts(PortRegistryOptions options, PortRegistrySettings settings, ILogger? logger, RegistryClock clock, long? firstEpoch)
    {
        int processors = Environment.ProcessorCount;
        EpochSource epochs = new(firstEpoch ?? EpochSource.FirstAt(clock.Provider.GetUtcNow()), processors);
        return new RegistryParts
        {
            Settings = settings,
            Pools = new AskedPools(settings),
            Clock = clock,
            Metrics = PortmapMetrics.Of(options.MeterFactory),
            Log = new RegistryLog(logger, () => clock.NowMs, new(settings.DisconnectGrace, settings.ForeignRecheck)),
            Guard = !settings.Probe ? new NoGuard() : settings.Host is { } host ? new SimulatedGuard(host) : OperatingSystem.IsLinux() ? new SocketGuard(settings.GuardLimit) : new ProbingGuard(),
            Strategies = new StrategyList(
                [new ProcessBinds(), new AllocatorPicks(settings.Order, settings.Ports, processors, Seed()), .. options.CustomStrategies], options.Strategy),
            Epochs = epochs,
            Changes = new ChangeLog(settings.WatchCapacity, epochs.First),
            NewLease = (request, acquirer) => new PortLease(this, request, acquirer),
        };
    }

    private static ulong Seed() => BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(sizeof(ulong)));

    private void Restore(OpenedStore opened)
    {
        Parts.Journal = new ClaimJournal(Parts, _findings, opened);
        Parts.Table.Facts.Journal = Parts.Journal;
        try
        {
            new Restoring(Parts, _findings).Restore(opened);
        }
        catch
        {
            Parts.Journal.Dispose();   // its timer and its store: nobody else knows of them
            throw;
        }

        if (opened.Recovery.Bound.Count > 0)
        {
            _liveness.Settlement = new Settlement(Parts.Clock.Provider, Parts.Settings.DisconnectGrace, _liveness.LookAtRecovered);
        }
    }

    private void End()
    {
        if (!Parts.TryDispose())
        {
            return;
        }

        _maintenance.Dispose();
        _reconciliation?.Dispose();
        _liveness.Settlement.Dispose();
        Parts.Changes.Complete();
        Parts.Guard.Dispose();
        foreach (OwnerView owner in Parts.Table.Owners())
        {
            if (owner.Lease.Lease is ILease lease)
            {
                lease.SetOutcome(Refusals.RegistryDisposed(lease));   // nobody waits for ever
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
}
