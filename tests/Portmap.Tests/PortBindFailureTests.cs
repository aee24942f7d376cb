using Portmap.Tests.Support;

namespace Portmap.Tests;

/// <summary>EADDRINUSE heals: the port becomes Foreign, the owner gets another, a bounded number of
/// times.</summary>
public class PortBindFailureTests
{
    [Fact]
    public async Task ReportBindFailureAsync_Worker_GetsAnotherPortAndTheHostsLeaseFollows()
    {
        await using Scene scene = new();
        PortLease lease = scene.Acquire("b1");
        int lost = lease.Port;
        long lostEpoch = lease.Epoch;

        PortLease healed = await scene.Here.ReportBindFailureAsync(new PortClaimRequest("b1", lost) { Epoch = lostEpoch }).Within();

        healed.Port.Should().BeInRange(20000, 20009).And.NotBe(lost);
        healed.Epoch.Should().BeGreaterThan(lostEpoch);
        scene.StateOf(lost).Should().Be(PortState.Foreign);
        scene.StateOf(healed.Port).Should().Be(PortState.Reserved);
        scene.Here.Register("b1", healed.Port, healed.Epoch);
        (await lease.WhenBound.Within()).Port.Should().Be(healed.Port);
        lease.Port.Should().Be(healed.Port);
        lease.Epoch.Should().Be(healed.Epoch);
    }

    [Fact]
    public async Task ReportBindFailureAsync_Host_ChangesPortAndEpochOfTheLease()
    {
        await using Scene scene = new();
        PortLease lease = scene.Acquire("b1");
        int lost = lease.Port;
        long lostEpoch = lease.Epoch;

        await lease.ReportBindFailureAsync().Within();

        lease.Port.Should().NotBe(lost);
        lease.Epoch.Should().BeGreaterThan(lostEpoch);
        scene.StateOf(lost).Should().Be(PortState.Foreign);
        scene.Here.RegisterRefused("b1", lost, lostEpoch).ShouldExplain(PortRefusalReason.Stale);
        scene.Here.Register("b1", lease.Port, lease.Epoch);
        (await lease.WhenBound.Within()).Epoch.Should().Be(lease.Epoch);
    }

    [Fact]
    public async Task ReportBindFailureAsync_OfAPortThatIsKeptForItsOwnersReturn_IsNoStrangers()
    {
        await using Scene scene = Scene.OnRealPorts(PortBlock.Take(2), options => options.Guard = PortGuardMode.WhileAlive);
        PortLease lease = scene.Acquire("b1");
        Child child = scene.StartChild();
        scene.SessionOf(child).Register("b1", lease.Port, lease.Epoch);
        child.Kill();
        scene.Clock.Advance(TimeSpan.FromSeconds(2));
        await Eventually.TrueAsync(() => scene.StateOf(lease.Port) == PortState.Cooling);
        scene.Registry.Guard.Count.Should().Be(1, "it is kept");

        await scene.Here.ReportBindFailureAsync(new PortClaimRequest("b2", lease.Port)).Within();

        scene.StateOf(lease.Port).Should().Be(PortState.Cooling, "our own placeholder keeps others off");
    }

    [Fact]
    public async Task ReportBindFailureAsync_OfThePortThatIsRequired_IsRefusedAndGivesNoOther()
    {
        await using Scene scene = new();
        PortLease lease = scene.Acquire(new PortRequest("b1") { Previous = 20_003, Reuse = PortReuse.Require });

        (await lease.ReportBindFailureAsync().AsTask().RefusalAsync()).ShouldExplain(PortRefusalReason.Foreign, 20_003);

        scene.Registry.TryGetEntry("b1", out _).Should().BeFalse("that one or none");
    }

    [Theory]
    [InlineData(PortReuse.Require, null)]
    [InlineData(null, PortReuse.Require)]
    public async Task ReportBindFailureAsync_OfTheLastPortThatIsRequired_IsRefusedAndGivesNoOther(PortReuse? asked, PortReuse? always)
    {
        await using Scene scene = new(configure: options => options.Reuse = always ?? options.Reuse);
        scene.Here.Register("b1", 20_006);
        scene.Here.Release("b1");
        PortLease lease = scene.Acquire(new PortRequest("b1") { Reuse = asked });
        lease.Port.Should().Be(20_006);

        (await lease.ReportBindFailureAsync().AsTask().RefusalAsync()).ShouldExplain(PortRefusalReason.Foreign, 20_006);

        scene.Registry.TryGetEntry("b1", out _).Should().BeFalse("that one or none");
    }

    [Fact]
    public async Task ReportBindFailureAsync_RequiredAndNoPortBefore_GivesAnother()
    {
        await using Scene scene = new();
        PortLease lease = scene.Acquire(new PortRequest("b1") { Reuse = PortReuse.Require });
        int failed = lease.Port;

        await lease.ReportBindFailureAsync().AsTask().Within();

        lease.Port.Should().NotBe(failed).And.BePositive();
    }

    [Fact]
    public async Task ReportBindFailureAsync_ProcessBinds_LeavesThePortToTheProcessAgain()
    {
        await using Scene scene = new(configure: options => options.Strategy = PortRegistryOptions.ProcessBinds);
        PortLease lease = scene.Acquire("b1");

        PortLease healed = await scene.Here.ReportBindFailureAsync(new PortClaimRequest("b1", 20003) { Epoch = lease.Epoch }).Within();

        healed.Port.Should().Be(0);
        scene.StateOf(20003).Should().Be(PortState.Foreign);
        scene.Here.Register("b1", 20004, healed.Epoch);
        (await lease.WhenBound.Within()).Port.Should().Be(20004);
    }

    [Theory]
    [InlineData("AllocatorPicks")]
    [InlineData("ProcessBinds")]
    public async Task ReportBindFailureAsync_BindAttemptsReached_ListsEveryPortTried(string strategy)
    {
        await using Scene scene = new(configure: options =>
        {
            options.BindAttempts = 3;
            options.Strategy = strategy;
        });
        PortLease lease = scene.Acquire("b1");
        List<object> tried = [];

        PortRefusal? refusal = null;
        while (refusal is null && tried.Count < 10)
        {
            int port = lease.Port != 0 ? lease.Port : 20005 + tried.Count;
            tried.Add(port);
            try
            {
                await scene.Here.ReportBindFailureAsync(new PortClaimRequest("b1", port) { Epoch = lease.Epoch }).Within();
            }
            catch (PortRefusedException refused)
            {
                refusal = refused.Refusal;
            }
        }

        tried.Should().HaveCount(3);
        refusal.ShouldExplain(PortRefusalReason.AttemptsExhausted, [.. tried, 3, "b1"]);
        (await lease.WhenBound.RefusalAsync()).Reason.Should().Be(PortRefusalReason.AttemptsExhausted);
        scene.Registry.TryGetEntry("b1", out _).Should().BeFalse("the lease has ended");
    }

    [Fact]
    public async Task ReportBindFailureAsync_RegisteredInBetween_CountsAnew()
    {
        await using Scene scene = new("20000-20030", options => options.BindAttempts = 2);
        for (int i = 0; i < 4; i++)
        {
            PortLease lease = scene.Acquire("b1");
            PortLease healed = await scene.Here.ReportBindFailureAsync(new PortClaimRequest("b1", lease.Port) { Epoch = lease.Epoch }).Within();
            scene.Here.Register("b1", healed.Port, healed.Epoch);
        }
    }

    [Fact]
    public async Task ReportBindFailureAsync_OldEpochOfAnotherPort_IsStale()
    {
        await using Scene scene = new();
        PortLease lease = scene.Acquire("b1");
        (int port, long epoch) = (lease.Port, lease.Epoch);
        PortLease healed = await scene.Here.ReportBindFailureAsync(new PortClaimRequest("b1", port) { Epoch = epoch }).Within();
        int current = healed.Port;

        (await scene.Here.ReportBindFailureAsync(new PortClaimRequest("b1", current) { Epoch = epoch }).RefusalAsync()).ShouldExplain(PortRefusalReason.Stale, "b1");

        scene.StateOf(current).Should().Be(PortState.Reserved);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task ReportBindFailureAsync_AnswerWasLost_RepeatGetsTheSameAnswerAndCountsOnce(bool acquired)
    {
        await using Scene scene = new(configure: options => options.BindAttempts = 3);
        (int Port, long Epoch) failed = acquired && scene.Acquire("b1") is { } lease ? (lease.Port, lease.Epoch) : (20003, 0);
        PortLease healed = await scene.Here.ReportBindFailureAsync(new PortClaimRequest("b1", failed.Port) { Epoch = failed.Epoch }).Within();
        (int Port, long Epoch) given = (healed.Port, healed.Epoch);

        for (int i = 0; i < 5; i++)
        {
            await using PortSession again = scene.Registry.OpenSession(Environment.ProcessId);   // the connection broke off
            PortLease answer = await again.ReportBindFailureAsync(new PortClaimRequest("b1", failed.Port) { Epoch = failed.Epoch }).Within();
            (answer.Port, answer.Epoch).Should().Be(given, "it is the same failure");
        }

        PortLease next = await scene.Here.ReportBindFailureAsync(new PortClaimRequest("b1", given.Port) { Epoch = given.Epoch }).Within();
        next.Port.Should().NotBe(given.Port, "two of three attempts are used up, the third is left");
        scene.Here.Register("b1", next.Port, next.Epoch);
        (await scene.Here.ReportBindFailureAsync(new PortClaimRequest("b1", given.Port) { Epoch = given.Epoch }).RefusalAsync()).ShouldExplain(PortRefusalReason.Stale, "b1");
    }

    /// <summary>A worker that was told only its owner acquires by itself, and names no
    /// epoch.</summary>
    [Fact]
    public async Task ReportBindFailureAsync_WithoutTheEpochOfItsLeaseAndAnswerWasLost_RepeatGetsTheSameAnswer()
    {
        await using Scene scene = new();
        int failed = scene.Acquire("b1").Port;
        PortLease healed = await scene.Here.ReportBindFailureAsync(new PortClaimRequest("b1", failed)).Within();
        (int Port, long Epoch) given = (healed.Port, healed.Epoch);

        await using PortSession again = scene.Registry.OpenSession(Environment.ProcessId);   // the connection broke off
        PortLease answer = await again.ReportBindFailureAsync(new PortClaimRequest("b1", failed)).Within();

        (answer.Port, answer.Epoch).Should().Be(given, "it is the same failure");
    }

    [Theory]
    [InlineData(PortProtocol.Tcp)]
    [InlineData(PortProtocol.TcpAndUdp)]
    public async Task ReportBindFailureAsync_OfAPortThatTheWorkerPickedAndAnswerWasLost_RepeatGetsTheSameAnswer(PortProtocol protocol)
    {
        await using Scene scene = new(configure: options => (options.Strategy, options.BindAttempts) = (PortRegistryOptions.ProcessBinds, 3));
        PortLease lease = scene.Acquire(new PortRequest("b1") { Protocol = protocol });
        await scene.Here.ReportBindFailureAsync(new PortClaimRequest("b1", 20003) { Protocol = protocol }).Within();
        long given = lease.Epoch;

        for (int i = 0; i < 5; i++)
        {
            PortLease answer = await scene.Here.ReportBindFailureAsync(new PortClaimRequest("b1", 20003) { Protocol = protocol }).Within();
            answer.Epoch.Should().Be(given, "it is the same failure");
        }

        await scene.Here.ReportBindFailureAsync(new PortClaimRequest("b1", 20004) { Protocol = protocol }).Within();
        lease.Epoch.Should().BeGreaterThan(given, "another port is another failure");
        lease.IsOpen.Should().BeTrue();
    }

    [Theory]
    [InlineData(PortProtocol.Tcp)]
    [InlineData(PortProtocol.Udp)]
    public async Task ReportBindFailureAsync_HalfOfTheLeaseIsUsed_SaysThatBothCannotMove(PortProtocol used)
    {
        await using Scene scene = new();
        PortLease lease = scene.Acquire(new PortRequest("b1") { Protocol = PortProtocol.TcpAndUdp });
        scene.Here.Register("b1", lease.Port, lease.Epoch, used);

        (await lease.ReportBindFailureAsync().RefusalAsync()).ShouldExplain(PortRefusalReason.LeaseEnded, "b1", lease.Port, "Release the lease");

        await lease.ReleaseAsync().AsTask().Within();
        scene.Acquire(new PortRequest("b1") { Protocol = PortProtocol.TcpAndUdp });
        (await lease.ReportBindFailureAsync().RefusalAsync()).ShouldExplain(PortRefusalReason.LeaseEnded, "has ended");
    }

    [Theory]
    [InlineData(0)]
    [InlineData(65536)]
    public async Task ReportBindFailureAsync_NotAPort_IsInvalidPort(int port)
    {
        await using Scene scene = new();
        PortLease lease = scene.Acquire("b1");

        (await scene.Here.ReportBindFailureAsync(new PortClaimRequest("b1", port) { Epoch = lease.Epoch }).RefusalAsync()).ShouldExplain(PortRefusalReason.InvalidPort);
    }

    [Fact]
    public async Task ReportBindFailureAsync_PortOfALivingOwner_DoesNotMakeItForeign()
    {
        await using Scene scene = new(configure: options => options.Strategy = PortRegistryOptions.ProcessBinds);
        scene.Here.Register("served", 20003);
        PortLease lease = scene.Acquire("b1");

        await scene.Here.ReportBindFailureAsync(new PortClaimRequest("b1", 20003) { Epoch = lease.Epoch }).Within();

        scene.PortOf("served").Should().Be(20003);
        scene.StateOf(20003).Should().Be(PortState.Bound);
    }

    [Fact]
    public async Task ReportBindFailureAsync_LeaseWasTaken_HealsTheLoser()
    {
        await using Scene scene = new();
        PortLease lease = scene.Acquire("loser");
        (int port, long epoch) = (lease.Port, lease.Epoch);
        scene.SessionOf(scene.StartChild()).Register("winner", port);

        PortLease healed = await scene.Here.ReportBindFailureAsync(new PortClaimRequest("loser", port) { Epoch = epoch }).Within();

        healed.Port.Should().NotBe(port);
        scene.OwnersOn(port).Should().Equal("winner");
        scene.Here.Register("loser", healed.Port, healed.Epoch).State.Should().Be(PortState.Bound);
    }

    [Fact]
    public async Task ReportBindFailureAsync_NothingElseFree_IsExhausted()
    {
        await using Scene scene = new("20000");
        PortLease lease = scene.Acquire("b1");

        (await scene.Here.ReportBindFailureAsync(new PortClaimRequest("b1", lease.Port) { Epoch = lease.Epoch }).RefusalAsync()).ShouldExplain(PortRefusalReason.Exhausted);

        await lease.WhenBound.RefusalAsync();
        scene.StateOf(20000).Should().Be(PortState.Foreign);
    }

    [Fact]
    public async Task ForeignRecheck_TimeHasPassed_HandsThePortOutAgain()
    {
        await using Scene scene = new("20000-20001");
        PortLease lease = scene.Acquire("b1");
        int lost = lease.Port;
        await lease.ReportBindFailureAsync().Within();
        scene.AcquireRefused("b2").ShouldExplain(PortRefusalReason.Exhausted, "foreign");

        scene.Clock.Advance(TimeSpan.FromSeconds(31));

        scene.Acquire("b2").Port.Should().Be(lost);
    }
}
