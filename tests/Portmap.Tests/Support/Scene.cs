namespace Portmap.Tests.Support;

/// <summary>A registry with a clock the test turns by hand, a session of this process, and whatever
/// child processes the test asks for.</summary>
/// <remarks>Without sockets (the default) the registry does not ask the operating system, so any
/// port number will do.</remarks>
internal sealed class Scene : IAsyncDisposable
{
    public const int First = 20000;
    public const string TenPorts = "20000-20009";

    private readonly List<Child> _children = [];

    public Scene(string ports = TenPorts, Action<PortRegistryOptions>? configure = null)
    {
        PortRegistryOptions options = new() { Ports = ports, Strategy = PortRegistryOptions.AllocatorPicks, Probe = false };
        configure?.Invoke(options);
        Options = options;
        Registry = new PortRegistry(options, Log, Clock);
        Here = Registry.OpenSession(Environment.ProcessId);
    }

    public PortRegistryOptions Options { get; }

    public FakeTimeProvider Clock { get; } = new();

    public LogLines Log { get; } = new();

    public PortRegistry Registry { get; }

    /// <summary>A session of the test's own process, which lives.</summary>
    public PortSession Here { get; }

    /// <summary>A scene with real sockets: the registry probes, and the ports are this test's
    /// own.</summary>
    public static Scene OnRealPorts(PortRange range, Action<PortRegistryOptions>? configure = null) => new(
        range.ToString(),
        options =>
        {
            options.Probe = true;
            configure?.Invoke(options);
        });

    public Child StartChild()
    {
        Child child = Child.Start();
        _children.Add(child);
        return child;
    }

    public PortSession SessionOf(Child child) => Registry.OpenSession(child.Id);

    public PortLease Acquire(PortRequest request)
    {
        Registry.TryAcquire(request, out PortLease? lease, out PortRefusal? refusal).Should().BeTrue("it was refused: {0}", refusal?.Message);
        return lease!;
    }

    public PortRefusal AcquireRefused(PortRequest request)
    {
        Registry.TryAcquire(request, out PortLease? lease, out PortRefusal? refusal).Should().BeFalse("port {0} was given", lease?.Port);
        lease.Should().BeNull();
        return refusal!;
    }

    /// <summary>Somebody comes to a port and leaves it, until it has seen a higher epoch than one
    /// that was given before.</summary>
    public long SeeAbove(long given, int port)
    {
        long seen = 0;
        for (int i = 0; seen <= given; i++)
        {
            i.Should().BeLessThan(10_000, "each round draws a higher number on its processor");
            seen = Here.Register("b", port).Epoch!.Value;
            Here.Release("b");
        }

        return seen;
    }

    public PortState StateOf(int port, PortProtocol protocol = PortProtocol.Tcp) =>
        Registry.TryGetEntry(port, out PortEntry entry, protocol) ? entry.State : PortState.Free;

    /// <summary>The port lookups return for an owner, or 0.</summary>
    public int PortOf(string owner, PortProtocol protocol = PortProtocol.Tcp) => Registry.TryGetPort(owner, out int port, protocol) ? port : 0;

    public string[] OwnersOn(int port, PortProtocol protocol = PortProtocol.Tcp) =>
        [.. Registry.EnumerateOwners(port, protocol).Select(entry => entry.Owner).Order(StringComparer.Ordinal)];

    public async ValueTask DisposeAsync()
    {
        await Registry.DisposeAsync();
        foreach (Child child in _children)
        {
            child.Dispose();
        }
    }
}
