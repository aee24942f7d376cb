using Portmap.Tests.Support;

namespace Portmap.Tests;

/// <summary>The same epoch again, by a wrapper that restarts its child with its environment:
/// accepted while the owner has nothing newer, whatever the time.</summary>
public class EpochAgainTests
{
    public static TheoryData<int, string> Times => new()
    {
        { 0, "ProcessBinds" }, { 0, "AllocatorPicks" }, { 1_800, "ProcessBinds" }, { 1_800, "AllocatorPicks" }, { 120_000, "ProcessBinds" }, { 120_000, "AllocatorPicks" },
    };

    [Theory]
    [MemberData(nameof(Times))]
    public async Task Register_AfterTheDeathOfEachPredecessor_IsAcceptedEachTime(int afterMs, string strategy)
    {
        await using Scene scene = new(configure: options => options.Strategy = strategy);
        PortLease lease = scene.Acquire("a");
        (int port, long given) = (lease.Port == 0 ? 50_123 : lease.Port, lease.Epoch);
        List<long> epochs = [];
        for (int child = 0; child < 4; child++)
        {
            using Child process = Child.Start();
            epochs.Add(scene.Registry.OpenSession(process.Id).Register("a", strategy == "ProcessBinds" ? port + child : port, given).Epoch!.Value);
            process.Kill();
            scene.Clock.Advance(TimeSpan.FromMilliseconds(afterMs));
        }

        epochs.Should().BeInAscendingOrder().And.OnlyHaveUniqueItems();
    }

    [Fact]
    public async Task Register_OnAnotherPort_KeepsTheStrategyOfItsLease()
    {
        await using Scene scene = new(configure: options => options.Strategy = PortRegistryOptions.ProcessBinds);
        PortLease lease = scene.Acquire(new PortRequest("a") { Strategy = PortRegistryOptions.AllocatorPicks });
        (int port, long given) = (lease.Port, lease.Epoch);
        scene.Here.Register("a", port, given).Strategy.Should().Be(PortRegistryOptions.AllocatorPicks);

        PortEntry again = scene.Here.Register("a", 50_123, given);

        (again.Port, again.Strategy).Should().Be((50_123, PortRegistryOptions.AllocatorPicks));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1_800)]
    public async Task Register_AfterASignOut_IsAccepted(int afterMs)
    {
        await using Scene scene = new();
        PortLease lease = scene.Acquire("a");
        (int port, long given) = (lease.Port, lease.Epoch);
        scene.Here.Register("a", port, given);
        scene.Here.Release("a", port, given);
        scene.Clock.Advance(TimeSpan.FromMilliseconds(afterMs));

        scene.Here.Register("a", port, given).Epoch.Should().BeGreaterThan(given);
    }

    [Fact]
    public async Task Register_AfterALaterLeaseWasGivenBackUnused_IsAccepted()
    {
        await using Scene scene = new();
        PortLease lease = scene.Acquire("a");
        (int port, long given) = (lease.Port, lease.Epoch);
        scene.Here.Register("a", port, given);
        scene.Here.Release("a");
        scene.Acquire("a").TryRelease(out _).Should().BeTrue();

        scene.Here.Register("a", port, given).Port.Should().Be(port, "a lease that nobody used is nothing newer");
    }

    [Theory]
    [MemberData(nameof(Times))]
    public async Task Register_WhenTheOwnerHasANewerRegistration_IsStaleThenAndAfterItsDeath(int afterMs, string strategy)
    {
        await using Scene scene = new(configure: options => options.Strategy = strategy);
        long old = RegisterNext(scene, scene.StartChild(), 50_123);
        Child next = scene.StartChild();
        RegisterNext(scene, next, 50_124);
        scene.Here.RegisterRefused("a", 50_125, old).Reason.Should().Be(PortRefusalReason.Stale);
        next.Kill();
        scene.Clock.Advance(TimeSpan.FromMilliseconds(afterMs));

        PortRefusal refusal = scene.Here.RegisterRefused("a", 50_125, old).ShouldExplain(PortRefusalReason.Stale, old);
        refusal.HolderEpoch.Should().BeGreaterThan(old, "a worker that is told of no newer one takes itself for the last");
        scene.PortOf("a").Should().NotBe(50_125);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1_800)]
    public async Task Register_WhileANewerLeaseIsOpen_IsStale(int afterMs)
    {
        await using Scene scene = new();
        Child first = scene.StartChild();
        long old = RegisterNext(scene, first, 50_123);
        PortLease next = scene.Acquire("a");
        first.Kill();
        scene.Clock.Advance(TimeSpan.FromMilliseconds(afterMs));

        scene.Here.RegisterRefused("a", 50_124, old).ShouldExplain(PortRefusalReason.Stale, old, next.Epoch);
        scene.StateOf(next.Port).Should().Be(PortState.Reserved);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1_800)]
    public async Task Register_WhileThePredecessorLives_IsConflict(int afterMs)
    {
        await using Scene scene = new();
        long given = RegisterNext(scene, scene.StartChild(), 50_123);
        scene.Clock.Advance(TimeSpan.FromMilliseconds(afterMs));

        scene.Here.RegisterRefused("a", 50_124, given).Reason.Should().Be(PortRefusalReason.Conflict);
    }

    [Fact]
    public async Task Register_EpochOfALeaseThatWasNeverUsed_IsStaleThoughTheOwnerWasRegisteredBefore()
    {
        await using Scene scene = new();
        long old = RegisterNext(scene, scene.StartChild(), 50_123);
        PortLease next = scene.Acquire("a");
        next.TryRelease(out _).Should().BeTrue();

        scene.Here.RegisterRefused("a", next.Port, next.Epoch).Reason.Should().Be(PortRefusalReason.Stale);
        scene.PortOf("a").Should().NotBe(next.Port);
        old.Should().BeLessThan(next.Epoch);
    }

    [Fact]
    public async Task Register_ManyOwnersThatCameAndWent_EachIsRememberedUntilItsPortHasAnother()
    {
        await using Scene scene = new();
        Dictionary<string, (int Port, long Epoch)> gone = [];
        for (int i = 0; i < 3_000; i++)
        {
            PortLease lease = scene.Acquire(new PortRequest($"a{i}") { Strategy = PortRegistryOptions.ProcessBinds });
            gone.Add($"a{i}", (30_000 + i, lease.Epoch));
            scene.Here.Register($"a{i}", 30_000 + i, lease.Epoch);
            scene.Here.Release($"a{i}");
        }

        scene.Here.Register("other", 30_007);
        scene.Here.RegisterRefused("a7", 40_000, gone["a7"].Epoch).Reason.Should().Be(PortRefusalReason.Stale, "nobody remembers for ever");
        foreach ((string owner, (int port, long epoch)) in gone.Where(pair => pair.Key != "a7"))
        {
            scene.Here.Register(owner, port, epoch);
        }

        scene.Registry.AssertInvariants();
    }

    /// <summary>Acquires and registers the owner once more.</summary>
    private static long RegisterNext(Scene scene, Child process, int port)
    {
        PortLease lease = scene.Acquire("a");
        long given = lease.Epoch;
        scene.SessionOf(process).Register("a", lease.Port == 0 ? port : lease.Port, given);
        return given;
    }
}
