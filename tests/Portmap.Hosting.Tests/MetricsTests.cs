using System.Diagnostics.Metrics;
using System.Text.RegularExpressions;

namespace Portmap.Hosting.Tests;

/// <summary>What a host's meters tell of its registries, and that the pages which name them name
/// what there is.</summary>
/// <remarks>Not beside others: an exporter hears the meters of every host of this
/// process.</remarks>
[CollectionDefinition(nameof(MetricsTests), DisableParallelization = true)]
[Collection(nameof(MetricsTests))]
public sealed partial class MetricsTests
{
    [Fact]
    public async Task Gauges_ARegistryInUse_SayWhatItHolds()
    {
        using TempFolder folder = new();
        await using AsyncHost host = new(TestHost.Served(folder, services => Telling(services, folder)));
        await host.StartAsync();
        PortRegistry registry = host.Host.Services.GetRequiredService<PortRegistry>();
        await using PortSession session = registry.OpenSession(Environment.ProcessId);
        using System.Net.Sockets.TcpListener listener = Listening();
        await session.RegisterAsync(new PortClaimRequest("b1", Port(listener))).Within();   // outside the range
        await session.RegisterAsync(new PortClaimRequest("b1/admin", Port(listener))).Within();
        await registry.AcquireAsync(new PortRequest("b2") { Strategy = "AllocatorPicks" }).Within();
        using Readings readings = new(host.Host.Services);

        readings.Collect();

        readings.Sum("portmap.ports", ("portmap.state", "Reserved")).Should().Be(1);
        readings.Sum("portmap.ports", ("portmap.state", "Reserved"), ("portmap.guarantee", "Exclusive")).Should().Be(OperatingSystem.IsLinux() ? 1 : 0);
        readings.Sum("portmap.ports", ("portmap.state", "Bound"), ("portmap.protocol", "Tcp")).Should().Be(1);
        readings.Sum("portmap.ports", ("portmap.state", "Free"), ("portmap.protocol", "Tcp")).Should().Be(9, "the range has ten ports");
        readings.Sum("portmap.ports", ("portmap.state", "Free"), ("portmap.protocol", "Udp")).Should().Be(10);
        readings.Sum("portmap.owners").Should().Be(2, "two owners share a port");
        readings.Sum("portmap.ports.limit").Should().Be(10);
        readings.Sum("portmap.owners.limit").Should().Be(50);
        readings.Sum("portmap.findings", ("portmap.finding", "RangeTooSmall")).Should().Be(1);
    }

    [Fact]
    public async Task Gauges_APortThatCools_HasNoGuarantee()
    {
        using TempFolder folder = new();
        await using AsyncHost host = new(TestHost.Served(folder));
        await host.StartAsync();
        PortLease lease = await host.Host.Services.GetRequiredService<PortRegistry>().AcquireAsync(new PortRequest("b1") { Strategy = "AllocatorPicks" }).Within();
        await lease.ReleaseAsync().Within();
        using Readings readings = new(host.Host.Services);

        readings.Collect();

        readings.Sum("portmap.ports", ("portmap.state", "Cooling")).Should().Be(1);
        Enum.GetNames<PortGuarantee>().Sum(guarantee => readings.Sum("portmap.ports", ("portmap.state", "Cooling"), ("portmap.guarantee", guarantee))).Should().Be(0);
    }

    [Fact]
    public async Task Gauges_Findings_AreNoNotes()
    {
        using TempFolder folder = new();
        await using AsyncHost host = new(TestHost.Served(folder, services => services.Configure<PortRegistryOptions>(options =>
            (options.Ports, options.MaxOwners) = ("1024-65535", 100_000))));   // it overlaps what the kernel hands out, and most of it does not
        await host.StartAsync();
        using Readings readings = new(host.Host.Services);

        readings.Collect();

        PortFinding[] found = [.. host.Host.Services.GetRequiredService<PortRegistry>().Diagnose()];
        readings.Sum("portmap.findings").Should().Be(found.Count(finding => !finding.IsNote)).And.BePositive();
        if (OperatingSystem.IsLinux())
        {
            found.Should().Contain(finding => finding.IsNote, "there is one to be left out");
        }
    }

    [Fact]
    public async Task BoundDuration_ALeaseThatIsRegistered_IsTheTimeBetween()
    {
        await using TimedHost host = await TimedHost.StartAsync();
        (ManualClock clock, PortRegistry registry, Readings readings) = (host.Clock, host.Registry, host.Readings);
        PortLease lease = await registry.AcquireAsync("b1").Within();
        PortLease expired = await registry.AcquireAsync("b2").Within();
        await expired.ReleaseAsync().Within();
        clock.Advance(TimeSpan.FromSeconds(3));
        await using PortSession session = registry.OpenSession(Environment.ProcessId);
        using System.Net.Sockets.TcpListener listener = Listening();

        await session.RegisterAsync(new PortClaimRequest("b1", Port(listener)) { Epoch = lease.Epoch }).Within();

        (double Value, string Strategy) measured = await readings.BoundDuration.Within();
        measured.Should().Be((3.0, "ProcessBinds"));
    }

    [Fact]
    public async Task BoundDuration_OwnerGaveALeaseBackBefore_CountsFromItsOwn()
    {
        await using TimedHost host = await TimedHost.StartAsync();
        (ManualClock clock, PortRegistry registry, Readings readings) = (host.Clock, host.Registry, host.Readings);
        await (await registry.AcquireAsync("b1").Within()).ReleaseAsync().Within();
        clock.Advance(TimeSpan.FromSeconds(7));
        PortLease lease = await registry.AcquireAsync("b1").Within();
        clock.Advance(TimeSpan.FromSeconds(3));
        await using PortSession session = registry.OpenSession(Environment.ProcessId);
        using System.Net.Sockets.TcpListener listener = Listening();

        await session.RegisterAsync(new PortClaimRequest("b1", Port(listener)) { Epoch = lease.Epoch }).Within();

        (await readings.BoundDuration.Within()).Value.Should().Be(3.0);
    }

    [Fact]
    public async Task BoundDuration_ALeaseThatGotAnotherPort_CountsFromTheFirst()
    {
        await using TimedHost host = await TimedHost.StartAsync();
        (ManualClock clock, PortRegistry registry, Readings readings) = (host.Clock, host.Registry, host.Readings);
        PortLease lease = await registry.AcquireAsync(new PortRequest("b1") { Strategy = "AllocatorPicks", Guard = PortGuardMode.None }).Within();
        clock.Advance(TimeSpan.FromSeconds(3));
        await lease.ReportBindFailureAsync().Within();
        clock.Advance(TimeSpan.FromSeconds(2));
        using System.Net.Sockets.TcpListener listener = new(PortBlock.Loopback, lease.Port);
        listener.Start();
        await using PortSession session = registry.OpenSession(Environment.ProcessId);

        await session.RegisterAsync(new PortClaimRequest("b1", lease.Port) { Epoch = lease.Epoch }).Within();

        (await readings.BoundDuration.Within()).Should().Be((5.0, "AllocatorPicks"));
    }

    [Fact]
    public async Task BoundDuration_ALeaseThatGotNoPortInTheEnd_IsNotTheBeginningOfTheNext()
    {
        await using TimedHost host = await TimedHost.StartAsync();
        PortLease lease = await host.Registry.AcquireAsync(new PortRequest("b1") { Strategy = "AllocatorPicks", Guard = PortGuardMode.None }).Within();
        await FluentActions.Awaiting(async () =>
        {
            while (true)
            {
                await lease.ReportBindFailureAsync().Within();
            }
        }).Should().ThrowAsync<PortRefusedException>("BindAttempts of them are enough");
        host.Clock.Advance(TimeSpan.FromDays(1));

        await ExpectThreeSecondsAsync(host);
    }

    [Fact]
    public async Task BoundDuration_ALeaseThatRanOut_IsNotTheBeginningOfTheNext()
    {
        await using TimedHost host = await TimedHost.StartAsync();
        await host.Registry.AcquireAsync("b1").Within();
        long revision = host.Registry.Snapshot().Revision;
        host.Clock.Advance(TimeSpan.FromMinutes(2));
        await host.Registry.ChangeAsync(revision, change => change.Kind == PortChangeKind.Expired);

        await ExpectThreeSecondsAsync(host);
    }

    [Fact]
    public async Task BoundDuration_ALeaseWhosePortAnotherTook_IsNotTheBeginningOfTheNext()
    {
        await using TimedHost host = await TimedHost.StartAsync();
        PortLease lease = await host.Registry.AcquireAsync(new PortRequest("b1") { Strategy = "AllocatorPicks", Guard = PortGuardMode.None }).Within();
        using System.Net.Sockets.TcpListener listener = new(PortBlock.Loopback, lease.Port);
        listener.Start();
        await using PortSession session = host.Registry.OpenSession(Environment.ProcessId);
        await session.RegisterAsync(new PortClaimRequest("b2", lease.Port)).Within();
        host.Clock.Advance(TimeSpan.FromSeconds(7));

        await ExpectThreeSecondsAsync(host);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task BoundDuration_TheWorkerBeforeSignsInAgainOrOut_IsThatOfTheNext(bool signsIn)
    {
        await using TimedHost host = await TimedHost.StartAsync();
        await using PortSession before = host.Registry.OpenSession(Environment.ProcessId), again = host.Registry.OpenSession(Environment.ProcessId);
        using System.Net.Sockets.TcpListener old = Listening(), next = Listening();
        PortEntry served = await before.RegisterAsync(new PortClaimRequest("b1", Port(old))).Within();
        PortLease lease = await host.Registry.AcquireAsync("b1").Within();
        host.Clock.Advance(TimeSpan.FromSeconds(1));

        if (signsIn)
        {
            await again.RegisterAsync(new PortClaimRequest("b1", Port(old)) { Epoch = served.Epoch }).Within();
        }
        else
        {
            await before.ReleaseAsync("b1").Within();
        }

        host.Clock.Advance(TimeSpan.FromSeconds(2));
        await again.RegisterAsync(new PortClaimRequest("b1", Port(next)) { Epoch = lease.Epoch }).Within();

        (await host.Readings.BoundDuration.Within()).Value.Should().Be(3.0);
    }

    private static async Task ExpectThreeSecondsAsync(TimedHost host)
    {
        PortLease lease = await host.Registry.AcquireAsync("b1").Within();
        host.Clock.Advance(TimeSpan.FromSeconds(3));
        await using PortSession session = host.Registry.OpenSession(Environment.ProcessId);
        using System.Net.Sockets.TcpListener listener = Listening();
        await session.RegisterAsync(new PortClaimRequest("b1", Port(listener)) { Epoch = lease.Epoch }).Within();

        (await host.Readings.BoundDuration.Within()).Value.Should().Be(3.0);
    }

    [Fact]
    public async Task BoundDuration_ReaderFellBehind_CountsFromNothingItMayHaveMissedTheEndOf()
    {
        using TempFolder folder = new();
        ManualClock clock = new();
        await using AsyncHost host = new(TestHost.Served(folder, services => services.AddSingleton<TimeProvider>(clock).Configure<PortRegistryOptions>(options =>
            (options.WatchCapacity, options.VerifyListening, options.Probe) = (16, false, false))));
        await host.StartAsync();
        PortRegistry registry = host.Host.Services.GetRequiredService<PortRegistry>();
        using Readings readings = new(host.Host.Services);
        using ManualResetEventSlim goesOn = new();
        TaskCompletionSource stands = new(TaskCreationOptions.RunContinuationsAsynchronously);
        System.Threading.Channels.Channel<double> measured = System.Threading.Channels.Channel.CreateUnbounded<double>();
        readings.WhenBound = value =>
        {
            measured.Writer.TryWrite(value);
            stands.TrySetResult();
            goesOn.Wait(Deadline.Default);   // the reader of changes, and nobody else
        };
        readings.Collect();
        await using PortSession session = registry.OpenSession(Environment.ProcessId);
        int port = PortBlock.TakeOne();
        PortLease missed = await registry.AcquireAsync("missed").Within();
        await BindAsync("first");
        await stands.Task.Within();

        await missed.ReleaseAsync().Within();
        for (int i = 0; i < 20; i++)
        {
            await (await registry.AcquireAsync($"flood{i}").Within()).ReleaseAsync().Within();
        }

        goesOn.Set();
        (await measured.Reader.ReadAsync().Within()).Should().Be(0);
        while (!measured.Reader.TryRead(out _))
        {
            await BindAsync("again");   // until it is measured: the reader is past the gap
            await session.ReleaseAsync("again").Within();
            await Task.Yield();
        }

        clock.Advance(TimeSpan.FromSeconds(10));
        PortLease lease = await registry.AcquireAsync("missed").Within();
        clock.Advance(TimeSpan.FromSeconds(3));
        await session.RegisterAsync(new PortClaimRequest("missed", port) { Epoch = lease.Epoch }).Within();

        double last = 0;
        while (last == 0)
        {
            last = await measured.Reader.ReadAsync().AsTask().Within();
        }

        last.Should().Be(3.0);

        async Task BindAsync(string owner)
        {
            PortLease bound = await registry.AcquireAsync(owner).Within();
            await session.RegisterAsync(new PortClaimRequest(owner, port) { Epoch = bound.Epoch }).Within();
        }
    }

    [Fact]
    public async Task Keyed_TwoRegistries_AreToldApart()
    {
        using TempFolder folder = new();
        await using AsyncHost host = new(TestHost.Build(services =>
        {
            foreach ((string key, int ports) in (ReadOnlySpan<(string, int)>)[("a", 3), ("b", 5)])
            {
                services.AddKeyedPortmap(key, options => options.Ports = PortBlock.Take(ports).ToString());
                services.AddKeyedPortmapServer(key, options => options.Endpoints.Add(folder.Socket(key)));
            }
        }));
        await host.StartAsync();
        using Readings readings = new(host.Host.Services);

        readings.Collect();

        readings.Sum("portmap.ports.limit", ("portmap.registry", "a")).Should().Be(3);
        readings.Sum("portmap.ports.limit", ("portmap.registry", "b")).Should().Be(5);
        await host.Host.Services.GetRequiredKeyedService<PortRegistry>("a").AcquireAsync("b1").Within();
        await TestHost.PingAsync(folder.Socket("b"));
        readings.Sum("portmap.leases.granted", ("portmap.registry", "a")).Should().Be(1);
        readings.Sum("portmap.leases.granted", ("portmap.registry", "b")).Should().Be(0);
        readings.Times("portmap.rpc.call.duration", ("portmap.registry", "a")).Should().BeEmpty();
        readings.Times("portmap.rpc.call.duration", ("portmap.registry", "b")).Should().NotBeEmpty();
        readings.Collect();
        readings.Sum("portmap.leases.open", ("portmap.registry", "a")).Should().Be(1);
        readings.Sum("portmap.leases.open", ("portmap.registry", "b")).Should().Be(0);
    }

    [Fact]
    public async Task Owner_OnUdp_IsCountedAndMeasuredAsThat()
    {
        await using TimedHost host = await TimedHost.StartAsync();
        PortLease lease = await host.Registry.AcquireAsync(new PortRequest("u1") { Protocol = PortProtocol.Udp }).Within();
        await using PortSession session = host.Registry.OpenSession(Environment.ProcessId);
        using System.Net.Sockets.UdpClient socket = new(new System.Net.IPEndPoint(PortBlock.Loopback, PortBlock.TakeOne()));
        int port = ((System.Net.IPEndPoint)socket.Client.LocalEndPoint!).Port;

        await session.RegisterAsync(new PortClaimRequest("u1", port) { Epoch = lease.Epoch, Protocol = PortProtocol.Udp }).Within();

        await host.Readings.BoundDuration.Within();
        host.Readings.Times("portmap.lease.bound.duration", ("portmap.protocol", "Udp")).Should().ContainSingle();
        host.Readings.Collect();
        host.Readings.Sum("portmap.owners", ("portmap.protocol", "Udp")).Should().Be(1);
        host.Readings.Sum("portmap.owners", ("portmap.protocol", "Tcp")).Should().Be(0);
    }

    [Fact]
    public async Task MeterFactory_SetInTheOptions_IsTakenAndNotTheContainers()
    {
        using TempFolder folder = new();
        using LastingMeters ofRegistry = new(), ofServer = new();
        using Readings registry = new(ofRegistry), server = new(ofServer);
        await using AsyncHost host = new(TestHost.Served(folder, services => services
            .Configure<PortRegistryOptions>(options => options.MeterFactory = ofRegistry)
            .Configure<PortmapServerOptions>(options => options.MeterFactory = ofServer)));
        await host.StartAsync();
        using Readings container = new(host.Host.Services);

        await host.Host.Services.GetRequiredService<PortRegistry>().AcquireAsync("b1").Within();
        await TestHost.PingAsync(folder.Socket());

        registry.Sum("portmap.leases.granted").Should().Be(1);
        server.Times("portmap.rpc.call.duration").Should().NotBeEmpty();
        container.Sum("portmap.leases.granted").Should().Be(0);
        container.Times("portmap.rpc.call.duration").Should().BeEmpty();
    }

    [Fact]
    public async Task Connections_OpenedAndClosed_AreCounted()
    {
        using TempFolder folder = new();
        await using AsyncHost host = new(TestHost.Served(folder));
        await host.StartAsync();
        using Readings readings = new(host.Host.Services);
        PortmapEndpoint endpoint = PortmapEndpoint.Parse(folder.Socket());
        PortmapClient first = await PortmapClient.ConnectAsync(endpoint).Within();
        await using PortmapClient second = await PortmapClient.ConnectAsync(endpoint).Within();
        await first.PingAsync().Within();
        await second.PingAsync().Within();

        readings.Collect();
        readings.Sum("portmap.rpc.connections").Should().Be(2);
        await first.DisposeAsync();

        using CancellationTokenSource limit = Deadline.Source();
        for (readings.Collect(); readings.Sum("portmap.rpc.connections") != 1; readings.Collect())
        {
            limit.Token.ThrowIfCancellationRequested();
            await Task.Yield();
        }
    }

    [Fact]
    public async Task CallDuration_ClockOfTheContainerStands_IsNothing()
    {
        await using TimedHost timed = await TimedHost.StartAsync();

        await TestHost.PingAsync(timed.Endpoint);

        timed.Readings.Times("portmap.rpc.call.duration").Should().NotBeEmpty().And.OnlyContain(seconds => seconds == 0);
    }

    [Fact]
    public async Task Collect_AfterTheHostIsGone_SaysNothingAndThrowsNothing()
    {
        using TempFolder folder = new();
        Readings readings;
        await using (AsyncHost host = new(TestHost.Served(folder)))
        {
            await host.StartAsync();
            readings = new Readings(host.Host.Services);
            await host.StopAsync();
        }

        using (readings)
        {
            readings.Invoking(it => it.Collect()).Should().NotThrow();
        }
    }

    [Fact]
    public async Task Collect_MetersThatOutliveTheHost_SayNothingOfWhatARegistryHeld()
    {
        using TempFolder folder = new();
        using LastingMeters meters = new();
        using Readings readings = new(meters);
        await using (AsyncHost host = new(TestHost.Served(folder, services => services.AddSingleton<IMeterFactory>(meters))))
        {
            await host.StartAsync();
            await host.Host.Services.GetRequiredService<PortRegistry>().AcquireAsync(new PortRequest("b1") { Strategy = "AllocatorPicks" }).Within();
            readings.Collect();
            readings.Sum("portmap.ports", ("portmap.state", "Reserved")).Should().Be(1);
            await host.StopAsync();
        }

        readings.Collect();

        readings.Sum("portmap.ports", ("portmap.state", "Reserved")).Should().Be(0, "the registry is over");
        readings.Sum("portmap.findings").Should().Be(0);
    }

    [Fact]
    public async Task Page_EachInstrument_StandsThereWithItsKindUnitAndTags()
    {
        using TempFolder folder = new();
        await using AsyncHost host = new(TestHost.Served(folder, services => Telling(services, folder)));
        await host.StartAsync();
        PortRegistry registry = host.Host.Services.GetRequiredService<PortRegistry>();
        using Readings readings = new(host.Host.Services);
        await UseAsync(registry, folder, readings);

        string[] written = [.. Row().Matches(RepositoryFiles.Read("docs", "reference", "meters.md"))
            .Where(row => !row.Groups["name"].Value.StartsWith("portmap.fleet.", StringComparison.Ordinal))   // Portmap.Etcd's own test
            .Select(row => $"{row.Groups["name"].Value} {row.Groups["kind"].Value} {row.Groups["unit"].Value} {row.Groups["tags"].Value.Replace("`", string.Empty, StringComparison.Ordinal).Trim()}".TrimEnd())];

        written.Should().BeEquivalentTo(readings.Instruments.Select(instrument => instrument.TrimEnd()));
    }

    /// <summary>A store, passes that come soon, and a finding on any host: fewer ports than
    /// owners.</summary>
    private static void Telling(IServiceCollection services, TempFolder folder) => services.Configure<PortRegistryOptions>(options =>
        (options.MaxOwners, options.StateFolder, options.Durability, options.LivenessInterval) = (50, folder["state"], PortDurability.Background, TimeSpan.FromMilliseconds(100)));

    /// <summary>Has each instrument say something: a lease that is registered, one that is refused,
    /// and one whose port a stranger has.</summary>
    private static async Task UseAsync(PortRegistry registry, TempFolder folder, Readings readings)
    {
        readings.Collect();
        PortLease lease = await registry.AcquireAsync(new PortRequest("b1") { Strategy = "AllocatorPicks", Guard = PortGuardMode.None }).Within();
        registry.TryAcquire("b1", out _, out _).Should().BeFalse("it is reserved");
        using System.Net.Sockets.TcpListener stranger = new(System.Net.IPAddress.Any, lease.Port);
        stranger.Start();
        await lease.ReportBindFailureAsync().Within();
        await using PortSession session = registry.OpenSession(Environment.ProcessId);
        using System.Net.Sockets.TcpListener listener = Listening();
        PortLease again = await registry.AcquireAsync("b2").Within();
        await session.RegisterAsync(new PortClaimRequest("b2", Port(listener)) { Epoch = again.Epoch }).Within();
        await readings.BoundDuration.Within();
        await TestHost.PingAsync(folder.Socket());
        await readings.When("portmap.store.write.duration").Within();
        await readings.When("portmap.pass.duration").Within();
        readings.Collect();
    }

    private static System.Net.Sockets.TcpListener Listening()
    {
        System.Net.Sockets.TcpListener listener = new(PortBlock.Loopback, PortBlock.TakeOne());
        listener.Start();
        return listener;
    }

    private static int Port(System.Net.Sockets.TcpListener listener) => ((System.Net.IPEndPoint)listener.LocalEndpoint).Port;

    [GeneratedRegex(@"^\| `(?<name>[a-z.]+)` \| (?<kind>\w+) \| (?<unit>\w+) \| (?<tags>[^|]*)\|", RegexOptions.Multiline)]
    private static partial Regex Row();

    /// <summary>Listens to the meters of one host.</summary>
    private sealed class Readings : IDisposable
    {
        private readonly MeterListener _listener = new();
        private readonly Dictionary<string, SortedSet<string>> _tags = [];
        private readonly Dictionary<string, Instrument> _instruments = [];
        private readonly Dictionary<string, TaskCompletionSource> _said = [];
        private readonly TaskCompletionSource<(double, string)> _duration = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly Lock _gate = new();
        private List<(string Name, long Value, double? Seconds, Dictionary<string, object?> Tags)> _values = [];

        public Readings(IServiceProvider services)
            : this(services.GetRequiredService<IMeterFactory>())
        {
        }

        public Readings(IMeterFactory factory)
        {
            _listener.InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter.Name is "Portmap" or "Portmap.Rpc" && ReferenceEquals(instrument.Meter.Scope, factory))
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            };
            _listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Note(instrument, value, tags));
            _listener.SetMeasurementEventCallback<int>((instrument, value, tags, _) => Note(instrument, value, tags));
            _listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) =>
            {
                Note(instrument, 0, tags, value);
                if (instrument.Name == "portmap.lease.bound.duration")
                {
                    WhenBound?.Invoke(value);
                    _duration.TrySetResult((value, (string)tags.ToArray().Single(tag => tag.Key == "portmap.strategy").Value!));
                }
            });
            _listener.Start();
        }

        /// <summary>Completes when an instrument has said something.</summary>
        public Task When(string name)
        {
            lock (_gate)
            {
                return Said(name).Task;
            }
        }

        /// <summary>Called with each that was measured, where it is measured.</summary>
        public Action<double>? WhenBound { get; set; }

        /// <summary>The first that was measured.</summary>
        public Task<(double Value, string Strategy)> BoundDuration => _duration.Task;

        /// <summary>Each instrument that said something: name, kind, unit and tags as the page
        /// writes them.</summary>
        public IEnumerable<string> Instruments
        {
            get
            {
                lock (_gate)
                {
                    return [.. _instruments.Values.Select(it => $"{it.Name} {Kind(it)} {it.Unit?.Trim('{', '}')} {string.Join(' ', _tags[it.Name].Order(TagOrder))}")];
                }
            }
        }

        // As they are read: the protocol first, but after the strategy.
        private static Comparer<string> TagOrder { get; } = Comparer<string>.Create((a, b) => Rank(a).CompareTo(Rank(b)));

        public void Collect()
        {
            lock (_gate)
            {
                _values = [];
            }

            _listener.RecordObservableInstruments();
        }

        public long Sum(string name, params (string Key, string Value)[] tags)
        {
            lock (_gate)
            {
                return Of(name, tags).Sum(it => it.Value);
            }
        }

        /// <summary>What a histogram was told since the last collection.</summary>
        public double[] Times(string name, params (string Key, string Value)[] tags)
        {
            lock (_gate)
            {
                return [.. Of(name, tags).Select(it => it.Seconds!.Value)];
            }
        }

        public void Dispose() => _listener.Dispose();

        private static int Rank(string tag) => Array.IndexOf(["portmap.rpc.program", "portmap.rpc.procedure", "portmap.rpc.outcome", "portmap.strategy", "portmap.protocol", "portmap.state", "portmap.guarantee"], tag);

        private static string Kind(Instrument instrument) => instrument.GetType().Name.Split('`')[0] switch
        {
            "ObservableGauge" => "gauge",
            "Counter" => "counter",
            string other => other.ToLowerInvariant(),
        };

        private IEnumerable<(string Name, long Value, double? Seconds, Dictionary<string, object?> Tags)> Of(string name, (string Key, string Value)[] tags) =>
            _values.Where(it => it.Name == name && tags.All(tag => it.Tags.GetValueOrDefault(tag.Key)?.ToString() == tag.Value));

        private TaskCompletionSource Said(string name)
        {
            _said.TryAdd(name, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
            return _said[name];
        }

        private void Note(Instrument instrument, long value, ReadOnlySpan<KeyValuePair<string, object?>> tags, double? seconds = null)
        {
            lock (_gate)
            {
                _instruments[instrument.Name] = instrument;
                Said(instrument.Name).TrySetResult();
                _tags.TryAdd(instrument.Name, []);
                Dictionary<string, object?> read = [];
                foreach ((string key, object? tag) in tags)
                {
                    read[key] = tag;
                    _tags[instrument.Name].Add(key);
                }

                _values.Add((instrument.Name, value, seconds, read));
            }
        }
    }

    /// <summary>A daemon by a clock of the test's, and what its meters read.</summary>
    private sealed class TimedHost : IAsyncDisposable
    {
        private readonly TempFolder _folder = new();
        private readonly AsyncHost _host;
        private Readings? _readings;

        private TimedHost() => _host = new(TestHost.Served(_folder, services => services.AddSingleton<TimeProvider>(Clock)));

        public ManualClock Clock { get; } = new();

        public string Endpoint => _folder.Socket();

        public PortRegistry Registry => _host.Host.Services.GetRequiredService<PortRegistry>();

        public Readings Readings => _readings!;

        public static async Task<TimedHost> StartAsync()
        {
            TimedHost host = new();
            await host._host.StartAsync();
            host._readings = new(host._host.Host.Services);
            host._readings.Collect();   // reading begins with the first collection
            return host;
        }

        public async ValueTask DisposeAsync()
        {
            _readings?.Dispose();
            await _host.DisposeAsync();
            _folder.Dispose();
        }
    }

    /// <summary>The meters of a host that has them from elsewhere: it does not end them.</summary>
    private sealed class LastingMeters : IMeterFactory
    {
        private readonly Dictionary<string, Meter> _meters = [];

        public Meter Create(MeterOptions options)
        {
            lock (_meters)
            {
                return _meters.TryGetValue(options.Name, out Meter? meter) ? meter : _meters[options.Name] = new LastingMeter(options, this);
            }
        }

        public void Dispose()
        {
        }
    }

    /// <summary>As those of a factory are: disposed by nobody but the factory.</summary>
    private sealed class LastingMeter(MeterOptions options, object scope) : Meter(new MeterOptions(options.Name) { Scope = scope })
    {
        protected override void Dispose(bool disposing) => base.Dispose(false);
    }

    /// <summary>A clock that stands until it is moved.</summary>
    private sealed class ManualClock : TimeProvider
    {
        private long _ticks = DateTimeOffset.UnixEpoch.AddYears(50).UtcTicks;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override DateTimeOffset GetUtcNow() => new(Interlocked.Read(ref _ticks), TimeSpan.Zero);

        public override long GetTimestamp() => Interlocked.Read(ref _ticks);

        public void Advance(TimeSpan time) => Interlocked.Add(ref _ticks, time.Ticks);
    }
}
