using Portmap.Tests.Support;

namespace Portmap.Tests;

/// <summary>Watch: every change once, in order, and a slow reader costs nothing but its own place.</summary>
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
        (await watch.NextAsync(PortChangeKind.BindFailed)).Entry.State.Should().Be(PortState.Foreign);

        PortLease next = scene.Acquire("winner");
        scene.Here.Register("winner", next.Port, next.Epoch);
        (await watch.NextAsync(PortChangeKind.Replaced)).Entry.Should().BeEquivalentTo(new { Owner = "winner", taken.Port });

        scene.Acquire("late");
        scene.Clock.Advance(TimeSpan.FromSeconds(61));
        (await watch.NextAsync(PortChangeKind.Expired)).Entry.State.Should().Be(PortState.Cooling);
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
    public async Task Watch_FromASnapshot_MissesNothingAndRepeatsNothing()
    {
        await using Scene scene = new();
        scene.Acquire("before");
        scene.Registry.Snapshot(out long revision);
        scene.Acquire("after");
        await using WatchReader watch = WatchReader.After(scene.Registry, revision);

        PortChange change = await watch.NextAsync();

        change.Entry.Owner.Should().Be("after");
        change.Revision.Should().Be(revision + 1);
    }

    [Fact]
    public async Task Watch_Default_StartsWithTheNextChange()
    {
        await using Scene scene = new();
        scene.Acquire("before");
        using CancellationTokenSource stop = Deadline.Source();
        await using IAsyncEnumerator<PortChange> changes = scene.Registry.Watch(cancellationToken: stop.Token).GetAsyncEnumerator(CancellationToken.None);
        Task<bool> next = changes.MoveNextAsync().AsTask();
        next.IsCompleted.Should().BeFalse();

        scene.Acquire("after");

        (await next.Within()).Should().BeTrue();
        changes.Current.Entry.Owner.Should().Be("after");
    }

    [Fact]
    public async Task Watch_SlowReader_IsToldToListAgain()
    {
        await using Scene scene = new(configure: options => options.WatchCapacity = 16);
        scene.Registry.Snapshot(out long revision);
        await using WatchReader slow = WatchReader.After(scene.Registry, revision);
        for (int i = 0; i < 100; i++)
        {
            scene.Here.Register("b1", 20000 + (i % 2));
        }

        Func<Task> read = () => slow.NextAsync();

        PortRefusal refusal = (await read.Should().ThrowAsync<PortRefusedException>()).Which.Refusal;
        refusal.ShouldExplain(PortRefusalReason.RevisionTooOld, revision);
        scene.Registry.Snapshot(out long current);
        await using WatchReader again = WatchReader.After(scene.Registry, current);
        scene.Acquire("b2");
        (await again.NextAsync()).Entry.Owner.Should().Be("b2");
    }

    [Fact]
    public async Task Watch_ReaderWithinTheRing_GetsEveryChange()
    {
        await using Scene scene = new(configure: options => options.WatchCapacity = 16);
        scene.Registry.Snapshot(out long revision);
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
    [InlineData(0)]
    [InlineData(5)]
    public async Task Watch_RevisionOfAnEarlierRun_IsToldToListAgain(long revision)
    {
        await using Scene scene = new();
        scene.Acquire("b1");
        await using WatchReader watch = WatchReader.After(scene.Registry, revision);

        Func<Task> read = () => watch.NextAsync();

        (await read.Should().ThrowAsync<PortRefusedException>()).Which.Refusal.ShouldExplain(PortRefusalReason.RevisionTooOld);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(15)]
    [InlineData(16)]
    [InlineData(1_000_000)]
    [InlineData(long.MaxValue)]
    public async Task Watch_RevisionOfTheFuture_IsToldToListAgain(long ahead)
    {
        await using Scene scene = new(configure: options => options.WatchCapacity = 16);
        scene.Acquire("b1");
        scene.Registry.Snapshot(out long revision);
        await using WatchReader watch = WatchReader.After(scene.Registry, ahead == long.MaxValue ? ahead : revision + ahead);
        Task<PortChange> read = watch.NextAsync();
        scene.Acquire("b2");   // what it would wait for, were it believed

        Func<Task> reading = () => read;

        (await reading.Should().ThrowAsync<PortRefusedException>()).Which.Refusal.ShouldExplain(PortRefusalReason.RevisionTooOld);
    }

    [Fact]
    public async Task Watch_FromNowOn_TellsFromWhereAndMissesNothing()
    {
        await using Scene scene = new();
        scene.Acquire("before");
        IAsyncEnumerable<PortChange> fromNow = scene.Registry.Watch(out long revision, CancellationToken.None);
        scene.Registry.Snapshot(out long same);
        scene.Acquire("b1");
        scene.Acquire("b2");

        same.Should().Be(revision);
        scene.Registry.Watch(out long later, CancellationToken.None);
        later.Should().Be(revision + 2);
        foreach (IAsyncEnumerable<PortChange> changes in new[] { fromNow, scene.Registry.Watch(revision) })
        {
            await using IAsyncEnumerator<PortChange> reader = changes.GetAsyncEnumerator();
            foreach (string owner in new[] { "b1", "b2" })
            {
                (await reader.MoveNextAsync().Within()).Should().BeTrue();
                reader.Current.Entry.Owner.Should().Be(owner);
                reader.Current.Revision.Should().Be(++revision);
            }

            revision -= 2;
        }
    }

    [Fact]
    public async Task Watch_Cancelled_StopsWaiting()
    {
        await using Scene scene = new();
        using CancellationTokenSource stop = new();
        await using IAsyncEnumerator<PortChange> changes = scene.Registry.Watch(cancellationToken: stop.Token).GetAsyncEnumerator(CancellationToken.None);
        Task<bool> next = changes.MoveNextAsync().AsTask();

        await stop.CancelAsync();

        Func<Task> wait = () => next.Within();
        await wait.Should().ThrowAsync<OperationCanceledException>();
    }

    [Fact]
    public async Task Watch_RegistryIsDisposed_Ends()
    {
        Scene scene = new();
        using CancellationTokenSource stop = Deadline.Source();
        await using IAsyncEnumerator<PortChange> changes = scene.Registry.Watch(cancellationToken: stop.Token).GetAsyncEnumerator(CancellationToken.None);
        Task<bool> next = changes.MoveNextAsync().AsTask();

        await scene.DisposeAsync();

        await Eventually.TrueAsync(() => next.IsCompleted);
        if (next.IsCompletedSuccessfully)
        {
            (await next.Within()).Should().BeFalse();
        }
    }

    [Fact]
    public async Task Watch_ManyReaders_SeeTheSame()
    {
        await using Scene scene = new();
        scene.Registry.Snapshot(out long revision);
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
