using System.Globalization;
using Microsoft.Extensions.Logging;

namespace Portmap.Etcd.Tests.Support;

/// <summary>A daemon in this process: a registry and its part of the fleet.</summary>
internal sealed class Host : IAsyncDisposable
{
    private Host(PortmapFleetOptions options, bool isPublishing, int watchCapacity)
    {
        Options = options;
        if (isPublishing)
        {
            // The ports are numbers only: nobody listens on them.
            Registry = new PortRegistry(new PortRegistryOptions { Probe = false, VerifyListening = false, Ports = "20000-29999", MaxOwners = 200_000, WatchCapacity = watchCapacity });
            Session = Registry.OpenSession(Environment.ProcessId);
        }

        Fleet = new PortmapFleet(options, Registry, Log);
    }

    public PortmapFleetOptions Options { get; }

    public FleetLogLines Log { get; } = new();

    public PortRegistry? Registry { get; }

    public PortSession? Session { get; }

    public PortmapFleet Fleet { get; }

    public FleetMap Map => Fleet.Map;

    /// <summary>Starts one whose lease and requests outlast a busy machine; a test of their end
    /// says when that is.</summary>
    public static Host Start(string name, string endpoints, Action<PortmapFleetOptions>? configure = null, bool isPublishing = true, int watchCapacity = 4_096)
    {
        PortmapFleetOptions options = new()
        {
            Host = name,
            Endpoints = endpoints,
            LeaseTtl = Deadline.Default,
            HeartbeatInterval = TimeSpan.FromMilliseconds(200),
            RequestTimeout = Deadline.Default,
        };
        configure?.Invoke(options);
        Host host = new(options, isPublishing, watchCapacity);
        host.Fleet.Start();
        return host;
    }

    /// <summary>One that only looks.</summary>
    public static Host Look(string endpoints, Action<PortmapFleetOptions>? configure = null) => Start("looker", endpoints, configure, isPublishing: false);

    public static string Owner(int i) => string.Create(CultureInfo.InvariantCulture, $"vol{i / 100}:/bricks/b{i}");

    public void Register(string owner, int port, PortProtocol protocol = PortProtocol.Tcp)
    {
        Session!.TryRegister(new PortClaimRequest(owner, port) { Protocol = protocol }, out _, out PortRefusal? refusal).Should().BeTrue("it was refused: {0}", refusal?.Message);
    }

    public void RegisterMany(int count, string longer = "")
    {
        for (int i = 0; i < count; i++)
        {
            Register(Owner(i) + longer, 20_000 + (i % 10_000));
        }
    }

    public void Release(string owner) => Session!.TryRelease(owner, out PortRefusal? refusal).Should().BeTrue("it was refused: {0}", refusal?.Message);

    /// <summary>What the registry serves, one line for each.</summary>
    public string[] Serves() => Lines(Registry!.Snapshot().Entries.Where(entry => entry.State == PortState.Bound)
        .Select(entry => Line(entry.Owner, entry.Protocol, entry.Port, entry.Epoch ?? 0)));

    /// <summary>What this map says that a host serves, one line for each.</summary>
    public string[] Sees(string host) => Lines(Map.Snapshot().Entries.Where(entry => entry.Host == host).Select(entry => Line(entry.Owner, entry.Protocol, entry.Port, entry.Epoch)));

    public async ValueTask DisposeAsync()
    {
        await Fleet.DisposeAsync().AsTask().Within();
        if (Registry is not null)
        {
            await Registry.DisposeAsync();
        }

        Log.Lines.Should().NotContain(line => line.StartsWith("FleetLoopFailed", StringComparison.Ordinal), "no part of it may fail by a mistake of its own");
    }

    private static string[] Lines(IEnumerable<string> lines) => [.. lines.Order(StringComparer.Ordinal)];

    private static string Line(string owner, PortProtocol protocol, int port, long epoch) =>
        string.Create(CultureInfo.InvariantCulture, $"{owner} {protocol} {port} {epoch}");
}

/// <summary>Everything that was logged.</summary>
internal sealed class FleetLogLines : ILogger<PortmapFleet>
{
    private readonly System.Collections.Concurrent.ConcurrentQueue<string> _lines = new();

    public IReadOnlyCollection<string> Lines => _lines;

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
        _lines.Enqueue($"{eventId.Name}: {formatter(state, exception)} {exception}");
}
