using Portmap.Tests.Support;

namespace Portmap.Tests.Persistence;

/// <summary>A registry on a store, which can be killed and opened again, with a clock the test
/// turns by hand.</summary>
internal sealed class StoreScene : IAsyncDisposable
{
    private readonly List<Child> _children = [];

    private StoreScene(PortRegistryOptions options) => Options = options;

    public PortRegistryOptions Options { get; }

    public FakeTimeProvider Clock { get; } = new(new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero));

    public FakePortStore Store { get; private set; } = new();

    /// <summary>The boot of the host: a new one is a reboot.</summary>
    public Guid BootId { get; set; } = Guid.NewGuid();

    public PortRegistry Registry { get; private set; } = null!;

    /// <summary>A session of the test's own process, which lives.</summary>
    public PortSession Here { get; private set; } = null!;

    public static async Task<StoreScene> OpenAsync(Action<PortRegistryOptions>? configure = null)
    {
        PortRegistryOptions options = new() { Ports = Scene.TenPorts, Strategy = PortRegistryOptions.AllocatorPicks, Probe = false };
        configure?.Invoke(options);
        StoreScene scene = new(options);
        await scene.OpenAgainAsync();
        return scene;
    }

    /// <summary>What <c>kill -9</c> and a new start are.</summary>
    public async Task KillAndOpenAsync(TimeSpan meanwhile = default)
    {
        Store = Store.AfterKill();
        Clock.Advance(meanwhile);
        await OpenAgainAsync();
    }

    public async Task RebootAsync()
    {
        BootId = Guid.NewGuid();
        await KillAndOpenAsync();
    }

    public async Task OpenAgainAsync()
    {
        Registry = await PortRegistry.OpenOnAsync(Options, Store, BootId, logger: null, Clock, CancellationToken.None).Within();
        Here = Registry.OpenSession(Environment.ProcessId);
    }

    public Child StartChild()
    {
        Child child = Child.Start();
        _children.Add(child);
        return child;
    }

    public Task<PortLease> AcquireAsync(PortRequest request) => Registry.AcquireAsync(request).AsTask().Within();

    public Task<PortEntry> RegisterAsync(string owner, int port, long epoch = 0, PortSession? session = null) =>
        (session ?? Here).RegisterAsync(new PortClaimRequest(owner, port) { Epoch = epoch }).AsTask().Within();

    /// <summary>Somebody comes to a port and leaves it, until it has seen a higher epoch than one
    /// that was given before.</summary>
    public async Task SeeAboveAsync(long given, int port)
    {
        long seen = 0;
        for (int i = 0; seen <= given; i++)
        {
            i.Should().BeLessThan(10_000, "each round draws a higher number on its processor");
            seen = (await RegisterAsync("b", port)).Epoch!.Value;
            await Here.ReleaseAsync("b").AsTask().Within();
        }
    }

    public PortState StateOf(int port) => Registry.TryGetEntry(port, out PortEntry entry) ? entry.State : PortState.Free;

    public int PortOf(string owner) => Registry.TryGetPort(owner, out int port) ? port : 0;

    public async ValueTask DisposeAsync()
    {
        Store.Heal();
        Store.Release();
        await Registry.DisposeAsync().AsTask().Within();
        foreach (Child child in _children)
        {
            child.Dispose();
        }
    }
}
