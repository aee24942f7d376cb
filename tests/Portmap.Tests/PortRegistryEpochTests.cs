using Portmap.Tests.Support;

namespace Portmap.Tests;

/// <summary>Epochs: unique, rising per owner and per port, and they fence whoever carries
/// one.</summary>
public class PortRegistryEpochTests
{
    [Fact]
    public async Task Epoch_FirstOne_StartsAtTheClock()
    {
        await using Scene scene = new();

        scene.Acquire("b1").Epoch.Should().BeGreaterThanOrEqualTo(scene.Clock.GetUtcNow().ToUnixTimeMilliseconds() << 20);
    }

    [Fact]
    public async Task Epoch_LaterRun_IsHigherThanAnyOfTheEarlier()
    {
        await using Scene earlier = new();
        long last = 0;
        for (int i = 0; i < 100; i++)
        {
            PortLease lease = earlier.Acquire("b1");
            last = Math.Max(last, lease.Epoch);
            lease.TryRelease(out _).Should().BeTrue();
        }

        FakeTimeProvider clock = new(earlier.Clock.GetUtcNow() + TimeSpan.FromMilliseconds(1));
        using PortRegistry later = new(earlier.Options, null, clock);

        later.TryAcquire("b1", out PortLease? first, out _).Should().BeTrue();
        first!.Epoch.Should().BeGreaterThan(last);
    }

    [Fact]
    public async Task Epoch_SameOwnerAndPort_OnlyRises()
    {
        await using Scene scene = new("20000", options => options.ReuseDelay = TimeSpan.Zero);
        List<long> epochs = [];

        // Acquired and process-binds claims draw from one sequence; hopping between threads must
        // not disturb the order.
        for (int i = 0; i < 200; i++)
        {
            bool acquire = i % 2 == 0;
            epochs.Add(await Task.Run(() => acquire ? AcquireAndRelease(scene) : RegisterAndRelease(scene)).Within());
        }

        epochs.Should().BeInAscendingOrder().And.OnlyHaveUniqueItems();
    }

    [Fact]
    public async Task Epoch_ManyThreads_IsUnique()
    {
        await using Scene scene = new("1025-5024");
        long[] epochs = new long[4000];

        Parallel.For(0, epochs.Length, i => epochs[i] = scene.Acquire(FormattableString.Invariant($"owner{i}")).Epoch);

        epochs.Should().OnlyHaveUniqueItems();
    }

    [Fact]
    public async Task Register_HigherEpoch_ReplacesTheLivingClaimOfAnotherProcess()
    {
        await using Scene scene = new();
        PortLease old = scene.Acquire("b1");
        scene.SessionOf(scene.StartChild()).Register("b1", old.Port, old.Epoch);
        PortLease next = scene.Acquire("b1");

        PortEntry entry = scene.SessionOf(scene.StartChild()).Register("b1", next.Port, next.Epoch);

        entry.Epoch.Should().Be(next.Epoch);
        scene.PortOf("b1").Should().Be(next.Port);
        scene.OwnersOn(old.Port).Should().BeEmpty();
        scene.StateOf(old.Port).Should().Be(PortState.Cooling);
    }

    [Fact]
    public async Task Register_LowerEpoch_IsStaleAndNothingComesBack()
    {
        await using Scene scene = new();
        PortLease old = scene.Acquire("b1");
        PortSession oldProcess = scene.SessionOf(scene.StartChild());
        oldProcess.Register("b1", old.Port, old.Epoch);
        PortLease next = scene.Acquire("b1");
        scene.SessionOf(scene.StartChild()).Register("b1", next.Port, next.Epoch);

        oldProcess.RegisterRefused("b1", old.Port, old.Epoch).ShouldExplain(PortRefusalReason.Stale, "b1", old.Epoch);
        oldProcess.ReleaseRefused("b1", old.Port, old.Epoch).ShouldExplain(PortRefusalReason.Stale, "b1", old.Epoch);

        scene.PortOf("b1").Should().Be(next.Port);
        scene.StateOf(old.Port).Should().Be(PortState.Cooling);
    }

    [Fact]
    public async Task Register_EpochOfALeaseThatWasReleased_IsStale()
    {
        // Gluster 0c1578541e: a brick that was stopped meanwhile signed in and made a second entry.
        await using Scene scene = new();
        PortLease lease = scene.Acquire("b1");
        await lease.ReleaseAsync().Within();

        scene.Here.RegisterRefused("b1", lease.Port, lease.Epoch).ShouldExplain(PortRefusalReason.Stale, "b1", lease.Epoch);
        scene.PortOf("b1").Should().Be(0);
    }

    [Fact]
    public async Task Register_EpochOfAnotherOwner_IsRefused()
    {
        await using Scene scene = new();
        PortLease lease = scene.Acquire("b1");

        scene.Here.RegisterRefused("b2", lease.Port, lease.Epoch);

        scene.StateOf(lease.Port).Should().Be(PortState.Reserved);
        scene.PortOf("b2").Should().Be(0);
    }

    [Fact]
    public async Task Register_EpochGivenToNobody_IsStale()
    {
        await using Scene scene = new();
        long given = scene.Acquire("b2").Epoch;

        scene.Here.RegisterRefused("b1", Scene.First, given - 1).ShouldExplain(PortRefusalReason.Stale, given - 1);

        scene.StateOf(Scene.First).Should().NotBe(PortState.Bound);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(1L << 40)]
    [InlineData(1L << 61)]
    [InlineData(long.MaxValue)]
    public async Task Register_EpochThisRunCannotHaveGiven_CountsAsNone(long epoch)
    {
        await using Scene scene = new();

        PortEntry entry = scene.Here.Register("b1", Scene.First, epoch);

        entry.Epoch.Should().BeGreaterThan(scene.Registry.FirstEpoch).And.NotBe(epoch);
        scene.PortOf("b1").Should().Be(Scene.First);
        scene.Here.Release("b1", epoch: epoch);
        scene.PortOf("b1").Should().Be(0);
    }

    [Fact]
    public async Task Register_EpochOfAnEarlierRunOverALivingClaim_IsConflict()
    {
        await using Scene scene = new();
        scene.SessionOf(scene.StartChild()).Register("b1", Scene.First);

        scene.Here.RegisterRefused("b1", 20001, epoch: 1).ShouldExplain(PortRefusalReason.Conflict, "b1", Scene.First);
    }

    [Fact]
    public async Task Register_WithoutEpochOnTheOwnLease_CompletesIt()
    {
        await using Scene scene = new();
        PortLease lease = scene.Acquire("b1");

        PortEntry entry = scene.Here.Register("b1", lease.Port);

        entry.Epoch.Should().Be(lease.Epoch);
        (await lease.WhenBound.Within()).Should().Be(entry);
    }

    [Fact]
    public async Task Register_WithoutEpochBesideAnOpenLease_LeavesTheLeaseOpen()
    {
        await using Scene scene = new();
        PortLease lease = scene.Acquire("b1");
        int own = lease.Port == 20000 ? 20001 : 20000;

        scene.SessionOf(scene.StartChild()).Register("b1", own);

        scene.PortOf("b1").Should().Be(own);
        lease.WhenBound.IsCompleted.Should().BeFalse();
        scene.StateOf(lease.Port).Should().Be(PortState.Reserved);
        scene.Here.Register("b1", lease.Port, lease.Epoch);
        scene.PortOf("b1").Should().Be(lease.Port);
        scene.StateOf(own).Should().Be(PortState.Cooling);
    }

    [Fact]
    public async Task Release_WithTheClaimsEpoch_EndsIt()
    {
        await using Scene scene = new();
        PortLease lease = scene.Acquire("b1");
        scene.Here.Register("b1", lease.Port, lease.Epoch);

        scene.Here.Release("b1", lease.Port, lease.Epoch);

        scene.PortOf("b1").Should().Be(0);
    }

    [Fact]
    public async Task Register_EpochsOfRegistrationsThatAreOver_OnlyTheLastOneIsNotStale()
    {
        await using Scene scene = new();
        PortLease first = scene.Acquire("b1");
        (int port, long old) = (first.Port, first.Epoch);
        scene.Here.Register("b1", port, old);
        scene.Here.Release("b1");
        PortLease second = scene.Acquire("b1");
        (int lastPort, long last) = (second.Port, second.Epoch);
        scene.Here.Register("b1", lastPort, last);
        scene.Here.Release("b1");

        scene.Here.RegisterRefused("b1", port, old).ShouldExplain(PortRefusalReason.Stale, old);
        scene.Here.Register("b1", lastPort, last).Port.Should().Be(lastPort);
    }

    private static long AcquireAndRelease(Scene scene)
    {
        PortLease lease = scene.Acquire("b1");
        lease.TryRelease(out _).Should().BeTrue();
        return lease.Epoch;
    }

    private static long RegisterAndRelease(Scene scene)
    {
        long epoch = scene.Here.Register("b1", 20000).Epoch!.Value;
        scene.Here.Release("b1");
        return epoch;
    }
}
