using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Portmap.Tests.Support;

namespace Portmap.Tests.Diagnostics;

/// <summary>Every instrument of the meter, read as a host reads it while things happen.</summary>
/// <remarks>All registries of the process share the meter, and other tests count as well. What a
/// verb counts, it counts on its caller's thread, so these tests stay on theirs and count nothing
/// else.</remarks>
[Collection(AloneCollection.Name)]   // it lists the instruments of all meters of that name
public sealed class PortmapMetricsTests : IDisposable
{
    private readonly MeterListener _listener = new();
    private readonly ConcurrentDictionary<string, long> _counts = new();
    private readonly List<string> _instruments = [];
    private int _thread;

    public void Dispose() => _listener.Dispose();

    [Fact]
    public void Meter_HasTheInstrumentsThatHostsReadByName()
    {
        using PortRegistry registry = Listen(new PortRegistryOptions());

        _instruments.Should().BeEquivalentTo(
            "portmap.leases.granted", "portmap.registrations", "portmap.claims.ended", "portmap.refusals", "portmap.ports.foreign",
            "portmap.store.write.duration", "portmap.pass.duration");
    }

    [Fact]
    public void Counters_InAScene_CountEachEventUnderItsOwnName()
    {
        using PortRegistry registry = Listen(new PortRegistryOptions { Ports = Scene.TenPorts, Probe = false, Strategy = PortRegistryOptions.AllocatorPicks });
        PortSession session = registry.OpenSession(Environment.ProcessId);
        Read().Should().BeEmpty();

        registry.TryAcquire("b1", out PortLease? lease, out _).Should().BeTrue();
        Read().Should().Equal("portmap.leases.granted 1");

        registry.TryAcquire("b1", out _, out _).Should().BeFalse();
        Read().Should().Equal("portmap.refusals portmap.reason=AlreadyReserved 1");

        session.TryRegister(new PortClaimRequest("b1", lease!.Port) { Epoch = lease.Epoch }, out _, out _).Should().BeTrue();
        Read().Should().Contain("portmap.registrations 1").And.NotContain(line => line.StartsWith("portmap.leases", StringComparison.Ordinal));

        session.TryRelease("b1", out _).Should().BeTrue();
        Read().Should().Equal("portmap.claims.ended portmap.cause=Released 1");

        session.TryRegister(new PortClaimRequest("b2", Scene.First + 5), out _, out _).Should().BeTrue();
        session.TryRegister(new PortClaimRequest("b2", Scene.First + 6), out _, out _).Should().BeTrue();
        Read().Should().Equal("portmap.claims.ended portmap.cause=Replaced 1", "portmap.registrations 2");

        session.TryRegister("b3", out _, out _).Should().BeFalse();
        Read().Should().Equal("portmap.refusals portmap.reason=InvalidPort 1");
    }

    [Fact]
    public void Counters_WhenAStrangerIsFound_CountThePort()
    {
        int port = PortBlock.TakeOne();
        using Stranger stranger = Stranger.Listening(port);
        using PortRegistry registry = Listen(new PortRegistryOptions { Ports = new PortRange(port, port).ToString(), Strategy = PortRegistryOptions.AllocatorPicks });

        registry.TryAcquire("b1", out _, out _).Should().BeFalse();

        Read().Should().Equal("portmap.ports.foreign 1", "portmap.refusals portmap.reason=Exhausted 1");
    }

    [Fact]
    public async Task Factory_OfTheHost_MakesTheMeterAndItsGauges()
    {
        using Factory factory = new();
        FakeTimeProvider clock = new(DateTimeOffset.UnixEpoch.AddYears(56));
        List<string> read = [];
        using MeterListener listener = new();
        listener.InstrumentPublished = (instrument, it) =>
        {
            if (ReferenceEquals(instrument.Meter, factory.Meter))
            {
                it.EnableMeasurementEvents(instrument);
            }
        };
        listener.SetMeasurementEventCallback<long>((instrument, value, _, _) => Add($"{instrument.Name} {value}"));
        listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Add($"{instrument.Name} {tags[0].Key}={tags[0].Value}"));
        listener.Start();
        PortRegistryOptions options = new() { Ports = Scene.TenPorts, Probe = false, LivenessInterval = TimeSpan.FromSeconds(1), MeterFactory = factory };
        await using PortRegistry registry = await PortRegistry.OpenAsync(options, new FakePortStore(), null, clock).Within();
        PortSession session = registry.OpenSession(Environment.ProcessId);
        await registry.AcquireAsync("b1").Within();
        await registry.AcquireAsync("b2").Within();
        await session.RegisterAsync(new PortClaimRequest("b3", Scene.First + 5)).Within();
        clock.Advance(TimeSpan.FromSeconds(1));

        listener.RecordObservableInstruments();

        read.Should().Contain("portmap.leases.open 2").And.Contain("portmap.sessions 1").And.Contain("portmap.store.queue 0")
            .And.Contain("portmap.leases.granted 1").And.Contain("portmap.store.write.duration portmap.outcome=Written").And.Contain("portmap.pass.duration portmap.pass=Liveness");
        await registry.DisposeAsync();
        lock (read)
        {
            read.Clear();
        }

        listener.RecordObservableInstruments();
        read.Should().BeEmpty("a registry that is over says nothing");

        void Add(string line)
        {
            lock (read)
            {
                read.Add(line);
            }
        }
    }

    [Fact]
    public async Task Gauges_FactsThatWaitAndAProcessOfSeveralOwners_AreCounted()
    {
        using Factory factory = new();
        ConcurrentDictionary<string, long> read = new();
        using MeterListener listener = new();
        listener.InstrumentPublished = (instrument, it) =>
        {
            if (ReferenceEquals(instrument.Meter, factory.Meter))
            {
                it.EnableMeasurementEvents(instrument);
            }
        };
        listener.SetMeasurementEventCallback<long>((instrument, value, _, _) => read[instrument.Name] = value);
        listener.Start();
        FakePortStore store = new();
        await using PortRegistry registry = await PortRegistry.OpenAsync(new PortRegistryOptions { Ports = Scene.TenPorts, Probe = false, MeterFactory = factory }, store, null, new FakeTimeProvider()).Within();
        PortSession session = registry.OpenSession(Environment.ProcessId);
        await session.RegisterAsync(new PortClaimRequest("b1", Scene.First)).Within();
        await session.RegisterAsync(new PortClaimRequest("b1/admin", Scene.First)).Within();
        PortSession gone = registry.OpenSession(null);
        await gone.RegisterAsync(new PortClaimRequest("b0", Scene.First + 9)).Within();
        await gone.DisposeAsync();   // its port is kept for its owner, and nobody is sent there
        store.Hold();
        Task first = registry.AcquireAsync("b2").AsTask();
        await store.ArrivedAsync().Within();
        Task second = registry.AcquireAsync("b3").AsTask();   // behind the one under way

        listener.RecordObservableInstruments();

        store.Release();   // before what may fail: the end of the registry waits for the store
        read["portmap.store.queue"].Should().Be(1);
        read["portmap.sessions"].Should().Be(1, "it is one process, and one that serves nothing");
        await Task.WhenAll(first, second).Within();
        listener.RecordObservableInstruments();
        read["portmap.leases.open"].Should().Be(2);
        read["portmap.store.queue"].Should().Be(0);
    }

    [Fact]
    public async Task Write_StoreFailsAndWorksAgain_IsTimedUnderWhatCameOfIt()
    {
        using Factory factory = new();
        ConcurrentQueue<string> outcomes = [];
        using MeterListener listener = new();
        listener.InstrumentPublished = (instrument, it) =>
        {
            if (ReferenceEquals(instrument.Meter, factory.Meter) && instrument.Name == "portmap.store.write.duration")
            {
                it.EnableMeasurementEvents(instrument);
            }
        };
        listener.SetMeasurementEventCallback<double>((_, _, tags, _) => outcomes.Enqueue($"{tags[0].Key}={tags[0].Value}"));
        listener.Start();
        FakePortStore store = new();
        await using PortRegistry registry = await PortRegistry.OpenAsync(new PortRegistryOptions { Ports = Scene.TenPorts, Probe = false, MeterFactory = factory }, store, null, new FakeTimeProvider()).Within();
        await registry.AcquireAsync("b1").Within();
        outcomes.Should().OnlyContain(outcome => outcome == "portmap.outcome=Written").And.NotBeEmpty();
        outcomes.Clear();

        store.Fail();
        (await registry.AcquireAsync("b2").RefusalAsync()).Reason.Should().Be(PortRefusalReason.StoreFailed);

        outcomes.Should().Contain("portmap.outcome=Failed").And.NotContain("portmap.outcome=Written");
        store.Heal();
    }

    [Fact]
    public async Task Durations_ByTheClockOfTheTests_AreSecondsUnderTheirOwnNames()
    {
        using Factory factory = new();
        ConcurrentQueue<(string Name, double Value)> read = [];
        using MeterListener listener = new();
        listener.InstrumentPublished = (instrument, it) =>
        {
            if (ReferenceEquals(instrument.Meter, factory.Meter))
            {
                it.EnableMeasurementEvents(instrument);
            }
        };
        listener.SetMeasurementEventCallback<double>((_, value, tags, _) => read.Enqueue(((string)tags[0].Value!, value)));
        listener.Start();
        FakePortStore store = new();
        SlowClock clock = new();
        TimeSpan never = TimeSpan.FromHours(1);
        PortRegistryOptions options = new() { Ports = PortBlock.Take(1).ToString(), LeaseTimeout = 24 * never, LivenessInterval = never, ReconcileInterval = never, MeterFactory = factory };
        await using PortRegistry registry = await PortRegistry.OpenAsync(options, store, null, clock).Within();
        await registry.FlushAsync().Within();
        read.Clear();

        store.Hold();
        Task acquiring = registry.AcquireAsync("b1").AsTask();
        await store.ArrivedAsync().Within();
        clock.Advance(TimeSpan.FromSeconds(2));
        store.Release();
        await acquiring.Within();
        read.Should().Equal(("Written", 2.0));

        read.Clear();
        clock.TakesPerLook = TimeSpan.FromSeconds(3);
        registry.Maintain();
        registry.Reconcile();
        clock.TakesPerLook = TimeSpan.Zero;

        read.Select(one => one.Name).Should().Equal("Liveness", "Reconcile");
        read.Should().OnlyContain(one => one.Value >= 3 && one.Value <= 300 && one.Value % 3 == 0);
    }

    /// <summary>Time passes with each look at it, where the test says so.</summary>
    private sealed class SlowClock : FakeTimeProvider
    {
        private long _ahead;

        public TimeSpan TakesPerLook { get; set; }

        public override long GetTimestamp() => base.GetTimestamp() + Interlocked.Add(ref _ahead, TakesPerLook.Ticks);
    }

    private sealed class Factory : IMeterFactory
    {
        public Meter? Meter { get; private set; }

        public Meter Create(MeterOptions options) => Meter ??= new Meter(options);

        public void Dispose() => Meter?.Dispose();
    }

    private PortRegistry Listen(PortRegistryOptions options)
    {
        _thread = Environment.CurrentManagedThreadId;
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter.Name == "Portmap")
            {
                _instruments.Add(instrument.Name);
                listener.EnableMeasurementEvents(instrument);
            }
        };
        _listener.SetMeasurementEventCallback<long>((instrument, count, tags, _) =>
        {
            if (Environment.CurrentManagedThreadId == _thread)
            {
                string name = tags.Length == 0 ? instrument.Name : $"{instrument.Name} {tags[0].Key}={tags[0].Value}";
                _counts.AddOrUpdate(name, count, (_, sum) => sum + count);
            }
        });
        _listener.Start();
        return new PortRegistry(options, timeProvider: new FakeTimeProvider(DateTimeOffset.UnixEpoch.AddYears(56)));
    }

    /// <summary>What was counted since the last look.</summary>
    private string[] Read()
    {
        string[] counted = [.. _counts.OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => FormattableString.Invariant($"{pair.Key} {pair.Value}"))];
        _counts.Clear();
        return counted;
    }
}
