using System.Diagnostics;
using Portmap.Diagnostics;
using Portmap.Tests.Support;

namespace Portmap.Tests.Diagnostics;

/// <summary>A lease as one trace, as a listener of the source sees it.</summary>
/// <remarks>Not beside others: the source is the process's, and whoever listens changes what leases
/// cost.</remarks>
[CollectionDefinition(nameof(LeaseTraceTests), DisableParallelization = true)]
[Collection(nameof(LeaseTraceTests))]
public sealed class LeaseTraceTests
{
    [Fact]
    public async Task Lease_UntilItIsBound_IsOneTraceOfItsCaller()
    {
        using Spans spans = new();
        await using Scene scene = new();
        using Activity caller = new Activity("supervisor").Start();

        PortLease lease = scene.Acquire("traced");
        Activity.Current.Should().BeSameAs(caller, "the caller goes on in its own span");
        ProcessStartInfo start = new("worker");
        lease.PrepareStart(start);
        scene.Here.Register("traced", lease.Port, lease.Epoch);

        Activity root = spans.Of("portmap.lease");
        spans.Names.Should().Equal("portmap.acquire", "portmap.start", "portmap.bind", "portmap.lease");
        spans.All.Should().OnlyContain(span => span.TraceId == caller.TraceId);
        root.ParentSpanId.Should().Be(caller.SpanId);
        spans.All.Where(span => span != root).Should().OnlyContain(span => span.ParentSpanId == root.SpanId);
        root.Status.Should().Be(ActivityStatusCode.Ok);
        root.GetTagItem("portmap.port").Should().Be(lease.Port);
        root.GetTagItem("portmap.epoch").Should().Be(lease.Epoch);
        root.GetTagItem("portmap.strategy").Should().Be(lease.Strategy);
        root.GetTagItem("portmap.process").Should().Be(Environment.ProcessId);
        start.Environment["TRACEPARENT"].Should().Be(spans.Of("portmap.bind").Id, "the worker's part of it is the worker's");
    }

    [Fact]
    public async Task Lease_ThatIsReleased_EndsAsAnErrorWithItsReason()
    {
        using Spans spans = new();
        await using Scene scene = new();

        scene.Acquire("traced").TryRelease(out _).Should().BeTrue();

        spans.Names.Should().Equal("portmap.acquire", "portmap.start", "portmap.lease");
        spans.Of("portmap.lease").Should().BeEquivalentTo(new { Status = ActivityStatusCode.Error, StatusDescription = "Released" });
    }

    [Fact]
    public async Task Lease_WhosePortCouldNotBeBound_TellsThatPortAndHasTheOther()
    {
        using Spans spans = new();
        await using Scene scene = new();
        PortLease lease = scene.Acquire("traced");
        int failed = lease.Port;

        await lease.ReportBindFailureAsync().Within();
        lease.TryRelease(out _).Should().BeTrue();

        Activity root = spans.Of("portmap.lease");
        root.Events.Should().ContainSingle(it => it.Name == "portmap.healed").Which.Tags.Should().ContainSingle(tag => tag.Key == "portmap.port.failed" && Equals(tag.Value, failed));
        root.GetTagItem("portmap.port").Should().Be(lease.Port).And.NotBe(failed);
    }

    [Fact]
    public async Task Lease_ThatIsRefused_EndsAsAnErrorWithItsReason()
    {
        using Spans spans = new();
        await using Scene scene = new();
        scene.Acquire("traced");

        scene.AcquireRefused("traced");

        spans.Names.Should().Equal("portmap.acquire", "portmap.acquire", "portmap.lease");
        spans.Of("portmap.lease").StatusDescription.Should().Be(nameof(PortRefusalReason.AlreadyReserved));
    }

    [Theory]
    [InlineData("at once")]
    [InlineData("async")]
    [InlineData("over a session")]
    public async Task Leases_OfAnAskThatIsRefused_AllEndAsErrorsWithItsReason(string way)
    {
        using Spans spans = new();
        await using Scene scene = new();
        scene.Acquire("held");

        PortRefusal refusal = await RefusedAsync(scene, way, "b1", "held");

        refusal.Reason.Should().Be(PortRefusalReason.AlreadyReserved);
        (spans.Began - spans.All.Count()).Should().Be(2, "the lease that is held waits for its start");
        spans.All.Where(span => span.OperationName == "portmap.lease").Should().HaveCount(2).And.OnlyContain(span => span.StatusDescription == nameof(PortRefusalReason.AlreadyReserved));
    }

    [Theory]
    [InlineData("at once")]
    [InlineData("async")]
    [InlineData("over a session")]
    public async Task Leases_OfAnAskWithAMalformedRequest_LeaveNoSpanOpen(string way)
    {
        using Spans spans = new();
        await using Scene scene = new();

        PortRefusal refusal = await RefusedAsync(scene, way, "b1", "b2", string.Empty);

        refusal.Reason.Should().Be(PortRefusalReason.InvalidOwner);
        spans.Began.Should().Be(spans.All.Count(), "every span that began has ended");
    }

    [Fact]
    public async Task Leases_OfAnAskWhoseStoreFails_EndAsErrorsWithItsReason()
    {
        using Spans spans = new();
        await using PortTestWorld world = await PortTestWorld.OpenAsync();
        world.Store!.Fail();

        await FluentActions.Awaiting(() => world.Registry.AcquireAllAsync(["b1", "b2"]).AsTask().Within()).Should().ThrowAsync<PortRefusedException>();

        spans.Began.Should().Be(spans.All.Count(), "every span that began has ended");
        spans.All.Where(span => span.OperationName == "portmap.lease").Should().HaveCount(2)
            .And.OnlyContain(span => span.StatusDescription == nameof(PortRefusalReason.StoreFailed));
    }

    [Theory]
    [InlineData("async")]
    [InlineData("over a session")]
    public async Task Lease_OfARegistryThatIsDisposed_LeavesNoSpanOpen(string way)
    {
        using Spans spans = new();
        await using PortTestWorld world = await PortTestWorld.OpenAsync();
        PortSession session = world.StartProcess().Connect(world.Registry);
        await world.Registry.DisposeAsync();

        Func<Task> ask = way == "async" ? () => world.Registry.AcquireAsync("b1").AsTask() : () => session.AcquireAsync("b1").AsTask();
        await FluentActions.Awaiting(() => ask().Within()).Should().ThrowAsync<ObjectDisposedException>();

        spans.Began.Should().Be(spans.All.Count(), "every span that began has ended");
    }

    /// <summary>Its clock disposes the registry, at each look in turn.</summary>
    [Theory]
    [InlineData("at once")]
    [InlineData("async")]
    [InlineData("anew, for a port that could not be bound")]
    [InlineData("several at once")]
    [InlineData("several, async")]
    public async Task Lease_WhoseRegistryIsDisposedMeanwhile_LeavesNoSpanOpen(string way)
    {
        int thrown = 0;
        bool isReached = true;
        for (int look = 1; isReached; look++)
        {
            using Spans spans = new();
            EndingClock clock = new();
            PortRegistryOptions options = new() { Ports = "20000-20009", Probe = false };
            await using PortRegistry registry = way.EndsWith("at once", StringComparison.Ordinal)
                ? new PortRegistry(options, logger: null, clock)
                : await PortRegistry.OpenAsync(options, new FakePortStore(), logger: null, clock).Within();
            PortSession session = registry.OpenSession(Environment.ProcessId);
            clock.EndAt(look, registry.Dispose);
            Task asking = way switch
            {
                "at once" => Asked(() => registry.TryAcquire("b1", out _, out _)),
                "async" => registry.AcquireAsync("b1").AsTask(),
                "several at once" => Asked(() => registry.TryAcquireAll(["b1", "b2"], contiguous: false, out _, out _)),
                "several, async" => registry.AcquireAllAsync(["b1", "b2"]).AsTask(),
                _ => session.ReportBindFailureAsync(new PortClaimRequest("b1", 20_000)).AsTask(),
            };
            isReached = clock.HasEnded;
            await Task.WhenAny(asking).Within();
            await registry.DisposeAsync();

            spans.Began.Should().Be(spans.All.Count(), "look {0}: every span that began has ended", look);
            if (asking.IsFaulted && spans.Began != 0)
            {
                asking.Exception.InnerException.Should().BeOfType<ObjectDisposedException>();
                spans.All.Where(span => span.OperationName == "portmap.lease").Should().OnlyContain(span => span.StatusDescription == nameof(ObjectDisposedException));
                thrown++;
            }
        }

        thrown.Should().BeGreaterThan(0, "else none was begun that could not be granted");

        static Task Asked(Action ask)
        {
            try
            {
                ask();
                return Task.CompletedTask;
            }
            catch (ObjectDisposedException exception)
            {
                return Task.FromException(exception);
            }
        }
    }

    [Fact]
    public async Task Lease_WhoseListenerThrows_IsGrantedAllTheSame()
    {
        using Spans spans = new() { Throws = true };
        await using Scene scene = new();

        PortLease lease = scene.Acquire("traced");
        scene.Here.Register("traced", lease.Port, lease.Epoch);

        scene.PortOf("traced").Should().Be(lease.Port);
    }

    [Fact]
    public async Task Lease_NobodyListens_HasNoTraceAndTellsTheWorkerNothing()
    {
        await using Scene scene = new();

        PortLease lease = scene.Acquire("silent");
        ProcessStartInfo start = new("worker");
        lease.PrepareStart(start);

        lease.Trace.Should().BeNull();
        LeaseTrace.IsWanted.Should().BeFalse();
        start.Environment.Should().NotContainKey("TRACEPARENT");
    }

    private static async Task<PortRefusal> RefusedAsync(Scene scene, string way, params PortRequest[] requests)
    {
        if (way == "at once")
        {
            scene.Registry.TryAcquireAll(requests, contiguous: false, out _, out PortRefusal? refusal).Should().BeFalse();
            return refusal!;
        }

        Func<Task> ask = way == "async" ? () => scene.Registry.AcquireAllAsync(requests).AsTask().Within() : () => scene.Here.AcquireAllAsync(requests).AsTask().Within();
        return (await FluentActions.Awaiting(ask).Should().ThrowAsync<PortRefusedException>()).Which.Refusal;
    }

    /// <summary>A clock that does something the so-and-so-manieth time this thread looks at
    /// it.</summary>
    private sealed class EndingClock : FakeTimeProvider
    {
        private int _thread;
        private int _left;
        private Action? _end;

        public bool HasEnded { get; private set; }

        public void EndAt(int look, Action end) => (_thread, _left, _end) = (Environment.CurrentManagedThreadId, look, end);

        public override long GetTimestamp()
        {
            if (_end is { } end && Environment.CurrentManagedThreadId == _thread && --_left == 0)
            {
                (_end, HasEnded) = (null, true);
                end();
            }

            return base.GetTimestamp();
        }
    }

    private sealed class Spans : IDisposable
    {
        private readonly ActivityListener _listener;
        private readonly List<Activity> _stopped = [];

        public Spans()
        {
            _listener = new ActivityListener
            {
                ShouldListenTo = source => source.Name == LeaseTrace.SourceName,
                Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
                ActivityStarted = _ => Began++,
                ActivityStopped = Stopped,
            };
            ActivitySource.AddActivityListener(_listener);
        }

        public bool Throws { get; init; }

        public int Began { get; private set; }

        public IEnumerable<Activity> All => _stopped;

        public IEnumerable<string> Names => _stopped.Select(span => span.OperationName);

        public Activity Of(string name) => _stopped.Single(span => span.OperationName == name);

        public void Dispose() => _listener.Dispose();

        private void Stopped(Activity span)
        {
            if (Throws)
            {
                throw new InvalidOperationException("As asked.");
            }

            _stopped.Add(span);
        }
    }
}
