using Portmap.Tests.Support;

namespace Portmap.Tests;

/// <summary>Acquire: the lease, what it shows, when it is refused.</summary>
public class PortRegistryAcquireTests
{
    [Fact]
    public async Task TryAcquire_FreePort_IsReservedAndNotYetServed()
    {
        await using Scene scene = new();

        PortLease lease = scene.Acquire("b1");

        lease.Should().BeEquivalentTo(new
        {
            Owner = "b1",
            Protocol = PortProtocol.Tcp,
            Strategy = PortRegistryOptions.AllocatorPicks,
            ExpiresAt = scene.Clock.GetUtcNow() + TimeSpan.FromSeconds(60),
        });
        lease.Port.Should().BeInRange(20000, 20009);
        scene.PortOf("b1").Should().Be(0, "nobody listens there yet");
        scene.Registry.TryGetEntry(lease.Port, out PortEntry byPort).Should().BeTrue();
        scene.Registry.TryGetEntry("b1", out PortEntry byOwner).Should().BeTrue();
        byOwner.Should().Be(byPort);
        byPort.Should().BeEquivalentTo(new
        {
            Owner = "b1",
            lease.Port,
            Protocol = PortProtocol.Tcp,
            State = PortState.Reserved,
            lease.Epoch,
            ProcessId = (int?)null,
            Since = scene.Clock.GetUtcNow(),
        });
        scene.OwnersOn(lease.Port).Should().Equal("b1");
    }

    [Fact]
    public async Task AcquireAsync_Refused_ThrowsTheRefusalThatTryAcquireReturns()
    {
        await using Scene scene = new("20000");
        scene.Acquire("b1");

        PortRefusal thrown = await scene.Registry.AcquireAsync("b2").RefusalAsync();

        thrown.ShouldExplain(PortRefusalReason.Exhausted);
        thrown.Message.Should().Be(scene.AcquireRefused("b2").Message);
    }

    [Fact]
    public async Task TryAcquire_OwnerWithAnOpenLease_IsAlreadyReserved()
    {
        await using Scene scene = new();
        PortLease lease = scene.Acquire("b1");

        PortRefusal refusal = scene.AcquireRefused("b1").ShouldExplain(PortRefusalReason.AlreadyReserved, "b1", lease.Epoch);

        refusal.Message.Should().EndWith("Use that lease, release it (PortLease.ReleaseAsync, or PortRegistry.ReleaseAsync with its epoch), or wait for its end.");
        refusal.HolderEpoch.Should().Be(lease.Epoch);
        refusal.Message.Should().Contain("2000", "the message names when the lease expires");
        scene.Registry.Snapshot().Entries.Should().ContainSingle();
    }

    [Fact]
    public async Task TryAcquire_LeaseReleased_GivesAnother()
    {
        await using Scene scene = new();
        PortLease first = scene.Acquire("b1");
        first.TryRelease(out _).Should().BeTrue();

        PortLease second = scene.Acquire("b1");

        second.Epoch.Should().BeGreaterThan(first.Epoch);
        second.Port.Should().NotBe(first.Port, "the first is cooling");
    }

    [Fact]
    public async Task TryAcquire_OwnerIsBound_LookupsKeepTheOldPortUntilTheNewLeaseRegisters()
    {
        await using Scene scene = new();
        PortLease old = scene.Acquire("b1");
        scene.Here.Register("b1", old.Port, old.Epoch);

        PortLease next = scene.Acquire("b1");

        next.Port.Should().NotBe(old.Port);
        scene.PortOf("b1").Should().Be(old.Port);
        scene.Registry.TryGetEntry("b1", out PortEntry entry).Should().BeTrue();
        entry.State.Should().Be(PortState.Bound, "Bound comes before Reserved");
        scene.StateOf(next.Port).Should().Be(PortState.Reserved);

        scene.Here.Register("b1", next.Port, next.Epoch);
        scene.PortOf("b1").Should().Be(next.Port);
        scene.StateOf(old.Port).Should().Be(PortState.Cooling);
    }

    [Fact]
    public async Task TryAcquire_RangeFull_NamesRangeAndCounts()
    {
        await using Scene scene = new("20000-20003", options =>
        {
            options.Exclude = "20003";
            options.Order = PortOrder.LowestFree;
        });
        scene.Acquire("reserved");
        PortLease lease = scene.Acquire("bound");
        scene.Here.Register("bound", lease.Port, lease.Epoch);
        scene.Here.Register("visitor", 20002);

        PortRefusal refusal = scene.AcquireRefused("b1").ShouldExplain(PortRefusalReason.Exhausted, "20000-20003");

        refusal.Owner.Should().Be("b1");
        refusal.Message.Should().MatchRegex("1 .*(reserved|excluded)").And.MatchRegex("2 .*bound|bound.* 2");
    }

    [Fact]
    public async Task TryAcquire_EverythingExcluded_IsExhausted()
    {
        await using Scene scene = new("20000-20003", options => options.Exclude = "20000-20002");
        scene.Acquire("b1").Port.Should().Be(20003);

        scene.AcquireRefused("b2").ShouldExplain(PortRefusalReason.Exhausted);
    }

    [Fact]
    public async Task TryAcquire_AllButTheExcludedAreHeld_IsExhausted()
    {
        await using Scene scene = new("20001-20100", options => options.Exclude = "20058-20064");   // begins and ends within bytes and words of the map
        int[] given = [.. Enumerable.Range(0, 93).Select(i => scene.Acquire(FormattableString.Invariant($"b{i}")).Port)];

        given.Should().OnlyHaveUniqueItems().And.NotContain(port => port >= 20_058 && port <= 20_064);
        scene.AcquireRefused("another").ShouldExplain(PortRefusalReason.Exhausted);
    }

    [Fact]
    public async Task TryAcquire_ExcludedPortThatOthersWantedAndLeft_IsNotHandedOut()
    {
        await using Scene scene = new("20000-20001", options => (options.Exclude, options.ReuseDelay) = ("20000", TimeSpan.Zero));
        PortSession other = scene.SessionOf(scene.StartChild());
        scene.Here.Register("a", 20000);
        other.RegisterRefused("b", 20000).ShouldExplain(PortRefusalReason.Conflict);
        scene.Here.Release("a");

        scene.Acquire("c").Port.Should().Be(20001);
        scene.AcquireRefused("d").ShouldExplain(PortRefusalReason.Exhausted);
    }

    [Fact]
    public async Task TryAcquire_MaxOwnersReached_NamesTheBound()
    {
        await using Scene scene = new(configure: options => options.MaxOwners = 3);
        PortLease first = scene.Acquire("b1");
        scene.Acquire("b2");
        scene.Here.Register("b3", 30000);

        scene.AcquireRefused("b4").ShouldExplain(PortRefusalReason.TooManyOwners, 3, "MaxOwners");
        scene.Here.RegisterRefused("b4", 30001).ShouldExplain(PortRefusalReason.TooManyOwners, 3, "MaxOwners");
        scene.StateOf(30001).Should().Be(PortState.Free);

        await first.ReleaseAsync().Within();
        scene.Acquire("b4").Owner.Should().Be("b4");
    }

    [Fact]
    public async Task TryAcquire_ManyOwnersOneAfterTheOther_NeverFillsTheIndex()
    {
        await using Scene scene = new(configure: options =>
        {
            options.MaxOwners = 2;
            options.ReuseDelay = TimeSpan.Zero;
        });
        scene.Acquire("stays");

        for (int i = 0; i < 2_000; i++)
        {
            PortLease lease = scene.Acquire(FormattableString.Invariant($"owner{i}"));
            lease.TryRelease(out _).Should().BeTrue();
        }

        scene.Registry.Snapshot().Entries.Should().ContainSingle().Which.Owner.Should().Be("stays");
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(65536)]
    [InlineData(int.MaxValue)]
    public async Task TryAcquire_PreviousIsNoPort_IsInvalidPort(int previous)
    {
        await using Scene scene = new();

        scene.AcquireRefused(new PortRequest("b1") { Previous = previous }).ShouldExplain(PortRefusalReason.InvalidPort, previous, 65535);
    }

    [Fact]
    public async Task TryAcquire_UnknownProtocolOrReuse_IsRefusedOrThrows()
    {
        await using Scene scene = new();

        scene.AcquireRefused(new PortRequest("b1") { Protocol = (PortProtocol)9 }).ShouldExplain(PortRefusalReason.InvalidProtocol, 9);
        scene.Registry.Snapshot().Entries.Should().BeEmpty();
    }

    [Fact]
    public async Task TryAcquire_ProbeOff_IsLedgerOnly()
    {
        await using Scene scene = new();

        PortLease lease = scene.Acquire("b1");

        lease.Guarantee.Should().Be(PortGuarantee.LedgerOnly);
    }

    [Fact]
    public async Task TryAcquire_AfterDispose_Throws()
    {
        Scene scene = new();
        await scene.DisposeAsync();

        Action acquire = () => scene.Registry.TryAcquire("b1", out _, out _);

        acquire.Should().Throw<ObjectDisposedException>();
    }

    [Fact]
    public async Task DisposeAsync_OpenLease_FaultsWhoeverWaitsForIt()
    {
        Scene scene = new();
        PortLease lease = scene.Acquire("b1");

        await scene.DisposeAsync();
        await scene.DisposeAsync();

        Func<Task> wait = () => lease.WhenBound.Within();
        await wait.Should().ThrowAsync<Exception>().Where(e => e is PortRefusedException || e is ObjectDisposedException || e is OperationCanceledException);
    }
}
