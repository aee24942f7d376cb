using Portmap.Tests.Support;

namespace Portmap.Tests;

/// <summary>Who may still report a bind failure, how often, and what is said to who comes
/// second.</summary>
public class PortBindFailureRightsTests
{
    [Fact]
    public async Task ReportBindFailureAsync_LeaseWasReleased_IsStaleAndRevivesNothing()
    {
        await using Scene scene = new();
        PortLease lease = scene.Acquire("b1");
        (int port, long epoch) = (lease.Port, lease.Epoch);
        lease.TryRelease(out _).Should().BeTrue();

        (await scene.Here.ReportBindFailureAsync(new PortClaimRequest("b1", port) { Epoch = epoch }).RefusalAsync()).ShouldExplain(PortRefusalReason.Stale, "b1");

        scene.Registry.TryGetEntry("b1", out _).Should().BeFalse("the host gave it back");
    }

    [Fact]
    public async Task ReportBindFailureAsync_AttemptsWereExhausted_BeginsNoNewCount()
    {
        await using Scene scene = new(configure: options => options.BindAttempts = 2);
        PortLease lease = scene.Acquire("b1");
        PortLease healed = await scene.Here.ReportBindFailureAsync(new PortClaimRequest("b1", lease.Port) { Epoch = lease.Epoch }).Within();
        (int port, long epoch) = (healed.Port, healed.Epoch);
        (await scene.Here.ReportBindFailureAsync(new PortClaimRequest("b1", port) { Epoch = epoch }).RefusalAsync()).ShouldExplain(PortRefusalReason.AttemptsExhausted, port);

        (await scene.Here.ReportBindFailureAsync(new PortClaimRequest("b1", port) { Epoch = epoch }).RefusalAsync()).ShouldExplain(PortRefusalReason.Stale, "b1");

        scene.Registry.TryGetEntry("b1", out _).Should().BeFalse();
    }

    [Fact]
    public async Task ReportBindFailureAsync_HostOfAProcessThatBinds_IsCountedToo()
    {
        await using Scene scene = new(configure: options =>
        {
            options.BindAttempts = 2;
            options.Strategy = PortRegistryOptions.ProcessBinds;
        });
        PortLease lease = scene.Acquire("b1");

        await lease.ReportBindFailureAsync().Within();

        (await lease.ReportBindFailureAsync().RefusalAsync()).ShouldExplain(PortRefusalReason.AttemptsExhausted, "b1");
    }

    [Fact]
    public async Task ReportBindFailureAsync_WorkerReportsTheSameMeanwhile_BothSeeOneNewPort()
    {
        Interrupted strategy = new();
        await using Scene scene = new(configure: options => options.AddStrategy(strategy).Strategy = strategy.Name);
        PortLease lease = scene.Acquire("b1");
        (int port, long epoch) = (lease.Port, lease.Epoch);
        Task<PortLease>? worker = null;
        strategy.OnPick = () => worker = scene.Here.ReportBindFailureAsync(new PortClaimRequest("b1", port) { Epoch = epoch }).AsTask();

        await lease.ReportBindFailureAsync().Within();

        PortLease healed = await worker!.Within();
        scene.Registry.TryGetEntry("b1", out PortEntry entry).Should().BeTrue();
        entry.State.Should().Be(PortState.Reserved);
        (lease.Port, lease.Epoch).Should().Be((entry.Port, entry.Epoch!.Value), "the lease says what the registry says");
        (healed.Port, healed.Epoch).Should().Be((entry.Port, entry.Epoch!.Value));
        scene.Here.Register("b1", lease.Port, lease.Epoch);
        (await lease.WhenBound.Within()).Port.Should().Be(lease.Port);
        lease.TryRelease(out _).Should().BeTrue();
        scene.Registry.TryGetEntry("b1", out _).Should().BeFalse();
    }

    [Fact]
    public async Task ReportBindFailureAsync_OtherHalfIsRegistered_IsLeaseEndedAndServesTheHalf()
    {
        await using Scene scene = new();
        PortLease lease = scene.Acquire(new PortRequest("b1") { Protocol = PortProtocol.TcpAndUdp });
        (int port, long epoch) = (lease.Port, lease.Epoch);
        scene.Here.Register("b1", port, epoch, PortProtocol.Udp);

        (await lease.ReportBindFailureAsync().RefusalAsync()).ShouldExplain(PortRefusalReason.LeaseEnded, "b1");

        scene.PortOf("b1", PortProtocol.Udp).Should().Be(port);
    }

    [Fact]
    public async Task ReportBindFailureAsync_WorkerWhoseOtherHalfIsRegistered_IsLeaseEndedAndServesTheHalf()
    {
        await using Scene scene = new();
        PortLease lease = scene.Acquire(new PortRequest("b1") { Protocol = PortProtocol.TcpAndUdp });
        (int port, long epoch) = (lease.Port, lease.Epoch);
        scene.Here.Register("b1", port, epoch);

        (await scene.Here.ReportBindFailureAsync(new PortClaimRequest("b1", port) { Epoch = epoch, Protocol = PortProtocol.Udp }).RefusalAsync()).ShouldExplain(PortRefusalReason.LeaseEnded, "b1");

        scene.PortOf("b1").Should().Be(port);
    }

    [Fact]
    public async Task ForeignRecheck_PortFailedOnBoth_ComesBackOnBoth()
    {
        await using Scene scene = new("20000-20003", options => options.ReuseDelay = TimeSpan.Zero);
        PortLease lease = scene.Acquire(new PortRequest("b1") { Protocol = PortProtocol.TcpAndUdp });
        await lease.ReportBindFailureAsync().Within();
        lease.TryRelease(out _).Should().BeTrue();

        scene.Clock.Advance(TimeSpan.FromSeconds(31));

        foreach (PortProtocol protocol in (PortProtocol[])[PortProtocol.Udp, PortProtocol.Tcp])
        {
            Enumerable.Range(0, 4).Select(i => scene.Acquire(new PortRequest($"{protocol}{i}") { Protocol = protocol }).Port)
                .Should().BeEquivalentTo([20000, 20001, 20002, 20003]);
        }
    }

    [Fact]
    public async Task ForeignRecheck_NobodyAcquiresMeanwhile_FreesThePort()
    {
        await using Scene scene = new("20000-20001");
        PortLease lease = scene.Acquire("b1");
        int lost = lease.Port;
        await lease.ReportBindFailureAsync().Within();
        scene.StateOf(lost).Should().Be(PortState.Foreign);

        scene.Clock.Advance(TimeSpan.FromSeconds(45));

        scene.StateOf(lost).Should().Be(PortState.Free);
        lease.TryRelease(out _).Should().BeTrue();
        scene.Acquire("b2").Port.Should().Be(lost, "the other one cools");
    }

    /// <summary>Takes any free port; whoever searches is interrupted once.</summary>
    private sealed class Interrupted : IPortAllocationStrategy
    {
        public string Name => "Interrupted";

        public Action? OnPick { get; set; }

        public int Pick(PortSearch search)
        {
            Action? interrupt = OnPick;
            OnPick = null;
            interrupt?.Invoke();
            return search.FindFree(1);
        }
    }
}
