using System.Diagnostics;
using System.Diagnostics.Metrics;
using Portmap.Tests.Support;

namespace Portmap.Tests.Diagnostics;

/// <summary><c>portmap.refusals</c> counts each refusal of each verb, once: whoever watches
/// <c>AttemptsExhausted</c> or <c>NotOwner</c> sees it there.</summary>
public sealed class RefusalCountTests : AsyncTest
{
    private static readonly Dictionary<string, Func<Bench, Task>> s_verbs = new()
    {
        ["Acquire InvalidOwner"] = bench => bench.Registry.AcquireAsync(string.Empty).AsTask(),
        ["Acquire AlreadyReserved"] = async bench =>
        {
            await bench.LeaseAsync();
            await bench.Registry.AcquireAsync("b1");
        },
        ["Acquire NoFleet"] = bench => bench.Registry.AcquireAsync(new PortRequest("b1") { Scope = PortScope.Fleet }).AsTask(),
        ["Acquire of a session SessionEnded"] = async bench => await (await bench.EndedAsync()).AcquireAsync("b1"),
        ["AcquireAll AlreadyReserved"] = bench => bench.Registry.AcquireAllAsync(["b1", "b1"]).AsTask(),
        ["AcquireAll of a session SessionEnded"] = async bench => await (await bench.EndedAsync()).AcquireAllAsync(["b1"]),
        ["AcquireAll in the fleet NoFleet"] = bench => bench.Registry.AcquireAllAsync(["b1", new PortRequest("b2") { Scope = PortScope.Fleet }]).AsTask(),
        ["Register InvalidPort"] = bench => bench.Here.RegisterAsync("b1").AsTask(),
        ["Register WrongPort"] = async bench =>
        {
            PortLease lease = await bench.LeaseAsync();
            await bench.Here.RegisterAsync(new PortClaimRequest("b1", lease.Port == Scene.First ? lease.Port + 1 : lease.Port - 1) { Epoch = lease.Epoch });
        },
        ["Register Conflict"] = async bench => await bench.Here.RegisterAsync(new PortClaimRequest("b2", await bench.ServedAsync())),
        ["Release by the lease Stale"] = async bench => await (await bench.OutlivedAsync()).ReleaseAsync(),
        ["Release by a session InvalidOwner"] = bench => bench.Here.ReleaseAsync(string.Empty).AsTask(),
        ["Release by a session InvalidPort"] = bench => bench.Here.ReleaseAsync(new PortClaimRequest("b1", -1)).AsTask(),
        ["Release by a session NotOwner"] = async bench =>
        {
            await bench.ServedAsync();
            await bench.Stranger.ReleaseAsync("b1");
        },
        ["Release by its epoch NotOwner"] = async bench =>
        {
            PortLease lease = await bench.LeaseAsync();
            await bench.Stranger.ReleaseAsync(new PortClaimRequest("b1") { Epoch = lease.Epoch });
        },
        ["Release of an unnamed lease NotOwner"] = async bench =>
        {
            await bench.LeaseAsync();
            await bench.Stranger.ReleaseAsync("b1");
        },
        ["Release by the host Stale"] = async bench => await bench.Registry.ReleaseAsync(new PortClaimRequest("b1") { Epoch = (await bench.OutlivedAsync()).Epoch }),
        ["Report by the lease LeaseEnded"] = async bench => await (await bench.ReleasedAsync()).ReportBindFailureAsync(),
        ["Report by the lease AttemptsExhausted"] = async bench =>
        {
            PortLease lease = await bench.LeaseAsync();
            await lease.ReportBindFailureAsync();
            await lease.ReportBindFailureAsync();
        },
        ["Report by the lease Foreign"] = async bench =>
            await (await bench.Registry.AcquireAsync(new PortRequest("b1") { Previous = Scene.First, Reuse = PortReuse.Require })).ReportBindFailureAsync(),
        ["Report by a session InvalidPort"] = bench => bench.Here.ReportBindFailureAsync("b1").AsTask(),
        ["Report by a session SessionEnded"] = async bench => await (await bench.EndedAsync()).ReportBindFailureAsync(new PortClaimRequest("b1", Scene.First)),
        ["Report by a session NotOwner"] = async bench => await bench.Stranger.ReportBindFailureAsync(new PortClaimRequest("b1", (await bench.LeaseAsync()).Port)),
        ["Report by a session AttemptsExhausted"] = async bench =>
        {
            PortLease lease = await bench.LeaseAsync();
            await bench.Here.ReportBindFailureAsync(new PortClaimRequest("b1", lease.Port) { Epoch = lease.Epoch });
            await bench.Here.ReportBindFailureAsync(new PortClaimRequest("b1", lease.Port) { Epoch = lease.Epoch });
        },
        ["Report that nobody acquired for Stale"] = async bench =>
        {
            PortLease outlived = await bench.OutlivedAsync();
            await bench.Here.ReportBindFailureAsync(new PortClaimRequest("b1", Scene.First + 9) { Epoch = outlived.Epoch });
        },
        ["Report that nobody acquired for NotOwner"] = async bench =>
        {
            await bench.ServedAsync();
            await bench.Stranger.ReportBindFailureAsync(new PortClaimRequest("b1", Scene.First + 9));
        },
        ["Report that nobody acquired for Exhausted"] = bench =>
            bench.Here.ReportBindFailureAsync(new PortClaimRequest("b1", Scene.First) { Ports = $"{Scene.First}" }).AsTask(),
        ["Extend by the lease InvalidTime"] = async bench => await (await bench.LeaseAsync()).ExtendAsync(TimeSpan.Zero),
        ["Extend by the lease LeaseEnded"] = async bench => await (await bench.ReleasedAsync()).ExtendAsync(TimeSpan.FromMinutes(1)),
        ["Extend by a session InvalidTime"] = bench => bench.Here.ExtendAsync("b1", TimeSpan.Zero).AsTask(),
        ["Extend by a session SessionEnded"] = async bench => await (await bench.EndedAsync()).ExtendAsync("b1", TimeSpan.FromMinutes(1)),
        ["Extend by a session LeaseEnded"] = bench => bench.Here.ExtendAsync("b1", TimeSpan.FromMinutes(1)).AsTask(),
        ["Extend by a session NotOwner"] = async bench =>
        {
            await bench.LeaseAsync();
            await bench.Stranger.ExtendAsync("b1", TimeSpan.FromMinutes(1));
        },
        ["Register a program ProcessDead"] = async bench =>
        {
            PortLease lease = await bench.LeaseAsync();
            using Child child = Child.Start();
            child.Kill();
            await lease.RegisterAsync(child.Process);
        },
        ["Register a program that does not listen LeaseEnded"] = async bench =>
        {
            PortLease lease = await bench.ReleasedAsync();
            using Child child = Child.Start();
            await lease.RegisterAsync(child.Process);
        },
        ["Start a program LeaseEnded"] = async bench =>
        {
            PortLease lease = await bench.LeaseAsync();
            ProcessStartInfo start = new("/bin/true");
            lease.PrepareStart(start);
            await lease.ReleaseAsync();
            lease.Start(start);
        },
    };

    private readonly List<Bench> _benches = [];

    public static IEnumerable<object[]> Verbs { get; } = from verb in s_verbs.Keys from confirms in (bool[])[false, true] select new object[] { verb, confirms };

    public override async ValueTask DisposeAsync()
    {
        foreach (Bench bench in _benches)
        {
            await bench.DisposeAsync();
        }
    }

    [Theory]
    [MemberData(nameof(Verbs))]
    public async Task Refusals_OfAVerb_AreCountedOnceUnderTheirReason(string verb, bool confirms)
    {
        Bench bench = await OpenAsync(confirms);

        PortRefusal refusal = await s_verbs[verb](bench).RefusalAsync();

        refusal.Reason.ToString().Should().Be(verb.Split(' ')[^1], refusal.Message);
        bench.Refusals.Should().Equal(refusal.Reason.ToString());
    }

    [Theory]
    [InlineData("acquire")]
    [InlineData("acquire all")]
    [InlineData("register")]
    [InlineData("release")]
    [InlineData("release by the lease")]
    [InlineData("extend")]
    [InlineData("report")]
    [InlineData("report that nobody acquired for")]
    public async Task Refusals_TheStoreFails_AreCountedOnce(string verb)
    {
        Bench bench = await OpenAsync(confirms: true);
        PortLease lease = await bench.LeaseAsync();
        bench.Store!.Fail();

        PortRefusal refusal = await (verb switch
        {
            "acquire" => bench.Registry.AcquireAsync("b2").AsTask(),
            "acquire all" => bench.Registry.AcquireAllAsync(["b2", "b3"]).AsTask(),
            "register" => bench.Here.RegisterAsync(new PortClaimRequest("b1", lease.Port) { Epoch = lease.Epoch }).AsTask(),
            "release" => bench.Here.ReleaseAsync(new PortClaimRequest("b1") { Epoch = lease.Epoch }).AsTask(),
            "release by the lease" => lease.ReleaseAsync().AsTask(),
            "extend" => lease.ExtendAsync(TimeSpan.FromMinutes(5)).AsTask(),
            "report" => lease.ReportBindFailureAsync().AsTask(),
            _ => bench.Here.ReportBindFailureAsync(new PortClaimRequest("b2", Scene.First + 9)).AsTask(),
        }).RefusalAsync();

        refusal.Reason.Should().Be(PortRefusalReason.StoreFailed);
        bench.Refusals.Should().Equal("StoreFailed");
    }

    [Fact]
    public async Task Refusals_AsValues_AreCountedOnceToo()
    {
        Bench bench = await OpenAsync(confirms: false);
        PortLease outlived = await bench.OutlivedAsync();

        outlived.TryRelease(out _).Should().BeFalse();
        bench.Stranger.TryRelease("b1", out _).Should().BeFalse();
        bench.Here.TryRelease(new PortClaimRequest("b1", 70_000), out _).Should().BeFalse();
        bench.Registry.TryRelease(string.Empty, out _).Should().BeFalse();
        bench.Registry.TryAcquire("b1", out _, out _).Should().BeFalse();
        bench.Registry.TryAcquireAll(["b1"], contiguous: false, out _, out _).Should().BeFalse();
        bench.Here.TryRegister("b2", out _, out _).Should().BeFalse();

        bench.Refusals.Should().Equal("Stale", "NotOwner", "InvalidPort", "InvalidOwner", "AlreadyReserved", "AlreadyReserved", "InvalidPort");
    }

    private async Task<Bench> OpenAsync(bool confirms)
    {
        Bench bench = await Bench.OpenAsync(confirms);
        _benches.Add(bench);
        return bench;
    }

    /// <summary>A registry with a meter of its own.</summary>
    private sealed class Bench : IMeterFactory, IAsyncDisposable
    {
        private readonly MeterListener _listener = new();
        private readonly List<string> _refusals = [];
        private readonly Child _other = Child.Start();
        private Meter? _meter;

        private Bench()
        {
        }

        public PortRegistry Registry { get; private set; } = null!;

        public FakePortStore? Store { get; private set; }

        public PortSession Here { get; private set; } = null!;

        /// <summary>A session of a user that has nothing to say.</summary>
        public PortSession Stranger { get; private set; } = null!;

        public string[] Refusals
        {
            get
            {
                lock (_refusals)
                {
                    return [.. _refusals];
                }
            }
        }

        public static async Task<Bench> OpenAsync(bool confirms)
        {
            Bench bench = new();
            PortRegistryOptions options = new() { Ports = Scene.TenPorts, Probe = false, Strategy = PortRegistryOptions.AllocatorPicks, BindAttempts = 2, MeterFactory = bench };
            bench.Store = confirms ? new FakePortStore() : null;
            bench.Registry = bench.Store is null ? new PortRegistry(options) : await PortRegistry.OpenAsync(options, bench.Store).Within();
            bench.Here = bench.Registry.OpenSession(Environment.ProcessId);
            bench.Stranger = bench.Registry.OpenSession(null, userId: 65_533);
            return bench;
        }

        public Task<PortLease> LeaseAsync() => Registry.AcquireAsync("b1").Within();

        /// <summary>The port of an owner that a living process serves.</summary>
        public async Task<int> ServedAsync() => (await Registry.OpenSession(_other.Id).RegisterAsync(new PortClaimRequest("b1", Scene.First + 5)).Within()).Port;

        public async Task<PortLease> ReleasedAsync()
        {
            PortLease lease = await LeaseAsync();
            await lease.ReleaseAsync().Within();
            return lease;
        }

        /// <summary>A lease that is over, and its owner has a newer one.</summary>
        public async Task<PortLease> OutlivedAsync()
        {
            PortLease lease = await ReleasedAsync();
            await LeaseAsync();
            return lease;
        }

        public async Task<PortSession> EndedAsync()
        {
            PortSession session = Registry.OpenSession(_other.Id);
            await session.DisposeAsync();
            return session;
        }

        public Meter Create(MeterOptions options)
        {
            _meter = new Meter(options);
            _listener.InstrumentPublished = (instrument, listener) =>
            {
                if (ReferenceEquals(instrument.Meter, _meter) && instrument.Name == "portmap.refusals")
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            };
            _listener.SetMeasurementEventCallback<long>((_, count, tags, _) =>
            {
                lock (_refusals)
                {
                    _refusals.AddRange(Enumerable.Repeat($"{tags[0].Value}", (int)count));
                }
            });
            _listener.Start();
            return _meter;
        }

        public void Dispose() => _listener.Dispose();

        public async ValueTask DisposeAsync()
        {
            Store?.Heal();
            await Registry.DisposeAsync().AsTask().Within();
            _other.Dispose();
            _meter?.Dispose();
            Dispose();
        }
    }
}
