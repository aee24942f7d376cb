using Portmap.Persistence;
using Portmap.Table;
using Portmap.Tests.Support;

namespace Portmap.Tests.Persistence;

/// <summary>No epoch is given twice, whatever of the state was lost, and none is beyond what a
/// number holds.</summary>
public sealed class EpochsOverDamageTests
{
    [Fact]
    public async Task OpenAsync_FactsWithoutAMark_BeginsNoLowerThanWithoutAStore()
    {
        await using StoreScene scene = await StoreScene.OpenAsync();
        FakePortStore store = await StoreOfAsync(FactGen.Ended("a", 20_000, 16));

        await using PortRegistry registry = await OpenAsync(scene, store);

        registry.FirstEpoch.Should().BeGreaterThan(EpochSource.FirstAt(scene.Clock.GetUtcNow()), "most of what was given may be lost");
    }

    /// <summary>What was damaged is the newest mark, and all facts above the one before.</summary>
    [Fact]
    public async Task OpenAsync_NewestMarkAndAllAboveTheOneBeforeAreDamaged_GivesNoEpochAgain()
    {
        await using StoreScene scene = await StoreScene.OpenAsync();
        PortFact before = scene.Store.Mark!;
        await scene.KillAndOpenAsync(TimeSpan.FromSeconds(1));
        PortLease lease = await scene.AcquireAsync("a");
        lease.Epoch.Should().BeGreaterThan(before.Epoch);
        FakePortStore damaged = await StoreOfAsync(before);
        damaged.Unreadable = "218 bytes from byte 31 on are damaged.";

        await using PortRegistry registry = await OpenAsync(scene, damaged);

        registry.FirstEpoch.Should().BeGreaterThan(lease.Epoch);
        (await registry.AcquireAsync("b").AsTask().Within()).Epoch.Should().BeGreaterThan(lease.Epoch);
    }

    [Fact]
    public async Task OpenAsync_DamageLongAfterTheLastMark_BeginsNoLowerThanWithoutAStore()
    {
        await using StoreScene scene = await StoreScene.OpenAsync();
        PortFact before = scene.Store.Mark!;
        scene.Clock.Advance(TimeSpan.FromHours(3));   // of many restarts
        FakePortStore damaged = await StoreOfAsync(before);
        damaged.Unreadable = "218 bytes from byte 31 on are damaged.";

        await using PortRegistry registry = await OpenAsync(scene, damaged);

        registry.FirstEpoch.Should().BeGreaterThan(EpochSource.FirstAt(scene.Clock.GetUtcNow()));
    }

    [Theory]
    [InlineData(long.MaxValue, true)]
    [InlineData(long.MaxValue, false)]
    [InlineData(long.MaxValue - OpenedStore.MarkAhead, true)]
    [InlineData(long.MaxValue - OpenedStore.MarkAhead, false)]
    [InlineData(long.MaxValue - (1L << 60), false)]
    public async Task OpenAsync_EpochNearTheEndOfTheNumbers_IsRefusedAndNothingIsWritten(long epoch, bool isMark)
    {
        await using StoreScene scene = await StoreScene.OpenAsync();
        FakePortStore store = await StoreOfAsync(isMark ? PortFact.Mark(epoch) : FactGen.Ended("a", 20_000, epoch));
        int batches = store.Batches.Count;

        PortRefusal refusal = await PortRegistry.OpenOnAsync(scene.Options, store, scene.BootId, null, scene.Clock, CancellationToken.None).RefusalAsync();

        refusal.ShouldExplain(PortRefusalReason.StateUnreadable, epoch, 3L << 61, "StateFolder");
        store.Batches.Count.Should().Be(batches);
    }

    [Fact]
    public async Task OpenAsync_ClockFarAheadInEveryRun_Opens()
    {
        PortRegistryOptions options = new() { Ports = Scene.TenPorts, Strategy = PortRegistryOptions.AllocatorPicks, Probe = false };
        FakeTimeProvider clock = new(DateTimeOffset.MaxValue.AddYears(-1));
        FakePortStore store = new();
        long last = 0;
        for (int i = 0; i < 3; i++)
        {
            await using PortRegistry registry = await PortRegistry.OpenOnAsync(options, store, Guid.NewGuid(), null, clock, CancellationToken.None).Within();
            registry.FirstEpoch.Should().BeGreaterThan(last);
            last = (await registry.AcquireAsync("a").AsTask().Within()).Epoch;
        }
    }

    private static async Task<FakePortStore> StoreOfAsync(params PortFact[] facts)
    {
        FakePortStore store = new();
        await store.AppendAsync(facts, CancellationToken.None).AsTask().Within();
        return store;
    }

    private static Task<PortRegistry> OpenAsync(StoreScene scene, FakePortStore store) =>
        PortRegistry.OpenOnAsync(scene.Options, store, scene.BootId, null, scene.Clock, CancellationToken.None).Within();
}
