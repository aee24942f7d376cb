using Portmap.Operations;
using Portmap.Persistence;
using Portmap.Table;
using Portmap.Tests.Support;

namespace Portmap.Tests.Persistence;

/// <summary>When facts come to the disk in the background, and how far ahead the mark of the epochs
/// is.</summary>
public sealed class ClaimJournalTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(100)]
    [InlineData(5_000)]
    public async Task Background_ChangeAtAnyMoment_IsOnDiskWithinBackgroundFlush(int flushMs)
    {
        TimeSpan flush = TimeSpan.FromMilliseconds(flushMs);
        await using StoreScene scene = await StoreScene.OpenAsync(options =>
        {
            options.Ports = "20000-20099";
            options.Durability = PortDurability.Background;
            options.BackgroundFlush = flush;
            options.LivenessInterval = TimeSpan.FromHours(1);   // so that no pass of the registry helps
            options.LeaseTimeout = TimeSpan.FromHours(24);
        });
        for (int i = 0; i < 10; i++)
        {
            scene.Clock.Advance(flush / 10);   // wherever it falls between two ticks
            await scene.Registry.FlushAsync().Within();
            string owner = $"a{i}";
            scene.Registry.TryAcquire(owner, out _, out _).Should().BeTrue();
            scene.Clock.Advance(flush);
            await Eventually.TrueAsync(() => scene.Store.Facts.Any(fact => fact.Owner == owner));
        }
    }

    /// <summary>The timer of the system takes a period of less than a millisecond for none.</summary>
    [Theory]
    [InlineData(1_000)]
    [InlineData(1_999)]
    public async Task Background_ShortestFlushByTheClockOfTheSystem_IsOnDisk(int flushUs)
    {
        FakePortStore memory = new();
        WatchedStore store = new(memory);
        PortRegistryOptions options = new()
        {
            Ports = Scene.TenPorts,
            Strategy = PortRegistryOptions.AllocatorPicks,
            Probe = false,
            Durability = PortDurability.Background,
            BackgroundFlush = TimeSpan.FromMicroseconds(flushUs),
            LivenessInterval = TimeSpan.FromHours(1),   // so that no pass of the registry helps
            LeaseTimeout = TimeSpan.FromHours(24),
        };
        await using PortRegistry registry = await PortRegistry.OpenAsync(options, store).Within();
        for (int i = 0; i < 3; i++)
        {
            TaskCompletionSource appends = new(TaskCreationOptions.RunContinuationsAsynchronously);
            store.Before = _ =>
            {
                appends.TrySetResult();
                return Task.CompletedTask;
            };
            registry.TryAcquire($"a{i}", out _, out _).Should().BeTrue();
            await appends.Task.Within();
            await registry.FlushAsync().Within();
            memory.Facts.Should().HaveCount(i + 1);
        }
    }

    [Fact]
    public async Task Background_BeforeATick_NothingIsWritten()
    {
        await using StoreScene scene = await StoreScene.OpenAsync(options => options.Durability = PortDurability.Background);
        int before = scene.Store.Batches.Count;
        for (int i = 0; i < 5; i++)
        {
            scene.Registry.TryAcquire($"a{i}", out _, out _).Should().BeTrue();
        }

        scene.Store.Batches.Count.Should().Be(before, "they come together");
        scene.Clock.Advance(scene.Options.BackgroundFlush);
        await Eventually.TrueAsync(() => scene.Store.Facts.Count == 5);
        (scene.Store.Batches.Count - before).Should().BeLessThanOrEqualTo(2);
    }

    [Fact]
    public async Task Background_SeveralChanges_AreWrittenInTheOrderInWhichTheyHappened()
    {
        await using StoreScene scene = await StoreScene.OpenAsync(options => options.Durability = PortDurability.Background);
        string[] owners = ["a0", "a1", "a2", "a3", "a4"];
        Array.ForEach(owners, owner => scene.Registry.TryAcquire(owner, out _, out _).Should().BeTrue());

        scene.Clock.Advance(scene.Options.BackgroundFlush);
        await Eventually.TrueAsync(() => scene.Store.Facts.Count == owners.Length);

        scene.Store.Batches.SelectMany(batch => batch).Where(fact => !fact.IsMark).Select(fact => fact.Owner)
            .Should().Equal(owners, "a person who reads the file reads what happened");
    }

    [Theory]
    [InlineData(PortDurability.Background, 1)]
    [InlineData(PortDurability.Confirmed, 1)]
    [InlineData(PortDurability.Background, 2)]
    [InlineData(PortDurability.Confirmed, 2)]
    public async Task Epochs_ComeNearTheMark_TheMarkMovesOn(PortDurability durability, int groupOf)
    {
        const long Mark = OpenedStore.MarkAhead;
        await using PortRegistry registry = new(new PortRegistryOptions { Ports = "20000-20099", Probe = false, Durability = durability });
        FakePortStore store = new();
        OpenedStore opened = new(store, Guid.NewGuid(), Recovery.Of(new PortFactSet(), Guid.Empty, DateTimeOffset.UnixEpoch, TimeSpan.Zero, _ => true), FirstEpoch: 0, [], []);
        await using ClaimJournal journal = new(registry.Parts, new Findings(registry.Parts.Log), opened);
        for (long epoch = 16; epoch < 6 * OpenedStore.MarkAhead; epoch += OpenedStore.MarkAhead / 8)
        {
            PortClaim[] claims = [.. Enumerable.Range(0, groupOf).Select(i => Claim(i, epoch))];
            (groupOf == 1 ? ((IClaimJournal)journal).TryQueue(new ClaimView(claims[0])) : ((IClaimJournal)journal).TryQueue(claims)).Should().BeTrue();
            await journal.FlushAsync().Within();
            long mark = Math.Max(Mark, store.Mark?.Epoch ?? 0);
            mark.Should().BeGreaterThan(epoch + (OpenedStore.MarkAhead / 4), "a run that starts after a crash must begin above {0}", epoch);
            mark.Should().BeLessThan(epoch + (2 * OpenedStore.MarkAhead), "it is set ahead once in a while");
        }

        PortClaim Claim(int i, long epoch)
        {
            PortClaim claim = PortClaim.Pending(
                new NewClaim { Protocol = PortProtocol.Tcp, Port = 20_000 + i, Epoch = epoch + i, Lease = new PortLease(registry, $"a{i}") }, journal.Confirms);
            claim.Cell = new OwnerCell($"a{i}", PortProtocol.Tcp, 1, claim);
            return claim;
        }
    }
}
