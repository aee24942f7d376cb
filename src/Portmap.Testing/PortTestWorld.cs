using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;

namespace Portmap.Testing;

/// <summary>A registry whose time and whose host the test makes: what a supervisor is tested
/// with, without sockets, processes or waiting.</summary>
/// <remarks>
/// <para>Options are those of a registry, with their defaults; give it what the daemon gives its
/// own. Time stands until <see cref="Clock"/> is advanced: leases time out, deaths are found and
/// ports cool then, on the thread that advances it.</para>
/// <para>Use one for each test. Its members are for one thread, what they return is for any.</para>
/// </remarks>
public sealed class PortTestWorld : IAsyncDisposable
{
    /// <summary>The least that a restart takes: epochs of two runs differ by their times.</summary>
    private static readonly TimeSpan s_leastDowntime = TimeSpan.FromMilliseconds(1);

    private readonly Action<PortRegistryOptions>? _configure;
    private readonly ILogger<PortRegistry>? _logger;

    /// <summary>Makes one whose registry lives in memory only.</summary>
    /// <param name="configure">Sets options; null leaves the defaults.</param>
    /// <param name="logger">Where the registry logs; null logs nothing.</param>
    /// <exception cref="ArgumentException">The options name a
    /// <see cref="PortRegistryOptions.StateFolder"/>: use <see cref="OpenAsync"/>.</exception>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">Options are
    /// wrong.</exception>
    public PortTestWorld(Action<PortRegistryOptions>? configure = null, ILogger<PortRegistry>? logger = null)
        : this(configure, logger, store: null) => Registry = new PortRegistry(Options(), logger, Clock);

    private PortTestWorld(Action<PortRegistryOptions>? configure, ILogger<PortRegistry>? logger, FakePortStore? store)
    {
        _configure = configure;
        _logger = logger;
        Store = store;
        Registry = null!;
    }

    /// <summary>The registry: after <see cref="RestartAsync"/> another one.</summary>
    public PortRegistry Registry { get; private set; }

    /// <summary>The clock of the registry. It begins at 2026-01-01 and stands.</summary>
    public FakeTimeProvider Clock { get; } = new(new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero));

    /// <summary>The host: its processes and sockets.</summary>
    public FakeMachine Machine { get; } = new();

    /// <summary>Where the registry keeps its state: after <see cref="RestartAsync"/> another object
    /// over the same state. null in memory only.</summary>
    public FakePortStore? Store { get; private set; }

    /// <summary>Makes one whose registry keeps its state in a <see cref="Store"/>.</summary>
    /// <param name="configure">Sets options; null leaves the defaults.
    /// <see cref="PortRegistryOptions.StateFolder"/> has no effect.</param>
    /// <param name="logger">Where the registry logs; null logs nothing.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">Options are
    /// wrong.</exception>
    public static async Task<PortTestWorld> OpenAsync(Action<PortRegistryOptions>? configure = null, ILogger<PortRegistry>? logger = null)
    {
        PortTestWorld world = new(configure, logger, new FakePortStore());
        await world.OpenRegistryAsync().ConfigureAwait(false);
        return world;
    }

    /// <summary>Starts a process, as <see cref="FakeMachine.StartProcess"/>.</summary>
    /// <param name="userId">The user it acts as; null is unknown.</param>
    /// <param name="processId">Its id; null is one that nobody had.</param>
    public FakeProcess StartProcess(uint? userId = null, int? processId = null) => Machine.StartProcess(userId, processId);

    /// <summary>Starts a worker, as a supervisor starts its program. It signs in when the test says
    /// so.</summary>
    /// <param name="startInfo">What <see cref="PortLease.PrepareStart"/> was given; only its
    /// environment counts.</param>
    /// <param name="name">Which port of several; null is the one without a name.</param>
    /// <param name="process">The process it is a port of; null starts one.</param>
    /// <exception cref="ArgumentNullException"><paramref name="startInfo"/> is null.</exception>
    /// <exception cref="InvalidOperationException">The environment names no owner.</exception>
    public FakeWorker StartWorker(ProcessStartInfo startInfo, string? name = null, FakeProcess? process = null)
    {
        ArgumentNullException.ThrowIfNull(startInfo);
        return new FakeWorker(this, process ?? StartProcess(), startInfo, name);
    }

    /// <summary>Has a stranger listen on a port, as <see cref="FakeMachine.Occupy"/>.</summary>
    /// <param name="port">The port, 1 to 65535.</param>
    /// <param name="protocol">TCP, UDP or both.</param>
    /// <returns>The stranger: kill it, and the port is free.</returns>
    public FakeProcess Occupy(int port, PortProtocol protocol = PortProtocol.Tcp) => Machine.Occupy(port, protocol);

    /// <summary>What the registry says of a port.</summary>
    /// <param name="port">The port.</param>
    /// <param name="protocol">TCP or UDP.</param>
    public PortState StateOf(int port, PortProtocol protocol = PortProtocol.Tcp) =>
        Registry.TryGetEntry(port, out PortEntry entry, protocol) ? entry.State : PortState.Free;

    /// <summary>The port that lookups return for an owner; null when they find none.</summary>
    /// <param name="owner">The owner.</param>
    /// <param name="protocol">TCP or UDP.</param>
    public int? PortOf(string owner, PortProtocol protocol = PortProtocol.Tcp) => Registry.TryGetPort(owner, out int port, protocol) ? port : null;

    /// <summary>Kills the daemon and starts it again. Processes live on and keep their sockets;
    /// their sessions have ended, and workers sign in again when the test says so.</summary>
    /// <param name="downtime">For how long it is away; not negative, and a millisecond at
    /// least.</param>
    /// <remarks>Without a <see cref="Store"/> the registry that starts knows nothing. What the old
    /// one had not written is lost, and it throws <see cref="ObjectDisposedException"/> from now
    /// on.</remarks>
    public async Task RestartAsync(TimeSpan downtime = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(downtime, TimeSpan.Zero);
        Store = Store?.AfterKill();
        await Registry.DisposeAsync().ConfigureAwait(false);
        Clock.Advance(downtime > s_leastDowntime ? downtime : s_leastDowntime);
        await OpenRegistryAsync().ConfigureAwait(false);
    }

    /// <summary>Reboots the machine: every process dies with the daemon, which is started
    /// again.</summary>
    /// <param name="downtime">For how long it is away; not negative, and a millisecond at
    /// least.</param>
    public async Task RebootAsync(TimeSpan downtime = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(downtime, TimeSpan.Zero);
        Store = Store?.AfterKill();
        await Registry.DisposeAsync().ConfigureAwait(false);
        Machine.Reboot();
        Clock.Advance(downtime > s_leastDowntime ? downtime : s_leastDowntime);
        await OpenRegistryAsync().ConfigureAwait(false);
    }

    /// <summary>Disposes the registry. A store that waits is released, and one that fails is
    /// healed, before.</summary>
    public ValueTask DisposeAsync()
    {
        Store?.Heal();
        Store?.Release();
        return Registry.DisposeAsync();
    }

    private async Task OpenRegistryAsync() => Registry = await PortRegistry.OpenAsync(Options(), Store, _logger, Clock).ConfigureAwait(false);

    private PortRegistryOptions Options()
    {
        PortRegistryOptions options = new();
        Machine.Simulate(options);
        _configure?.Invoke(options);
        return options;
    }
}
