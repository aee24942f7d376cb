using Portmap.Tests.Persistence;
using Portmap.Tests.Support;

namespace Portmap.Tests;

/// <summary>How long a lease waits: its own time (<see cref="PortRequest.LeaseTimeout"/>), more of
/// it (<see cref="PortLease.ExtendAsync"/>), and who is told of the end
/// (<see cref="PortLease.Ended"/>).</summary>
public class PortLeaseTimeTests
{
    private static readonly TimeSpan s_pass = TimeSpan.FromSeconds(1);

    public static TheoryData<TimeSpan> OutOfBounds { get; } = new()
    {
        TimeSpan.FromMilliseconds(99), TimeSpan.Zero, TimeSpan.FromSeconds(-1), Timeout.InfiniteTimeSpan, TimeSpan.FromHours(24) + TimeSpan.FromMilliseconds(1), TimeSpan.MaxValue,
    };

    [Theory]
    [InlineData(5)]
    [InlineData(600)]
    public async Task LeaseTimeout_OfTheRequest_HoldsInPlaceOfTheOption(int seconds)
    {
        await using Scene scene = new();
        var time = TimeSpan.FromSeconds(seconds);
        PortLease lease = scene.Acquire(new PortRequest("b1") { LeaseTimeout = time });
        lease.ExpiresAt.Should().Be(scene.Clock.GetUtcNow() + time);

        scene.Clock.Advance(time - s_pass);
        scene.StateOf(lease.Port).Should().Be(PortState.Reserved);
        scene.AcquireRefused("b1").ShouldExplain(PortRefusalReason.AlreadyReserved, FormattableString.Invariant($"{lease.ExpiresAt:u}"));

        scene.Clock.Advance(2 * s_pass);
        (await lease.WhenBound.RefusalAsync()).Reason.Should().Be(PortRefusalReason.LeaseEnded);
        scene.StateOf(lease.Port).Should().Be(PortState.Cooling);
        scene.Log.Of("Expired").Should().ContainSingle().Which.Should().Contain(FormattableString.Invariant($"{time}"));
    }

    [Fact]
    public async Task LeaseTimeout_AtItsBounds_IsTaken()
    {
        await using Scene scene = new();

        foreach (TimeSpan time in (TimeSpan[])[TimeSpan.FromMilliseconds(100), TimeSpan.FromHours(24)])
        {
            scene.Acquire(new PortRequest($"b{time}") { LeaseTimeout = time }).ExpiresAt.Should().Be(scene.Clock.GetUtcNow() + time);
        }
    }

    [Theory]
    [MemberData(nameof(OutOfBounds))]
    public async Task LeaseTimeout_OutOfItsBounds_IsRefusedWithThem(TimeSpan time)
    {
        await using Scene scene = new();
        scene.AcquireRefused(new PortRequest("b1") { LeaseTimeout = time })
            .ShouldExplain(PortRefusalReason.InvalidTime, "b1", time, "00:00:00.1", "1.00:00:00");
        PortLease lease = scene.Acquire("b1");

        (await lease.ExtendAsync(time).RefusalAsync()).ShouldExplain(PortRefusalReason.InvalidTime, "b1", time, "00:00:00.1", "1.00:00:00");

        lease.ExpiresAt.Should().Be(scene.Clock.GetUtcNow() + TimeSpan.FromSeconds(60));
    }

    [Theory]
    [InlineData(PortProtocol.Tcp)]
    [InlineData(PortProtocol.Udp)]
    [InlineData(PortProtocol.TcpAndUdp)]
    public async Task ExtendAsync_OpenLease_LivesThatLongFromNowAndNoLonger(PortProtocol protocol)
    {
        await using Scene scene = new();
        PortLease lease = scene.Acquire(new PortRequest("b1") { Protocol = protocol });
        scene.Clock.Advance(TimeSpan.FromSeconds(50));

        await lease.ExtendAsync(TimeSpan.FromSeconds(100)).AsTask().Within();
        lease.ExpiresAt.Should().Be(scene.Clock.GetUtcNow() + TimeSpan.FromSeconds(100));
        await lease.ExtendAsync(TimeSpan.FromSeconds(10)).AsTask().Within();
        lease.ExpiresAt.Should().Be(scene.Clock.GetUtcNow() + TimeSpan.FromSeconds(100), "less than is left changes nothing");

        scene.Clock.Advance(TimeSpan.FromSeconds(99));
        lease.WhenBound.IsCompleted.Should().BeFalse();
        scene.Clock.Advance(2 * s_pass);
        await lease.WhenBound.RefusalAsync();
    }

    [Theory]
    [InlineData(PortProtocol.Tcp, false)]
    [InlineData(PortProtocol.Udp, false)]
    [InlineData(PortProtocol.Tcp, true)]
    [InlineData(PortProtocol.Udp, true)]
    public async Task ExtendAsync_HalfOfTheLeaseIsUsed_TheOtherHalfLivesThatLongAndNoLonger(PortProtocol used, bool overASession)
    {
        await using Scene scene = new();
        PortLease lease = scene.Acquire(new PortRequest("b1") { Protocol = PortProtocol.TcpAndUdp, LeaseTimeout = TimeSpan.FromSeconds(20) });
        PortProtocol other = used == PortProtocol.Tcp ? PortProtocol.Udp : PortProtocol.Tcp;
        int port = lease.Port;
        scene.Clock.Advance(TimeSpan.FromSeconds(10));
        scene.Here.Register("b1", port, lease.Epoch, used);
        lease.ExpiresAt.Should().Be(scene.Clock.GetUtcNow() + TimeSpan.FromSeconds(10), "the other half has this time left");

        await (overASession ? scene.Here.ExtendAsync(new PortClaimRequest("b1") { Protocol = other }, TimeSpan.FromSeconds(100)).AsTask() : lease.ExtendAsync(TimeSpan.FromSeconds(100)).AsTask()).Within();

        lease.ExpiresAt.Should().Be(scene.Clock.GetUtcNow() + TimeSpan.FromSeconds(100));
        scene.Clock.Advance(TimeSpan.FromSeconds(99));
        scene.StateOf(port, other).Should().Be(PortState.Reserved);
        lease.WhenBound.IsCompleted.Should().BeFalse();
        scene.Clock.Advance(2 * s_pass);
        (await lease.WhenBound.RefusalAsync()).Reason.Should().Be(PortRefusalReason.LeaseEnded);
        (await lease.ExtendAsync(s_pass).RefusalAsync()).ShouldExplain(PortRefusalReason.LeaseEnded, "b1");
    }

    [Fact]
    public async Task ExtendAsync_LeaseThatIsOver_IsRefused()
    {
        await using Scene scene = new();
        PortLease late = scene.Acquire("late"), released = scene.Acquire("released"), used = scene.Acquire("used"), taken = scene.Acquire("taken");
        released.TryRelease(out _);
        scene.Here.Register("used", used.Port, used.Epoch);
        scene.Here.Register("winner", taken.Port);
        scene.Clock.Advance(TimeSpan.FromSeconds(61));
        await late.WhenBound.RefusalAsync();

        foreach (PortLease lease in (PortLease[])[late, released, used, taken])
        {
            (await lease.ExtendAsync(s_pass).RefusalAsync()).ShouldExplain(PortRefusalReason.LeaseEnded, lease.Owner);
        }
    }

    [Fact]
    public async Task ExtendAsync_OverASession_NeedsTheRightToUseTheLease()
    {
        await using Scene scene = new();
        PortLease lease = scene.Acquire("b1");
        await using PortSession stranger = scene.Registry.OpenSession(null, userId: 12_345);

        (await stranger.ExtendAsync("b1", s_pass).RefusalAsync()).ShouldExplain(PortRefusalReason.NotOwner, "b1");
        (await scene.Here.ExtendAsync(new PortClaimRequest("b1") { Epoch = lease.Epoch - 1 }, s_pass).RefusalAsync()).ShouldExplain(PortRefusalReason.LeaseEnded, "b1", lease.Epoch);
        (await scene.Here.ExtendAsync("nobody", s_pass).RefusalAsync()).ShouldExplain(PortRefusalReason.LeaseEnded, "nobody");
        (await scene.Here.ExtendAsync("", s_pass).RefusalAsync()).Reason.Should().Be(PortRefusalReason.InvalidOwner);
        lease.ExpiresAt.Should().Be(scene.Clock.GetUtcNow() + TimeSpan.FromSeconds(60));

        (await scene.Here.ExtendAsync("b1", TimeSpan.FromMinutes(2)).AsTask().Within()).Should().BeSameAs(lease);
        lease.ExpiresAt.Should().Be(scene.Clock.GetUtcNow() + TimeSpan.FromMinutes(2));
        (await scene.Here.ExtendAsync(new PortClaimRequest("b1") { Epoch = lease.Epoch }, TimeSpan.FromMinutes(3)).AsTask().Within()).Should().BeSameAs(lease);
    }

    [Fact]
    public async Task LeaseTimeout_LeaseThatIsHealed_KeepsItsTime()
    {
        await using Scene scene = new();
        PortLease lease = scene.Acquire(new PortRequest("b1") { LeaseTimeout = TimeSpan.FromMinutes(5) });
        scene.Clock.Advance(TimeSpan.FromMinutes(1));

        await lease.ReportBindFailureAsync().AsTask().Within();

        lease.ExpiresAt.Should().Be(scene.Clock.GetUtcNow() + TimeSpan.FromMinutes(5));
        await lease.ExtendAsync(TimeSpan.FromMinutes(9)).AsTask().Within();
        lease.ExpiresAt.Should().Be(scene.Clock.GetUtcNow() + TimeSpan.FromMinutes(9));
    }

    [Theory]
    [InlineData(5)]
    [InlineData(600)]
    public async Task LeaseTimeout_OfTheRequestAfterARestart_HoldsInPlaceOfTheOption(int seconds)
    {
        await using StoreScene scene = await StoreScene.OpenAsync();
        PortLease lease = await scene.AcquireAsync(new PortRequest("b1") { LeaseTimeout = TimeSpan.FromSeconds(seconds) });

        await scene.KillAndOpenAsync(s_pass);

        scene.Clock.Advance(TimeSpan.FromSeconds(seconds) - (2 * s_pass));
        scene.StateOf(lease.Port).Should().Be(PortState.Reserved);
        scene.Clock.Advance(3 * s_pass);
        scene.StateOf(lease.Port).Should().Be(PortState.Cooling);
    }

    [Theory]
    [InlineData("timeout")]
    [InlineData("release")]
    [InlineData("taken")]
    [InlineData("attempts")]
    [InlineData("dispose")]
    public async Task Ended_LeaseEndsUnused_IsCancelledWhoeverAsksAndWhenever(string how)
    {
        await using Scene scene = new(configure: options => options.BindAttempts = 1);
        PortLease lease = scene.Acquire("b1"), unasked = scene.Acquire("b2");
        CancellationToken ended = lease.Ended;
        TaskCompletionSource told = new();
        await using CancellationTokenRegistration _ = ended.Register(told.SetResult);
        await using CancellationTokenRegistration faulty = ended.Register(() => throw new InvalidOperationException("a host's fault"));
        ended.IsCancellationRequested.Should().BeFalse();

        foreach (PortLease one in (PortLease[])[lease, unasked])
        {
            switch (how)
            {
                case "timeout":
                    scene.Clock.Advance(TimeSpan.FromSeconds(61));
                    break;
                case "release":
                    one.TryRelease(out PortRefusal? _).Should().BeTrue();
                    break;
                case "taken":
                    scene.Here.Register($"winner of {one.Owner}", one.Port);
                    break;
                case "attempts":
                    await one.ReportBindFailureAsync().RefusalAsync();
                    break;
                default:
                    scene.Registry.Dispose();
                    break;
            }
        }

        await told.Task.Within();
        lease.Ended.IsCancellationRequested.Should().BeTrue();
        await unasked.WhenBound.RefusalAsync();
        unasked.Ended.IsCancellationRequested.Should().BeTrue("who asks late is told at once");
    }

    [Fact]
    public async Task Ended_LeaseThatIsUsed_IsNeverCancelled()
    {
        await using Scene scene = new();
        Child brick = scene.StartChild();
        PortLease lease = scene.Acquire("b1"), released = scene.Acquire("b2");
        CancellationToken ended = lease.Ended;
        scene.SessionOf(brick).Register("b1", lease.Port, lease.Epoch);
        scene.Here.Register("b2", released.Port, released.Epoch);
        await lease.WhenBound.Within();

        brick.Kill();
        scene.Clock.Advance(TimeSpan.FromMinutes(5));
        released.TryRelease(out _).Should().BeTrue();

        ended.IsCancellationRequested.Should().BeFalse("a process has listened: its end is told by WatchAsync");
        released.Ended.IsCancellationRequested.Should().BeFalse();
    }

    [Theory]
    [InlineData(PortProtocol.Tcp)]
    [InlineData(PortProtocol.TcpAndUdp)]
    public async Task OpenAsync_LeaseWithItsOwnTime_HasWhatIsLeftOfIt(PortProtocol protocol)
    {
        await using StoreScene scene = await StoreScene.OpenAsync();
        PortLease lease = await scene.AcquireAsync(new PortRequest("b1") { Protocol = protocol, LeaseTimeout = TimeSpan.FromMinutes(10) });
        PortLease extended = await scene.AcquireAsync(new PortRequest("b2") { Protocol = protocol });
        await extended.ExtendAsync(TimeSpan.FromMinutes(10)).AsTask().Within();

        await scene.KillAndOpenAsync(TimeSpan.FromMinutes(9));

        scene.StateOf(lease.Port).Should().Be(PortState.Reserved);
        scene.StateOf(extended.Port).Should().Be(PortState.Reserved);
        if (protocol == PortProtocol.TcpAndUdp)
        {
            scene.Registry.TryGetEntry(extended.Port, out PortEntry half, PortProtocol.Udp).Should().BeTrue();
            half.State.Should().Be(PortState.Reserved);
        }

        scene.Clock.Advance(TimeSpan.FromSeconds(62));
        await Eventually.TrueAsync(() => scene.StateOf(lease.Port) == PortState.Cooling && scene.StateOf(extended.Port) == PortState.Cooling);
    }

    [Theory]
    [InlineData(PortProtocol.Tcp)]
    [InlineData(PortProtocol.Udp)]
    public async Task OpenAsync_HalfOfALeaseWasUsedAndTheOtherExtended_HasWhatIsLeftOfItsTime(PortProtocol used)
    {
        await using StoreScene scene = await StoreScene.OpenAsync();
        PortLease lease = await scene.AcquireAsync(new PortRequest("b1") { Protocol = PortProtocol.TcpAndUdp });
        await scene.Here.RegisterAsync(new PortClaimRequest("b1", lease.Port) { Epoch = lease.Epoch, Protocol = used }).AsTask().Within();
        await lease.ExtendAsync(TimeSpan.FromMinutes(10)).AsTask().Within();

        await scene.KillAndOpenAsync(TimeSpan.FromMinutes(9));

        scene.Registry.TryGetEntry(lease.Port, out PortEntry half, used == PortProtocol.Tcp ? PortProtocol.Udp : PortProtocol.Tcp).Should().BeTrue();
        half.State.Should().Be(PortState.Reserved);
    }

    [Fact]
    public async Task ExtendAsync_StoreFails_SaysSoAndTheLeaseHasItsTimeInThisRun()
    {
        await using StoreScene scene = await StoreScene.OpenAsync();
        PortLease lease = await scene.AcquireAsync("b1");
        scene.Store.Fail();

        (await lease.ExtendAsync(TimeSpan.FromMinutes(10)).RefusalAsync()).ShouldExplain(PortRefusalReason.StoreFailed, "No space left");

        lease.ExpiresAt.Should().Be(scene.Clock.GetUtcNow() + TimeSpan.FromMinutes(10));
    }

    [Fact]
    public async Task ReportBindFailure_LeaseOfTheRunBefore_StaysInTheRangesThatTheWorkerSays()
    {
        await using StoreScene scene = await StoreScene.OpenAsync(options => options.Ports = "20000-20009,10000-10003");
        PortLease lease = await scene.AcquireAsync(new PortRequest("b1") { Ports = "10000-10003" });
        await scene.KillAndOpenAsync();

        PortClaimRequest failed = new("b1", lease.Port) { Epoch = lease.Epoch, Ports = "10000-10003" };
        PortLease healed = await scene.Here.ReportBindFailureAsync(failed).AsTask().Within();
        healed.Port.Should().NotBe(lease.Port).And.BeInRange(10000, 10003);

        await scene.RegisterAsync("winner", healed.Port);
        PortLease anew = await scene.Here.ReportBindFailureAsync(failed with { Port = healed.Port, Epoch = healed.Epoch }).AsTask().Within();
        anew.Port.Should().NotBe(healed.Port).And.BeInRange(10000, 10003);
        PortLease odd = await scene.Here.ReportBindFailureAsync(new PortClaimRequest("b9", 20000) { Ports = "1-5" }).AsTask().Within();
        odd.Port.Should().BePositive("a range that is not handed out here counts as none");
    }
}
