using Portmap.Tests.Support;

namespace Portmap.Tests.Operations;

/// <summary>What a registry says of itself while it lasts: a store that fails, passes that do not
/// come round.</summary>
public class FindingsOfNowTests
{
    [Fact]
    public async Task Diagnose_BackgroundStoreFails_SaysSoUntilItWorksAgain()
    {
        Store store = new();
        FakeTimeProvider clock = new(DateTimeOffset.UnixEpoch.AddYears(56));
        await using PortRegistry registry = await PortRegistry.OpenAsync(
            new PortRegistryOptions { Ports = Scene.TenPorts, Probe = false, Durability = PortDurability.Background }, store, null, clock).Within();
        store.Failure = new IOException("The disk is full.");

        registry.TryAcquire("b1", out _, out _).Should().BeTrue("nobody waits for the disk");
        await registry.FlushAsync().Within();

        PortFinding failing = registry.Diagnose().Should().ContainSingle(finding => finding.Kind == PortFindingKind.StoreFailing).Which;
        failing.Value.Should().Contain("1 facts").And.Contain("The disk is full.");
        failing.Expected.Should().Be("changes are on their way to the disk within 00:00:00.1000000", "how long a disk takes is not bounded");
        store.Failure = null;
        await registry.FlushAsync().Within();
        registry.Diagnose().Should().NotContain(finding => finding.Kind == PortFindingKind.StoreFailing);
    }

    [Fact]
    public async Task Diagnose_PassesDoNotComeRound_SaysSinceWhen()
    {
        StoppedTimers clock = new();
        await using PortRegistry registry = new(new PortRegistryOptions { Ports = Scene.TenPorts, Probe = false, LivenessInterval = TimeSpan.FromSeconds(1) }, timeProvider: clock);

        clock.Advance(TimeSpan.FromSeconds(14));
        registry.Diagnose().Should().NotContain(finding => finding.Kind == PortFindingKind.PassOverdue, "a busy host is late");
        clock.Advance(TimeSpan.FromSeconds(2));
        registry.Diagnose().Should().ContainSingle(finding => finding.Kind == PortFindingKind.PassOverdue).Which.Value.Should().Be("the last pass ended 16 s ago");

        registry.Maintain();

        registry.Diagnose().Should().NotContain(finding => finding.Kind == PortFindingKind.PassOverdue);
    }

    /// <summary>A clock that is moved by hand, whose timers never fire.</summary>
    private sealed class StoppedTimers : TimeProvider
    {
        private long _ticks = DateTimeOffset.UnixEpoch.AddYears(56).UtcTicks;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override DateTimeOffset GetUtcNow() => new(Interlocked.Read(ref _ticks), TimeSpan.Zero);

        public override long GetTimestamp() => Interlocked.Read(ref _ticks);

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) => new Timer();

        public void Advance(TimeSpan time) => Interlocked.Add(ref _ticks, time.Ticks);

        private sealed class Timer : ITimer
        {
            public bool Change(TimeSpan dueTime, TimeSpan period) => true;

            public void Dispose()
            {
            }

            public ValueTask DisposeAsync() => ValueTask.CompletedTask;
        }
    }

    private sealed class Store : IPortStore
    {
        private readonly FakePortStore _inner = new();

        public Exception? Failure { get; set; }

        public ValueTask LoadAsync(Action<PortFact> onFact, Action<string> onUnreadable, CancellationToken cancellationToken) =>
            _inner.LoadAsync(onFact, onUnreadable, cancellationToken);

        public ValueTask AppendAsync(IReadOnlyList<PortFact> batch, CancellationToken cancellationToken) =>
            Failure is { } failure ? ValueTask.FromException(failure) : _inner.AppendAsync(batch, cancellationToken);

        public ValueTask DisposeAsync() => _inner.DisposeAsync();
    }
}
