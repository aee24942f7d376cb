using System.Diagnostics.Metrics;
using Microsoft.Extensions.Time.Testing;
using Portmap.Rpc.Diagnostics;

namespace Portmap.Rpc.Tests.Diagnostics;

/// <summary>Calls by procedure and outcome, as a listener is told of them.</summary>
public sealed class RpcMetricsTests
{
    [Fact]
    public async Task Calls_EachOutcome_IsToldWithItsProcedure()
    {
        using Meters meters = new();
        await using Harness harness = new(new PortmapServerOptions { MeterFactory = meters, Programs = { new Throwing() } });
        await using Stream stream = harness.Open();

        await stream.ExchangeAsync(Wire.Call(1, Wire.Portmap, 0));
        await stream.ExchangeAsync(Wire.Call(2, Wire.Gluster, 1, Wire.Text("b1")));
        await stream.ExchangeAsync(Wire.Call(3, Wire.Gluster, 4, [.. Wire.Text("b1"), .. Wire.Words(0)]));
        await stream.ExchangeAsync(Wire.Call(4, Wire.GfDump, 77));
        await stream.ExchangeAsync(Wire.Call(5, Wire.GfDump, 1));
        await stream.ExchangeAsync(Wire.Call(6, Throwing.Program, 3));
        await stream.ExchangeAsync(Wire.Call(7, Wire.Portmap, 7, Wire.Words(0, 0, 1)));
        await stream.ExchangeAsync(Wire.Call(8, Wire.Portmap, 0));   // a wait may be answered before it is told

        meters.Told.Should().Equal(
            "Portmap PORTMAP_NULL Answered",
            "Gluster Portmap PORTBYBRICK Answered",
            "Gluster Portmap SIGNIN Refused",
            "GF-DUMP Unknown Unavailable",
            "GF-DUMP DUMP Garbage",
            "throwing 3 Failed",
            "Portmap PORTMAP_WAIT_FOR_CHANGE Waits",
            "Portmap PORTMAP_NULL Answered");
    }

    [Fact]
    public async Task Calls_ThatAreRefusedByTheirOwnWords_AreToldAsRefused()
    {
        using Meters meters = new();
        await using Harness harness = new(new PortmapServerOptions { MeterFactory = meters });
        await using PortmapClient client = harness.OpenClient();
        await using Stream stream = harness.Open();

        Func<Task> acquire = () => client.AcquireAllAsync([new PortRequest("b1") { Strategy = "none" }]).Within();
        await acquire.Should().ThrowAsync<PortRefusedException>();
        await stream.ExchangeAsync(Wire.Call(1, Wire.Gluster, 5, [.. Wire.Text("b1"), .. Wire.Words(0, 0)]));
        await stream.ExchangeAsync(Wire.Call(2, Wire.Gluster, 5, [.. Wire.Text("b1"), .. Wire.Words(49200, 65536)]));
        await stream.ExchangeAsync(Wire.Call(3, Wire.Gluster, 1, Wire.Text("")));
        await stream.ExchangeAsync(Wire.Call(4, Wire.Gluster, 2, Wire.Words(0)));

        meters.Told.Should().Equal(
            "Portmap PORTMAP_ACQUIRE_ALL Refused",
            "Gluster Portmap SIGNOUT Refused",
            "Gluster Portmap SIGNOUT Refused",
            "Gluster Portmap PORTBYBRICK Refused",
            "Gluster Portmap BRICKBYPORT Refused");
        harness.Logs.Lines.Where(line => line.Id.Name == "Refused").Should().HaveCount(3, "who only looks up is not told of");
    }

    [Fact]
    public async Task Calls_OfProceduresThatAPeerMadeUp_HaveOneTag()
    {
        using Meters meters = new();
        await using Harness harness = new(new PortmapServerOptions { MeterFactory = meters, Programs = { new Throwing() } });
        await using Stream stream = harness.Open();

        await stream.ExchangeAsync(Wire.Call(1, Throwing.Program, 255));
        await stream.ExchangeAsync(Wire.Call(2, Throwing.Program, 256));
        await stream.ExchangeAsync(Wire.Call(3, Throwing.Program, uint.MaxValue));

        meters.Told.Should().Equal("throwing 255 Failed", "throwing Unknown Failed", "throwing Unknown Failed");
    }

    [Fact]
    public async Task Call_ThatTakesThreeSeconds_IsTimedInSeconds()
    {
        FakeTimeProvider clock = new();
        using Meters meters = new();
        await using Harness harness = new(new PortmapServerOptions { MeterFactory = meters, Programs = { new Slow(clock) } }, timeProvider: clock);
        await using Stream stream = harness.Open();

        await stream.ExchangeAsync(Wire.Call(1, Slow.Program, 1));

        meters.Durations.Should().Equal(3.0);
    }

    [Fact]
    public async Task Listener_Throws_TheCallIsAnsweredAllTheSame()
    {
        using Meters meters = new() { Throws = true };
        await using Harness harness = new(new PortmapServerOptions { MeterFactory = meters });
        await using Stream stream = harness.Open();

        (await stream.ExchangeAsync(Wire.Call(1, Wire.Portmap, 0))).Should().Equal(Wire.Success(1));
    }

    [Fact]
    public void Begin_NobodyListens_ReadsNoClock()
    {
        using RpcMetrics metrics = new(meters: null, TimeProvider.System);

        metrics.Begin().Should().BeNull();
    }

    private sealed class Throwing : IRpcProgram
    {
        public const uint Program = 400_000_001;

        public uint Number => Program;

        public uint Version => 1;

        public string Name => "throwing";

        public ValueTask<bool> InvokeAsync(RpcCall request, CancellationToken cancellationToken) => throw new InvalidOperationException("As asked.");
    }

    private sealed class Slow(FakeTimeProvider clock) : IRpcProgram
    {
        public const uint Program = 400_000_002;

        public uint Number => Program;

        public uint Version => 1;

        public string Name => "slow";

        public ValueTask<bool> InvokeAsync(RpcCall request, CancellationToken cancellationToken)
        {
            clock.Advance(TimeSpan.FromSeconds(3));
            return new(true);
        }
    }

    /// <summary>A factory of a meter with a listener of its own.</summary>
    private sealed class Meters : IMeterFactory
    {
        private readonly MeterListener _listener = new();
        private Meter? _meter;

        public bool Throws { get; init; }

        public List<string> Told { get; } = [];

        public List<double> Durations { get; } = [];

        public Meter Create(MeterOptions options)
        {
            _meter = new Meter(options);
            _listener.InstrumentPublished = (instrument, listener) =>
            {
                if (ReferenceEquals(instrument.Meter, _meter))
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            };
            _listener.SetMeasurementEventCallback<double>((_, value, tags, _) =>
            {
                if (Throws)
                {
                    throw new InvalidOperationException("As asked.");
                }

                Durations.Add(value);
                Told.Add(string.Join(' ', tags.ToArray().Select(tag => tag.Value)));
            });
            _listener.Start();
            return _meter;
        }

        public void Dispose()
        {
            _listener.Dispose();
            _meter?.Dispose();
        }
    }
}
