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

    /// <summary>An opening that finds the damage and then fails, wherever: the next one knows of it
    /// still.</summary>
    [Theory]
    [InlineData(DiskFault.Fails)]
    [InlineData(DiskFault.Killed)]
    [InlineData(DiskFault.PowerLost)]
    internal async Task OpenAsync_OpeningThatFoundTheDamageFails_TheNextGivesNoEpochAgainAndTellsOfIt(DiskFault fault)
    {
        int refused = 0;
        for (int at = 1; ; at++)
        {
            using SimulatedDisk disk = new();
            FakeTimeProvider clock = new(new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero));
            (await OpenAsync(disk, clock)).Dispose();
            int healthy = disk.ContentOf(FilePortStore.FileName).Length;
            long given;
            await using (PortRegistry registry = await OpenAsync(disk, clock))
            {
                given = (await registry.AcquireAsync("a").AsTask().Within()).Epoch;
            }

            Damage(disk, healthy + 10);
            disk.FaultAt = disk.Operations + at;
            disk.Fault = fault;
            bool isOpened = await TryOpenAsync(disk, clock, given);
            bool isStruck = disk.Operations >= disk.FaultAt;
            disk.Fault = DiskFault.None;
            if (!isOpened)
            {
                refused++;
                disk.Restart();
                bool isThere = disk.ContentOf(FilePortStore.FileName).Contains((byte)'?');   // else the new file has taken the name, with the mark
                (await TryOpenAsync(disk, clock, given, isThere)).Should().BeTrue("struck at {0}", at);
            }

            if (!isStruck)
            {
                at.Should().BeGreaterThan(5, "an opening does more than that");
                refused.Should().BePositive("otherwise no opening failed");
                return;
            }
        }
    }

    /// <returns>False when it was refused; one that succeeds gives no epoch again and tells of the
    /// damage.</returns>
    private static async Task<bool> TryOpenAsync(SimulatedDisk disk, FakeTimeProvider clock, long given, bool isThere = true)
    {
        try
        {
            await using PortRegistry registry = await OpenAsync(disk, clock);
            registry.FirstEpoch.Should().BeGreaterThan(given);
            registry.Diagnose().Any(finding => finding.Kind == PortFindingKind.StateUnreadable).Should().Be(isThere);
            return true;
        }
        catch (PortRefusedException)
        {
            return false;
        }
    }

    private static Task<PortRegistry> OpenAsync(SimulatedDisk disk, FakeTimeProvider clock)
    {
        PortRegistryOptions options = new() { Ports = Scene.TenPorts, Strategy = PortRegistryOptions.AllocatorPicks, Probe = false };
        return PortRegistry.OpenOnAsync(options, new FilePortStore(disk.Folder(), clock), Guid.Empty, logger: null, clock, CancellationToken.None).Within();
    }

    private static void Damage(SimulatedDisk disk, int from)
    {
        byte[] content = disk.ContentOf(FilePortStore.FileName);
        using IStateFolder folder = disk.Folder();
        using IStateFile file = folder.Open(FilePortStore.FileName)!;
        Array.Fill(content, (byte)'?', from, content.Length - from - 1);
        file.Write(content, 0);
        file.Sync();
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
