using Portmap.Tests.Support;

namespace Portmap.Tests.Persistence;

/// <summary>What an epoch of another run means: stale where a whole, confirmed state knows better,
/// else it counts as none, so that the worker can come back.</summary>
public sealed class EpochsOfOtherRunsTests
{
    [Theory]
    [InlineData("ProcessBinds")]
    [InlineData("AllocatorPicks")]
    public async Task Register_NoStoreAndTheClockWasAhead_ComesBack(string strategy)
    {
        PortRegistryOptions options = new() { Ports = Scene.TenPorts, Strategy = strategy, Probe = false };
        DateTimeOffset now = DateTimeOffset.UnixEpoch.AddDays(20_000);
        using PortRegistry ahead = new(options, null, new FakeTimeProvider(now.AddHours(10)));
        ahead.TryAcquire("a", out PortLease? lease, out _).Should().BeTrue();
        int port = lease!.Port == 0 ? 50_123 : lease.Port;
        long epoch = ahead.OpenSession(Environment.ProcessId).Register("a", port, lease.Epoch).Epoch!.Value;
        using PortRegistry right = new(options, null, new FakeTimeProvider(now));

        PortEntry entry = right.OpenSession(Environment.ProcessId).Register("a", port, epoch);

        entry.Epoch.Should().BeLessThan(epoch);
        right.TryGetPort("a", out int found).Should().BeTrue();
        found.Should().Be(port);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(5)]
    public async Task Register_StoreDeletedAfterRestarts_ComesBack(int restarts)
    {
        await using StoreScene scene = await StoreScene.OpenAsync();
        for (int i = 0; i < restarts; i++)
        {
            await scene.KillAndOpenAsync();
        }

        PortLease lease = await scene.AcquireAsync("a");
        long epoch = (await scene.RegisterAsync("a", lease.Port, lease.Epoch)).Epoch!.Value;
        scene.Store.Lose(_ => true);
        await scene.KillAndOpenAsync(TimeSpan.FromSeconds(3));

        (await scene.RegisterAsync("a", lease.Port, epoch)).Port.Should().Be(lease.Port);
        scene.PortOf("a").Should().Be(lease.Port);
    }

    [Theory]
    [InlineData(PortDurability.Background, false, PortState.Bound)]
    [InlineData(PortDurability.Confirmed, true, PortState.Bound)]
    [InlineData(PortDurability.Confirmed, false, PortState.Free)]
    public async Task Register_ReplacedInAnEarlierRun_IsStaleOnlyWhereTheStateKnowsForCertain(PortDurability durability, bool isDamaged, PortState expected)
    {
        await using StoreScene scene = await StoreScene.OpenAsync(options => options.Durability = durability);
        PortSession first = scene.Registry.OpenSession(scene.StartChild().Id);
        Child next = scene.StartChild();
        long old = await RegisterNextAsync(scene, first);
        await RegisterNextAsync(scene, scene.Registry.OpenSession(next.Id));
        await scene.Registry.FlushAsync().Within();
        scene.Store.Unreadable = isDamaged ? "Line 7 is damaged." : null;
        next.Kill();
        await scene.KillAndOpenAsync();
        PortSession again = scene.Registry.OpenSession(first.ProcessId);

        if (expected == PortState.Bound)
        {
            (await scene.RegisterAsync("a", 50_123, old, again)).Port.Should().Be(50_123);
        }
        else
        {
            (await again.RegisterAsync(new PortClaimRequest("a", 50_123) { Epoch = old }).RefusalAsync()).ShouldExplain(PortRefusalReason.Stale, old).HolderEpoch.Should().BeGreaterThan(old);
            scene.PortOf("a").Should().Be(0);
        }
    }

    [Theory]
    [InlineData(false, 0)]
    [InlineData(false, 12)]
    [InlineData(true, 0)]
    [InlineData(true, 12)]
    public async Task Register_ReplacedOneAfterARestartAndTheDeathOfItsSuccessor_IsStale(bool replacedAfterTheRestart, int seconds)
    {
        await using StoreScene scene = await StoreScene.OpenAsync();
        PortSession first = scene.Registry.OpenSession(scene.StartChild().Id);
        Child next = scene.StartChild();
        long old = await RegisterNextAsync(scene, first);
        if (!replacedAfterTheRestart)
        {
            await RegisterNextAsync(scene, scene.Registry.OpenSession(next.Id));
        }

        await scene.KillAndOpenAsync();
        if (replacedAfterTheRestart)
        {
            await RegisterNextAsync(scene, scene.Registry.OpenSession(next.Id));
        }

        next.Kill();
        scene.Clock.Advance(TimeSpan.FromSeconds(seconds));
        PortSession again = scene.Registry.OpenSession(first.ProcessId);

        (await again.RegisterAsync(new PortClaimRequest("a", 50_123) { Epoch = old }).RefusalAsync()).ShouldExplain(PortRefusalReason.Stale, old).HolderEpoch.Should().BeGreaterThan(old);
        scene.PortOf("a").Should().NotBe(50_123);
        await scene.KillAndOpenAsync(TimeSpan.FromSeconds(1));
        (await scene.Registry.OpenSession(first.ProcessId).RegisterAsync(new PortClaimRequest("a", 50_123) { Epoch = old }).RefusalAsync()).Reason.Should().Be(PortRefusalReason.Stale, "and after one more");
    }

    [Theory]
    [InlineData(0)]
    [InlineData(12)]
    public async Task Register_TheSameEpochAgainOverRestarts_IsAcceptedEachTime(int seconds)
    {
        await using StoreScene scene = await StoreScene.OpenAsync();
        PortLease lease = await scene.AcquireAsync("a");
        (int port, long given) = (lease.Port, lease.Epoch);
        for (int child = 0; child < 4; child++)
        {
            using Child process = Child.Start();
            PortSession session = scene.Registry.OpenSession(process.Id);
            await scene.RegisterAsync("a", port, given, session);
            await scene.KillAndOpenAsync();
            await scene.RegisterAsync("a", port, given, scene.Registry.OpenSession(process.Id));
            process.Kill();
            scene.Clock.Advance(TimeSpan.FromSeconds(seconds));
        }
    }

    private static async Task<long> RegisterNextAsync(StoreScene scene, PortSession session)
    {
        PortLease lease = await scene.AcquireAsync("a");
        long given = lease.Epoch;
        await scene.RegisterAsync("a", lease.Port, given, session);
        return given;
    }
}
