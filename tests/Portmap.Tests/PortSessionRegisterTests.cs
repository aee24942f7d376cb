using Portmap.Tests.Support;

namespace Portmap.Tests;

/// <summary>Register: listening is proof, replacement needs a right.</summary>
public class PortSessionRegisterTests
{
    [Fact]
    public async Task Register_FreePort_IsBoundAndServed()
    {
        await using Scene scene = new();

        PortEntry entry = scene.Here.Register("b1", Scene.First);

        entry.Should().BeEquivalentTo(new
        {
            Owner = "b1",
            Port = Scene.First,
            Protocol = PortProtocol.Tcp,
            State = PortState.Bound,
            ProcessId = Environment.ProcessId,
            Since = scene.Clock.GetUtcNow(),
            OwnerCount = 1,
            Guarantee = PortGuarantee.HeldByProcess,
        });
        entry.Epoch.Should().BePositive();
        scene.PortOf("b1").Should().Be(Scene.First);
        scene.Registry.TryGetEntry("b1", out PortEntry byOwner).Should().BeTrue();
        scene.Registry.TryGetEntry(Scene.First, out PortEntry byPort).Should().BeTrue();
        byOwner.Should().Be(entry);
        byPort.Should().Be(entry);
        scene.Registry.EnumerateOwners(Scene.First).Should().Equal(entry);
    }

    [Theory]
    [InlineData(40000, "")]
    [InlineData(1, "")]
    [InlineData(65535, "")]
    [InlineData(20003, "20000-20008")]
    public async Task Register_OutsideTheRangeOrExcluded_IsAccepted(int port, string exclude)
    {
        await using Scene scene = new(configure: options => options.Exclude = exclude);

        scene.Here.Register("b1", port).State.Should().Be(PortState.Bound);

        scene.PortOf("b1").Should().Be(port);
    }

    [Fact]
    public async Task Register_PortTakenByAProcess_IsNotHandedOutAnyMore()
    {
        await using Scene scene = new("20000-20001");
        scene.Here.Register("b1", 20000);

        scene.Acquire("b2").Port.Should().Be(20001);
        scene.AcquireRefused("b3").ShouldExplain(PortRefusalReason.Exhausted);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(65536)]
    [InlineData(int.MinValue)]
    [InlineData(int.MaxValue)]
    public async Task Register_NotAPort_IsInvalidPort(int port)
    {
        await using Scene scene = new();

        PortRefusal refusal = scene.Here.RegisterRefused("b1", port).ShouldExplain(PortRefusalReason.InvalidPort, port, 65535);

        refusal.Port.Should().Be(port == 0 ? null : port, "0 is no port");
        scene.Registry.Snapshot().Entries.Should().BeEmpty();
    }

    [Theory]
    [InlineData(PortProtocol.TcpAndUdp)]
    [InlineData((PortProtocol)9)]
    [InlineData((PortProtocol)(-1))]
    public async Task Register_NotOneProtocol_IsInvalidProtocol(PortProtocol protocol)
    {
        await using Scene scene = new();

        scene.Here.RegisterRefused("b1", Scene.First, protocol: protocol).ShouldExplain(PortRefusalReason.InvalidProtocol);
    }

    [Fact]
    public async Task Register_PortOfALivingProcess_IsConflictNamingTheHolder()
    {
        await using Scene scene = new();
        Child holder = scene.StartChild();
        long epoch = scene.SessionOf(holder).Register("holder", Scene.First).Epoch!.Value;

        PortRefusal refusal = scene.Here.RegisterRefused("b1", Scene.First)
            .ShouldExplain(PortRefusalReason.Conflict, Scene.First, "holder", holder.Id);

        refusal.Should().BeEquivalentTo(new
        {
            Owner = "b1",
            Port = Scene.First,
            Holder = "holder",
            HolderProcessId = holder.Id,
            HolderEpoch = epoch,
        });
        scene.OwnersOn(Scene.First).Should().Equal("holder");
        scene.Registry.TryGetEntry("b1", out _).Should().BeFalse();
    }

    [Fact]
    public async Task Register_PortOfADeadProcess_MakesItsClaimStale()
    {
        await using Scene scene = new(configure: options => options.LivenessInterval = TimeSpan.FromHours(1));
        Child holder = scene.StartChild();
        scene.SessionOf(holder).Register("holder", Scene.First);
        holder.Kill();

        scene.Here.Register("b1", Scene.First);

        scene.OwnersOn(Scene.First).Should().Equal("b1");
        scene.PortOf("holder").Should().Be(0);
        scene.Registry.TryGetEntry("holder", out _).Should().BeFalse();
    }

    [Fact]
    public async Task Register_SeveralOwnersInOneProcess_ShareThePort()
    {
        await using Scene scene = new();
        PortSession otherSession = scene.Registry.OpenSession(Environment.ProcessId);

        scene.Here.Register("b1", Scene.First);
        scene.Here.Register("b2", Scene.First);
        otherSession.Register("b3", Scene.First).OwnerCount.Should().Be(3);

        scene.OwnersOn(Scene.First).Should().Equal("b1", "b2", "b3");
        scene.Registry.EnumerateOwners(Scene.First).Should().OnlyContain(entry => entry.OwnerCount == 3 && entry.Port == Scene.First);
        scene.Registry.EnumerateOwners(Scene.First).Select(entry => entry.Epoch).Should().OnlyHaveUniqueItems();
        foreach (string owner in (string[])["b1", "b2", "b3"])
        {
            scene.PortOf(owner).Should().Be(Scene.First);
        }
    }

    [Fact]
    public async Task Release_OneOfSeveralOwners_LeavesTheOthers()
    {
        // Gluster 19d3986400: several bricks in one process; one leaves, the others stay.
        await using Scene scene = new();
        scene.Here.Register("b1", Scene.First);
        scene.Here.Register("b2", Scene.First);
        scene.Here.Register("b3", Scene.First);

        scene.Here.Release("b2");
        scene.OwnersOn(Scene.First).Should().Equal("b1", "b3");
        scene.StateOf(Scene.First).Should().Be(PortState.Bound);
        scene.Here.Release("b1");
        scene.Registry.TryGetEntry(Scene.First, out PortEntry entry).Should().BeTrue();
        entry.Should().BeEquivalentTo(new { Owner = "b3", OwnerCount = 1 });

        scene.Here.Release("b3");
        scene.StateOf(Scene.First).Should().Be(PortState.Cooling);
    }

    [Fact]
    public async Task Register_OwnerOfALivingProcess_IsConflict()
    {
        // A stranger's SIGNIN hijacked a live brick in glusterd.
        await using Scene scene = new();
        Child holder = scene.StartChild();
        scene.SessionOf(holder).Register("b1", Scene.First);

        scene.Here.RegisterRefused("b1", 20001).ShouldExplain(PortRefusalReason.Conflict, "b1", Scene.First, holder.Id);

        scene.PortOf("b1").Should().Be(Scene.First);
        scene.StateOf(20001).Should().Be(PortState.Free);
    }

    [Fact]
    public async Task Register_OwnerOfADeadProcess_Replaces()
    {
        await using Scene scene = new(configure: options => options.LivenessInterval = TimeSpan.FromHours(1));
        Child holder = scene.StartChild();
        scene.SessionOf(holder).Register("b1", Scene.First);
        holder.Kill();

        scene.Here.Register("b1", 20001);

        scene.PortOf("b1").Should().Be(20001);
        scene.OwnersOn(Scene.First).Should().BeEmpty();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Register_SameProcess_MovesItsOwnerToAnotherPort(bool otherSession)
    {
        await using Scene scene = new();
        PortEntry before = scene.Here.Register("b1", Scene.First);

        PortSession session = otherSession ? scene.Registry.OpenSession(Environment.ProcessId) : scene.Here;
        PortEntry after = session.Register("b1", 20001);

        after.Epoch.Should().BeGreaterThan(before.Epoch!.Value);
        scene.PortOf("b1").Should().Be(20001);
        scene.OwnersOn(Scene.First).Should().BeEmpty();
        scene.StateOf(Scene.First).Should().Be(PortState.Cooling);
    }

    [Fact]
    public async Task Register_Again_IsIdempotent()
    {
        await using Scene scene = new();
        PortEntry first = scene.Here.Register("b1", Scene.First);
        scene.Clock.Advance(TimeSpan.FromSeconds(3));

        PortEntry again = scene.Here.Register("b1", Scene.First);

        again.Should().BeEquivalentTo(new { first.Owner, first.Port, State = PortState.Bound, OwnerCount = 1, first.ProcessId });
        scene.OwnersOn(Scene.First).Should().Equal("b1");
        scene.Registry.Snapshot().Entries.Should().ContainSingle();
    }

    [Fact]
    public async Task Register_AgainWithTheSameEpoch_KeepsTheEpoch()
    {
        await using Scene scene = new();
        PortLease lease = scene.Acquire("b1");
        scene.Here.Register("b1", lease.Port, lease.Epoch);

        scene.Here.Register("b1", lease.Port, lease.Epoch).Epoch.Should().Be(lease.Epoch);
        (await scene.Here.RegisterAsync(new PortClaimRequest("b1", lease.Port) { Epoch = lease.Epoch }).Within()).Epoch.Should().Be(lease.Epoch);
    }

    [Fact]
    public async Task Register_AnotherPortThanTheLeases_IsWrongPort()
    {
        await using Scene scene = new();
        PortLease lease = scene.Acquire("b1");
        int wrong = lease.Port == 20000 ? 20001 : 20000;

        scene.Here.RegisterRefused("b1", wrong, lease.Epoch).ShouldExplain(PortRefusalReason.WrongPort, wrong, lease.Port);

        scene.StateOf(lease.Port).Should().Be(PortState.Reserved);
        scene.StateOf(wrong).Should().Be(PortState.Free);
    }

    [Fact]
    public async Task Register_ProcessIsDead_IsRefused()
    {
        await using Scene scene = new(configure: options => options.LivenessInterval = TimeSpan.FromHours(1));
        Child child = scene.StartChild();
        PortSession session = scene.SessionOf(child);
        child.Kill();

        session.RegisterRefused("b1", Scene.First).ShouldExplain(PortRefusalReason.ProcessDead, child.Id);

        scene.StateOf(Scene.First).Should().Be(PortState.Free);
    }

    [Fact]
    public async Task Register_ProcessDiedAMomentAfterItWasSeen_IsRefusedWhenThatIsAQuarterSecondAgo()
    {
        await using Scene scene = new(configure: options => options.LivenessInterval = TimeSpan.FromHours(1));
        Child child = scene.StartChild();
        PortSession session = scene.SessionOf(child);
        session.Register("b1", Scene.First);
        child.Kill();

        scene.Clock.Advance(TimeSpan.FromMilliseconds(249));
        session.Register("b2", Scene.First);   // not looked at again: a process signs thousands of owners in
        scene.Clock.Advance(TimeSpan.FromMilliseconds(1));
        session.RegisterRefused("b3", Scene.First).ShouldExplain(PortRefusalReason.ProcessDead, child.Id);

        scene.Registry.EnumerateOwners(Scene.First).Should().BeEmpty("what was believed ends with the process");
    }

    [Fact]
    public async Task Register_SessionHasEnded_IsRefused()
    {
        await using Scene scene = new();
        PortSession session = scene.Registry.OpenSession(Environment.ProcessId);
        await session.DisposeAsync();
        await session.DisposeAsync();

        session.RegisterRefused("b1", Scene.First).ShouldExplain(PortRefusalReason.SessionEnded);
        (await session.RegisterAsync(new PortClaimRequest("b1", Scene.First)).RefusalAsync()).Reason.Should().Be(PortRefusalReason.SessionEnded);
    }

    [Fact]
    public async Task Register_TwoUnknownProcesses_DoNotShareAPort()
    {
        await using Scene scene = new();
        scene.Registry.OpenSession(null).Register("b1", Scene.First);

        scene.Registry.OpenSession(null).RegisterRefused("b2", Scene.First).ShouldExplain(PortRefusalReason.Conflict, "b1", Scene.First);
    }

    [Fact]
    public async Task RegisterAsync_Refused_ThrowsTheRefusal()
    {
        await using Scene scene = new();

        (await scene.Here.RegisterAsync("b1").RefusalAsync()).ShouldExplain(PortRefusalReason.InvalidPort);
    }

    [Fact]
    public async Task OpenSession_ProcessId_IsShown()
    {
        await using Scene scene = new();

        scene.Here.ProcessId.Should().Be(Environment.ProcessId);
        scene.Registry.OpenSession(null).ProcessId.Should().BeNull();
    }
}
