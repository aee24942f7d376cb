using System.Collections.Immutable;
using Portmap.Tests.Support;

namespace Portmap.Tests;

/// <summary>Watch: every change once, in order, and a slow reader costs nothing but its own
/// place.</summary>
public class PortRegistryWatchTests
{
    [Fact]
    public async Task Watch_LifeOfAnEntry_ReportsEachChangeInOrder()
    {
        await using Scene scene = new();
        await using WatchReader watch = WatchReader.FromNow(scene.Registry);
        PortLease lease = scene.Acquire("b1");
        scene.Here.Register("b1", lease.Port, lease.Epoch);
        scene.Here.Release("b1");

        List<PortChange> changes = [await watch.NextAsync(), await watch.NextAsync(), await watch.NextAsync()];

        changes.Select(change => change.Kind).Should().Equal(PortChangeKind.Acquired, PortChangeKind.Registered, PortChangeKind.Released);
        changes.Select(change => change.Entry.State).Should().Equal(PortState.Reserved, PortState.Bound, PortState.Cooling);
        changes.Should().OnlyContain(change => change.Entry.Owner == "b1" && change.Entry.Port == lease.Port && change.Entry.Epoch == lease.Epoch);
        changes.Select(change => change.Revision - changes[0].Revision).Should().Equal(0, 1, 2);
    }

    [Fact]
    public async Task Watch_LeaseEnds_NamesTheReason()
    {
        await using Scene scene = new();
        await using WatchReader watch = WatchReader.FromNow(scene.Registry);

        PortLease taken = scene.Acquire("loser");
        scene.Here.Register("winner", taken.Port);
        (await watch.NextAsync(PortChangeKind.Taken)).Entry.Owner.Should().Be("loser");

        PortLease failed = scene.Acquire("unlucky");
        await failed.ReportBindFailureAsync().Within();
        (await watch.NextAsync(PortChangeKind.BindFailed)).Entry.State.Should().Be(PortState.Cooling, "nobody has looked who has it");
        (await watch.NextAsync(PortChangeKind.FoundForeign)).Entry.State.Should().Be(PortState.Foreign, "a look agrees");

        PortLease next = scene.Acquire("winner");
        scene.Here.Register("winner", next.Port, next.Epoch);
        (await watch.NextAsync(PortChangeKind.Replaced)).Entry.Should().BeEquivalentTo(new { Owner = "winner", taken.Port });

        scene.Acquire("late");
        scene.Clock.Advance(TimeSpan.FromSeconds(61));
        (await watch.NextAsync(PortChangeKind.Expired)).Entry.State.Should().Be(PortState.Cooling);
    }

    [Theory]
    [InlineData(PortRegistryOptions.AllocatorPicks)]
    [InlineData(PortRegistryOptions.ProcessBinds)]
    public async Task Watch_BindFailsAndNobodyHasThePort_SaysWhatTheRegistrySays(string strategy)
    {
        await using PortTestWorld world = new(options => (options.Ports, options.Strategy) = ("20000-20009", strategy));
        PortLease lease = await world.Registry.AcquireAsync("b1");
        int failed = lease.Port;
        await using WatchReader watch = WatchReader.FromNow(world.Registry);
        if (failed == 0)
        {
            await using PortSession session = world.StartProcess().Connect(world.Registry);
            await session.ReportBindFailureAsync(new PortClaimRequest("b1", 20_005) { Epoch = lease.Epoch }).AsTask().Within();
        }
        else
        {
            await lease.ReportBindFailureAsync().Within();
        }

        PortEntry told = (await watch.NextAsync(PortChangeKind.BindFailed)).Entry;

        (told.Port, told.State).Should().Be((failed, PortState.Cooling));
        world.Registry.Snapshot().Entries.Should().NotContain(entry => entry.State == PortState.Foreign);
    }

    [Fact]
    public async Task Watch_StrangerFound_ReportsIt()
    {
        PortRange range = PortBlock.Take(1);
        await using Scene scene = Scene.OnRealPorts(range);
        using Stranger stranger = Stranger.Listening(range.First);
        await using WatchReader watch = WatchReader.FromNow(scene.Registry);

        scene.AcquireRefused("b1");

        (await watch.NextAsync(PortChangeKind.FoundForeign)).Entry.Should().BeEquivalentTo(new { range.First, State = PortState.Foreign }, o => o.ExcludingMissingMembers());
    }

    [Fact]
    public async Task Watch_AfterASnapshot_MissesNothingAndRepeatsNothing()
    {
        await using Scene scene = new();
        scene.Acquire("before");
        long revision = scene.Registry.Snapshot().Revision;
        scene.Acquire("after");
        await using WatchReader watch = WatchReader.After(scene.Registry, revision);

        PortChange change = await watch.NextAsync();

        change.Entry.Owner.Should().Be("after");
        change.Revision.Should().Be(revision + 1);
    }

    [Fact]
    public async Task Watch_TokenIsCancelledAlready_TellsNothing()
    {
        await using Scene scene = new();
        await using IAsyncEnumerator<PortUpdate> updates = scene.Registry.WatchAsync(cancellationToken: new CancellationToken(canceled: true)).GetAsyncEnumerator();

        await FluentActions.Awaiting(() => NextAsync(updates)).Should().ThrowAsync<OperationCanceledException>();
    }

    [Fact]
    public async Task Watch_Default_BeginsWithASnapshotThenTellsChanges()
    {
        await using Scene scene = new();
        scene.Acquire("before");
        await using IAsyncEnumerator<PortUpdate> updates = scene.Registry.WatchAsync().GetAsyncEnumerator();

        PortUpdate first = await NextAsync(updates);
        Task<bool> next = updates.MoveNextAsync().AsTask();
        next.IsCompleted.Should().BeFalse();
        scene.Acquire("after");

        first.Snapshot!.Entries.Should().ContainSingle().Which.Owner.Should().Be("before");
        first.Snapshot.Revision.Should().Be(first.Revision);
        first.Changes.Should().BeEmpty();
        (await next.Within()).Should().BeTrue();
        updates.Current.Snapshot.Should().BeNull();
        updates.Current.Changes.Should().ContainSingle().Which.Entry.Owner.Should().Be("after");
        updates.Current.Revision.Should().Be(first.Revision + 1);
    }

    [Theory]
    [InlineData(1, new[] { 1 })]
    [InlineData(300, new[] { 300 })]
    [InlineData(1_100, new[] { 512, 512, 76 })]
    public async Task Watch_ManyChangesAtOnce_ComeInBatchesWithoutAGap(int count, int[] batches)
    {
        await using Scene scene = new();
        long revision = scene.Registry.Snapshot().Revision;
        for (int i = 0; i < count; i++)
        {
            scene.Here.Register(FormattableString.Invariant($"b{i}"), Scene.First);
        }

        await using IAsyncEnumerator<PortUpdate> updates = scene.Registry.WatchAsync(revision).GetAsyncEnumerator();
        List<PortChange> changes = [];
        foreach (int batch in batches)
        {
            PortUpdate update = await NextAsync(updates);
            update.Changes.Should().HaveCount(batch);
            update.Revision.Should().Be(update.Changes[^1].Revision);
            changes.AddRange(update.Changes);
        }

        changes.Select(change => change.Revision).Should().Equal(Enumerable.Range(1, count).Select(i => revision + i));
        changes.Select(change => change.Entry.Owner).Should().Equal(Enumerable.Range(0, count).Select(i => FormattableString.Invariant($"b{i}")));
    }

    [Fact]
    public async Task Watch_SlowReader_GoesOnWithASnapshotThatHoldsAll()
    {
        await using Scene scene = new(configure: options => options.WatchCapacity = 16);
        await using IAsyncEnumerator<PortUpdate> slow = scene.Registry.WatchAsync().GetAsyncEnumerator();
        await NextAsync(slow);
        for (int i = 0; i < 100; i++)
        {
            scene.Here.Register(FormattableString.Invariant($"b{i}"), Scene.First);
        }

        PortUpdate anew = await NextAsync(slow);
        scene.Acquire("later");

        anew.Snapshot!.Entries.Should().HaveCount(100);
        (await NextAsync(slow)).Changes.Should().ContainSingle().Which.Entry.Owner.Should().Be("later");
    }

    [Fact]
    public async Task Watch_SlowReaderWithoutSnapshots_IsToldOfTheGapAndGoesOn()
    {
        await using Scene scene = new(configure: options => options.WatchCapacity = 16);
        await using IAsyncEnumerator<PortUpdate> slow = scene.Registry.WatchAsync(snapshots: false).GetAsyncEnumerator();
        PortUpdate begin = await NextAsync(slow);
        for (int i = 0; i < 17; i++)
        {
            scene.Here.Register(FormattableString.Invariant($"b{i}"), Scene.First);
        }

        PortUpdate gap = await NextAsync(slow);
        scene.Acquire("later");

        begin.Should().BeEquivalentTo(new { Revision = begin.Revision, Snapshot = (PortSnapshot?)null, Changes = ImmutableArray<PortChange>.Empty });
        gap.Should().BeEquivalentTo(new { Revision = begin.Revision + 17, Snapshot = (PortSnapshot?)null, Changes = ImmutableArray<PortChange>.Empty });
        (await NextAsync(slow)).Changes.Should().ContainSingle().Which.Entry.Owner.Should().Be("later");
    }

    [Fact]
    public async Task Watch_ReaderWithinTheRing_GetsEveryChange()
    {
        await using Scene scene = new(configure: options => options.WatchCapacity = 16);
        long revision = scene.Registry.Snapshot().Revision;
        for (int i = 0; i < 16; i++)
        {
            scene.Here.Register(FormattableString.Invariant($"owner{i}"), Scene.First);
        }

        await using WatchReader watch = WatchReader.After(scene.Registry, revision);
        for (int i = 0; i < 16; i++)
        {
            PortChange change = await watch.NextAsync();
            change.Entry.Owner.Should().Be(FormattableString.Invariant($"owner{i}"));
            change.Revision.Should().Be(revision + 1 + i);
        }
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(0)]
    [InlineData(5)]
    public async Task Watch_RevisionOfAnEarlierRun_BeginsWithASnapshot(long revision)
    {
        await using Scene scene = new();
        scene.Acquire("b1");
        await using IAsyncEnumerator<PortUpdate> updates = scene.Registry.WatchAsync(revision).GetAsyncEnumerator();

        (await NextAsync(updates)).Snapshot!.Entries.Should().ContainSingle().Which.Owner.Should().Be("b1");
    }

    [Theory]
    [InlineData(1)]
    [InlineData(15)]
    [InlineData(16)]
    [InlineData(1_000_000)]
    [InlineData(long.MaxValue)]
    public async Task Watch_RevisionOfTheFuture_BeginsWithASnapshotAndDoesNotWaitForIt(long ahead)
    {
        await using Scene scene = new(configure: options => options.WatchCapacity = 16);
        scene.Acquire("b1");
        long revision = scene.Registry.Snapshot().Revision;
        await using IAsyncEnumerator<PortUpdate> updates = scene.Registry
            .WatchAsync(ahead == long.MaxValue ? ahead : revision + ahead).GetAsyncEnumerator();

        PortUpdate first = await NextAsync(updates);

        first.Snapshot!.Entries.Should().ContainSingle().Which.Owner.Should().Be("b1");
        first.Revision.Should().Be(revision);
    }

    [Fact]
    public async Task Watch_WithoutSnapshots_BeginsWithTheCallAndMissesNothing()
    {
        await using Scene scene = new();
        scene.Acquire("before");
        long revision = scene.Registry.Snapshot().Revision;
        IAsyncEnumerable<PortUpdate> fromNow = scene.Registry.WatchAsync(snapshots: false);
        scene.Acquire("b1");
        scene.Acquire("b2");

        for (int enumeration = 0; enumeration < 2; enumeration++)
        {
            await using IAsyncEnumerator<PortUpdate> updates = fromNow.GetAsyncEnumerator();
            (await NextAsync(updates)).Should().BeEquivalentTo(new { Revision = revision, Changes = ImmutableArray<PortChange>.Empty });
            (await NextAsync(updates)).Changes.Select(change => change.Entry.Owner).Should().Equal("b1", "b2");
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Watch_Cancelled_StopsWaiting(bool byTheEnumerator)
    {
        await using Scene scene = new();
        using CancellationTokenSource stop = new();
        IAsyncEnumerable<PortUpdate> watch = scene.Registry.WatchAsync(cancellationToken: byTheEnumerator ? CancellationToken.None : stop.Token);
        await using IAsyncEnumerator<PortUpdate> updates = watch.GetAsyncEnumerator(byTheEnumerator ? stop.Token : CancellationToken.None);
        await NextAsync(updates);
        Task<bool> next = updates.MoveNextAsync().AsTask();

        await stop.CancelAsync();

        Func<Task> wait = () => next.Within();
        await wait.Should().ThrowAsync<OperationCanceledException>();
    }

    [Fact]
    public async Task Watch_DisposedWhileItWaits_EndsTheWaitWithoutAnException()
    {
        await using Scene scene = new();
        IAsyncEnumerator<PortUpdate> updates = scene.Registry.WatchAsync().GetAsyncEnumerator();
        await NextAsync(updates);
        Task<bool> next = updates.MoveNextAsync().AsTask();
        next.IsCompleted.Should().BeFalse();

        await updates.DisposeAsync().AsTask().Within();

        (await next.Within()).Should().BeFalse();
        (await updates.MoveNextAsync().AsTask().Within()).Should().BeFalse();
        await updates.DisposeAsync().AsTask().Within();
    }

    [Fact]
    public async Task Watch_DisposedByAnotherThreadAtAnyMoment_NeitherHangsNorThrows()
    {
        await using Scene scene = new();
        for (int round = 0; round < 300; round++)
        {
            IAsyncEnumerator<PortUpdate> updates = scene.Registry.WatchAsync().GetAsyncEnumerator();
            Task reading = Task.Run(async () =>
            {
                while (await updates.MoveNextAsync())
                {
                }
            });
            Task changing = Task.Run(() => scene.Here.Register(FormattableString.Invariant($"b{round}"), Scene.First));
            Task disposing = Task.Run(() => updates.DisposeAsync().AsTask());

            await Task.WhenAll(reading, changing, disposing).Within();
        }
    }

    [Fact]
    public async Task Watch_SecondStepBeforeTheFirstIsOver_Throws()
    {
        await using Scene scene = new();
        await using IAsyncEnumerator<PortUpdate> updates = scene.Registry.WatchAsync().GetAsyncEnumerator();
        await NextAsync(updates);
        Task<bool> next = updates.MoveNextAsync().AsTask();

        Func<Task> second = () => updates.MoveNextAsync().AsTask();

        await second.Should().ThrowAsync<InvalidOperationException>();
        scene.Acquire("b1");
        (await next.Within()).Should().BeTrue();
    }

    [Fact]
    public async Task Watch_RegistryIsDisposed_Ends()
    {
        Scene scene = new();
        await using IAsyncEnumerator<PortUpdate> updates = scene.Registry.WatchAsync().GetAsyncEnumerator();
        await NextAsync(updates);
        Task<bool> next = updates.MoveNextAsync().AsTask();

        await scene.DisposeAsync();

        while (await next.Within())
        {
            next = updates.MoveNextAsync().AsTask();   // what the end of the scene changed
        }
    }

    [Fact]
    public async Task Watch_ManyReaders_SeeTheSame()
    {
        await using Scene scene = new();
        long revision = scene.Registry.Snapshot().Revision;
        Task<List<PortChange>>[] readers = [.. Enumerable.Range(0, 4).Select(_ => Task.Run(() => ReadAsync(scene.Registry, revision, 200)))];

        for (int i = 0; i < 100; i++)
        {
            scene.Here.Register("b1", 20000);
            scene.Here.Release("b1");
        }

        List<PortChange>[] seen = await Task.WhenAll(readers).Within();
        foreach (List<PortChange> changes in seen)
        {
            changes.Should().Equal(seen[0]);
        }
    }

    private static async Task<PortUpdate> NextAsync(IAsyncEnumerator<PortUpdate> updates)
    {
        (await updates.MoveNextAsync().AsTask().Within()).Should().BeTrue("the map goes on changing");
        return updates.Current;
    }

    private static async Task<List<PortChange>> ReadAsync(PortRegistry registry, long revision, int count)
    {
        await using WatchReader watch = WatchReader.After(registry, revision);
        List<PortChange> changes = [];
        while (changes.Count < count)
        {
            changes.Add(await watch.NextAsync());
        }

        return changes;
    }
}
