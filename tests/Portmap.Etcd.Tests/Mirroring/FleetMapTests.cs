using System.Globalization;
using Google.Protobuf;
using Portmap.Etcd.Connecting;
using Portmap.Etcd.Protocol;

namespace Portmap.Etcd.Tests.Mirroring;

public class FleetMapTests
{
    [NeedsFact("etcd")]
    public async Task TryFind_AnyOwner_AllocatesNothing()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        await using Host a = Host.Start("a", etcd.Endpoints, options => options.MaxStaleness = TimeSpan.FromMinutes(1));
        a.RegisterMany(100);
        await a.UntilSameAsync(a);
        string[] owners = [.. Enumerable.Range(0, 200).Select(Host.Owner)];
        int found = Find();

        long before = GC.GetAllocatedBytesForCurrentThread();
        found += Find();
        long after = GC.GetAllocatedBytesForCurrentThread();

        (after - before).Should().Be(0);
        found.Should().Be(200);

        int Find()
        {
            int count = 0;
            foreach (string owner in owners)
            {
                count += a.Map.TryFind(owner, out FleetEntry? entry) && entry.Port != 0 && a.Map.FindAll(owner).Length == 1 ? 1 : 0;
            }

            return count;
        }
    }

    [NeedsFact("etcd")]
    public async Task TryFind_OwnerOfSeveralHosts_IsTheLatestAndFindAllAreAll()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        await using Host a = Host.Start("a", etcd.Endpoints);
        await using Host b = Host.Start("b", etcd.Endpoints);
        a.Register("node-exporter", 20_100);
        await a.Map.UntilAsync(map => map.Count == 1);
        b.Register("node-exporter", 20_101);
        await a.Map.UntilAsync(map => map.Count == 2);

        a.Map.TryFind("node-exporter", out FleetEntry? entry).Should().BeTrue();
        entry!.Host.Should().Be("b");
        a.Map.FindAll("node-exporter").ToArray().Select(one => one.Host).Should().Equal("b", "a");

        b.Release("node-exporter");
        await a.Map.UntilAsync(map => map.Count == 1);
        a.Map.TryFind("node-exporter", out entry).Should().BeTrue();
        entry!.Host.Should().Be("a");
    }

    /// <summary>Nothing else happens: what is skipped once never comes.</summary>
    [NeedsFact("etcd", Also = ["etcdctl"])]
    public async Task Map_OneChangeAfterTheListing_IsSeen()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        await using Host looker = Host.Look(etcd.Endpoints, options => options.ReadOnly = true);
        await looker.Map.WhenListed.Within();

        await PutAsync(etcd, "only", 0);

        await looker.Map.UntilAsync(map => map.TryFind("only0", out _));
    }

    /// <summary>The same key, of the same revision, with another mark: only that tells the two
    /// histories apart.</summary>
    [NeedsFact("etcd", Also = ["etcdctl"])]
    public async Task Map_EtcdHasAnotherMarkAtTheSameRevision_IsListedAnew()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        using TempFolder folder = new();
        await using Cut wire = new(etcd.Endpoints);
        await using Host looker = Host.Look(wire.Endpoint, options => options.ReadOnly = true);
        await looker.Map.WhenListed.Within();
        await etcd.CtlAsync("snapshot", "save", folder["backup"]);
        await PutAsync(etcd, "old", 0);
        await MarkAsync(etcd, "one");
        long seen = await etcd.RevisionAsync();
        await Seen.UntilAsync(() => looker.Map.Revision == seen);
        wire.Break();
        await etcd.First.KillAsync();
        await etcd.First.RestoreAsync(folder["backup"]);
        await etcd.First.StartAsync();
        await PutAsync(etcd, "new", 0);
        await MarkAsync(etcd, "another");
        (await etcd.RevisionAsync()).Should().Be(seen);

        wire.Mend();

        await looker.Map.UntilAsync(map => map.TryFind("new0", out _) && !map.TryFind("old0", out _));
    }

    [NeedsFact("etcd")]
    public async Task WatchAsync_SnapshotThenChanges_MakeTheSameMap()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        await using Host a = Host.Start("a", etcd.Endpoints);
        a.RegisterMany(200);
        await a.UntilSameAsync(a);
        using CancellationTokenSource end = Deadline.Source();
        Dictionary<string, FleetEntry> copy = [];
        bool isFirst = true;
        await using Churn churn = Churn.Start(a, 300);
        Task stopping = StopAsync();

        await foreach (FleetUpdate update in a.Map.WatchAsync(end.Token))
        {
            (update.Snapshot is not null).Should().Be(isFirst, "a reader that keeps up gets one snapshot");
            isFirst = false;
            foreach (FleetEntry entry in update.Snapshot?.Entries ?? [])
            {
                copy.Add(entry.Owner, entry);
            }

            foreach (FleetChange change in update.Changes)
            {
                if (change.IsRemoval)
                {
                    copy.Remove(change.Entry.Owner, out FleetEntry? gone).Should().BeTrue();
                    gone.Should().BeSameAs(change.Entry);
                }
                else
                {
                    copy[change.Entry.Owner] = change.Entry;
                }
            }

            if (copy.ContainsKey("the end"))
            {
                break;
            }
        }

        await stopping.Within();
        await a.UntilSameAsync(a);
        copy.Values.Should().BeEquivalentTo(a.Map.Snapshot().Entries, options => options.WithoutStrictOrdering());

        async Task StopAsync()
        {
            await churn.MoreAsync(3_000);
            await churn.StopAsync();
            await a.UntilSameAsync(a);
            a.Register("the end", 20_000);
        }
    }

    [NeedsFact("etcd")]
    public async Task WatchAsync_ReaderFallsBehind_GetsANewSnapshot()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        await using Host a = Host.Start("a", etcd.Endpoints, options => options.WatchCapacity = 1);
        a.Register("b0", 20_000);
        await a.UntilSameAsync(a);
        using CancellationTokenSource limit = Deadline.Source();
        await using IAsyncEnumerator<FleetUpdate> updates = a.Map.WatchAsync(limit.Token).GetAsyncEnumerator(limit.Token);
        (await updates.MoveNextAsync()).Should().BeTrue();
        for (int i = 1; i < 6; i++)
        {
            a.Register(string.Create(CultureInfo.InvariantCulture, $"b{i}"), 20_000 + i);
            await a.UntilSameAsync(a);   // one update each
        }

        (await updates.MoveNextAsync()).Should().BeTrue();

        updates.Current.Snapshot!.Entries.Select(entry => entry.Owner).Should().BeEquivalentTo("b0", "b1", "b2", "b3", "b4", "b5");
        updates.Current.Revision.Should().Be(a.Map.Revision);
    }

    [NeedsFact("etcd")]
    public async Task Map_CutOffAndBack_GoesOnWithoutAListing()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        await using Cut wire = new(etcd.Endpoints);
        await using Host a = Host.Start("a", etcd.Endpoints);
        await using Host looker = Host.Look(wire.Endpoint);
        a.RegisterMany(100);
        await looker.UntilSameAsync(a);
        a.Register("last", 20_900);
        await looker.UntilSameAsync(a);

        wire.Break();
        await Seen.UntilAsync(() => looker.Log.Lines.Any(line => line.StartsWith("FleetMirrorBroke", StringComparison.Ordinal)));
        a.Release(Host.Owner(0));
        a.Register("while away", 20_901);
        await a.UntilSameAsync(a);
        looker.Map.TryFind("while away", out _).Should().BeFalse();
        wire.Mend();

        await looker.UntilSameAsync(a);
        looker.Log.Lines.Count(line => line.StartsWith("FleetListed", StringComparison.Ordinal)).Should().Be(1, "what it missed came as changes");
    }

    [NeedsFact("etcd", Also = ["etcdctl"])]
    public async Task Map_CompactedWhileCutOff_IsListedAnewAndSaysSo()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        await using Cut wire = new(etcd.Endpoints);
        await using Host a = Host.Start("a", etcd.Endpoints);
        await using Host looker = Host.Look(wire.Endpoint);
        a.RegisterMany(100);
        await looker.UntilSameAsync(a);
        using CancellationTokenSource limit = Deadline.Source();
        await using IAsyncEnumerator<FleetUpdate> updates = looker.Map.WatchAsync(limit.Token).GetAsyncEnumerator(limit.Token);
        (await updates.MoveNextAsync()).Should().BeTrue();

        wire.Break();
        await Seen.UntilAsync(() => looker.Fleet.Status.Trouble is not null);
        for (int i = 0; i < 50; i++)
        {
            a.Release(Host.Owner(i));
        }

        a.Register("while away", 20_901);
        await a.UntilSameAsync(a);
        await etcd.CtlAsync("compact", (await etcd.RevisionAsync()).ToString(CultureInfo.InvariantCulture));
        wire.Mend();

        await looker.UntilSameAsync(a);
        (await updates.MoveNextAsync()).Should().BeTrue();
        updates.Current.Snapshot.Should().NotBeNull("changes were lost, and a gap is never silent");
        updates.Current.Snapshot!.Entries.Should().HaveCount(51);
    }

    /// <summary>Etcd counts the same revisions again after a restore, and a watch from a later one
    /// would wait in silence.</summary>
    [NeedsFact("etcd", Also = ["etcdctl"])]
    public async Task Map_EtcdHasAnotherHistoryOfTheSameNumbers_IsListedAnew()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        using TempFolder folder = new();
        await using Cut wire = new(etcd.Endpoints);
        await using Host looker = Host.Look(wire.Endpoint);
        await etcd.CtlAsync("snapshot", "save", folder["backup"]);
        for (int i = 0; i < 20; i++)
        {
            await PutAsync(etcd, "old", i);
        }

        await looker.Map.UntilAsync(map => map.Count == 20);
        wire.Break();
        await etcd.First.KillAsync();
        await etcd.First.RestoreAsync(folder["backup"]);
        await etcd.First.StartAsync();
        for (int i = 0; i < 40; i++)
        {
            await PutAsync(etcd, "new", i);   // beyond what the mirror has seen
        }

        wire.Mend();

        await looker.Map.UntilAsync(map => map.Count == 40);
        looker.Map.TryFind("old0", out _).Should().BeFalse();
        looker.Map.TryFind("new0", out _).Should().BeTrue();
    }

    [NeedsFact("etcd")]
    public async Task Staleness_CutOff_GrowsAndAnswersAreRefusedUntilItIsBack()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        await using Cut wire = new(etcd.Endpoints);
        await using Host a = Host.Start("a", etcd.Endpoints);
        await using Host strict = Host.Look(wire.Endpoint, options => options.MaxStaleness = TimeSpan.FromSeconds(2));
        a.Register("b1", 20_001);
        await strict.UntilSameAsync(a);
        await Seen.UntilAsync(() => strict.Map.TryFind("b1", out _));

        wire.Break();
        await Seen.UntilAsync(() => strict.Map.IsRefusing);

        strict.Map.Staleness.Should().BeGreaterThan(TimeSpan.FromSeconds(2));
        strict.Map.TryFind("b1", out FleetEntry? entry).Should().BeFalse();
        entry.Should().BeNull();
        strict.Map.FindAll("b1").Length.Should().Be(0);
        strict.Map.Snapshot().Entries.Should().ContainSingle("who asks for what there was gets it");
        wire.Mend();
        await Seen.UntilAsync(() => strict.Map.TryFind("b1", out _));
    }

    /// <summary>A busy fleet never looks silent. Its mirror asks again all the same.</summary>
    [NeedsFact("etcd")]
    public async Task Staleness_QuestionLeftWithoutAnAnswerOnABusyStream_IsSmallAgain()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        await using Cut wire = new(etcd.Endpoints);
        wire.HideQuestions();
        await using Host a = Host.Start("a", etcd.Endpoints);
        await using Host looker = Host.Look(wire.Endpoint, options => (options.ReadOnly, options.RequestTimeout) = (true, TimeSpan.FromSeconds(2)));   // for each question
        using CancellationTokenSource stop = new();
        Task changing = ChangeAsync();

        await Seen.UntilAsync(() => wire.HiddenQuestions > 0 && looker.Map.Staleness > TimeSpan.FromSeconds(1));
        wire.TellQuestions();

        await Seen.UntilAsync(() => looker.Map.Staleness < TimeSpan.FromSeconds(1));
        await stop.CancelAsync();
        await changing.Within();
        await looker.UntilSameAsync(a);

        async Task ChangeAsync()
        {
            using PeriodicTimer pace = new(TimeSpan.FromMilliseconds(100));
            while (!stop.IsCancellationRequested)
            {
                a.Register("busy", 20_001);
                await pace.WaitForNextTickAsync();
                a.Release("busy");
            }
        }
    }

    /// <summary>The watch begins with what the listing had last.</summary>
    [NeedsFact("etcd", Also = ["etcdctl"])]
    public async Task WatchAsync_FromBeforeTheListing_TellsNoChangeTwice()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        await PutAsync(etcd, "first", 0);
        await using Host looker = Host.Look(etcd.Endpoints, options => options.ReadOnly = true);
        using CancellationTokenSource limit = Deadline.Source();
        await using IAsyncEnumerator<FleetUpdate> updates = looker.Map.WatchAsync(limit.Token).GetAsyncEnumerator();
        while (await updates.MoveNextAsync() && updates.Current.Snapshot is not { Entries.Length: 1 })
        {
            // The empty map of before the listing.
        }

        await PutAsync(etcd, "second", 0);

        (await updates.MoveNextAsync()).Should().BeTrue();
        updates.Current.Changes.Select(change => change.Entry.Owner).Should().Equal("second0");
    }

    [NeedsFact("etcd")]
    public async Task Map_EtcdFrozen_StalenessGrowsThoughTheConnectionStands()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        await using Host looker = Host.Look(etcd.Endpoints, options => options.RequestTimeout = TimeSpan.FromSeconds(2));
        await looker.Map.WhenListed.Within();
        await Seen.UntilAsync(() => looker.Map.Staleness < TimeSpan.FromSeconds(1));

        etcd.First.Send(Signal.Stop);
        try
        {
            await Seen.UntilAsync(() => looker.Map.Staleness > TimeSpan.FromSeconds(3));
            await Seen.UntilAsync(() => looker.Fleet.Status.Trouble is not null);
        }
        finally
        {
            etcd.First.Send(Signal.Continue);
        }

        await Seen.UntilAsync(() => looker.Map.Staleness < TimeSpan.FromSeconds(1));
    }

    [NeedsFact("etcd")]
    public async Task Map_MoreThanOnePageWhileItChanges_IsOfOneRevision()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        const int Pairs = 12_500;
        using EtcdClient client = etcd.Connect();
        for (int first = 0; first < Pairs; first += 50)
        {
            await FlipAsync(first, 1);
        }

        using CancellationTokenSource stop = new();
        Task flipping = FlipAllAsync();
        for (int i = 0; i < 5; i++)
        {
            await using Host looker = Host.Look(etcd.Endpoints);
            await looker.Map.WhenListed.Within();

            // The two of a pair are written in one transaction, far apart in the order of keys:
            // pages of two revisions would show a pair that differs.
            Dictionary<string, int> ports = looker.Map.Snapshot().Entries.ToDictionary(entry => entry.Owner, entry => entry.Port);
            ports.Should().HaveCount(2 * Pairs);
            Enumerable.Range(0, Pairs).Count(pair => ports[Name("a", pair)] != ports[Name("z", pair)]).Should().Be(0);
        }

        await stop.CancelAsync();
        await flipping.Within();

        async Task FlipAllAsync()
        {
            for (int round = 2; !stop.IsCancellationRequested; round++)
            {
                await FlipAsync(round * 50 % Pairs, round % 60_000 + 1);
            }
        }

        Task FlipAsync(int first, int port)
        {
            TxnRequest request = new();
            for (int pair = first; pair < first + 50; pair++)
            {
                ByteString value = new PublishedEntry((ushort)port, 1, 0).ToValue();
                request.Then(Txn.Put(ByteString.CopyFromUtf8("/portmap/v1/e/x/" + Name("a", pair)), value, 0));
                request.Then(Txn.Put(ByteString.CopyFromUtf8("/portmap/v1/e/x/" + Name("z", pair)), value, 0));
            }

            return client.TxnAsync(request, CancellationToken.None);
        }

        static string Name(string side, int pair) => string.Create(CultureInfo.InvariantCulture, $"{side}{pair:D5}");
    }

    /// <summary>Pages grow while names are short. Then come long ones, and a page is larger than a
    /// message may be.</summary>
    [NeedsFact("etcd")]
    public async Task Map_PageTooLargeForAMessage_IsReadInSmallerOnes()
    {
        const int Short = 30_000, Long = 20_000;
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        using EtcdClient client = etcd.Connect();
        ByteString value = new PublishedEntry(1, 1, 0).ToValue();
        string longer = new('x', 4_000);
        await Parallel.ForEachAsync(
            Enumerable.Range(0, Short).Select(i => string.Create(CultureInfo.InvariantCulture, $"a{i}"))
                .Concat(Enumerable.Range(0, Long).Select(i => string.Create(CultureInfo.InvariantCulture, $"b{i}{longer}"))).Chunk(128),
            new ParallelOptions { MaxDegreeOfParallelism = 4 },
            async (names, token) =>
            {
                TxnRequest request = new();
                foreach (string name in names)
                {
                    request.Then(Txn.Put(ByteString.CopyFromUtf8("/portmap/v1/e/x/" + name), value, 0));
                }

                await client.TxnAsync(request, token);
            });

        await using Host looker = Host.Look(etcd.Endpoints);
        await looker.Map.WhenListed.Within();

        looker.Map.Count.Should().Be(Short + Long);
    }

    private static Task<string> PutAsync(EtcdCluster etcd, string name, int i) => etcd.CtlAsync(
        "put", string.Create(CultureInfo.InvariantCulture, $"/portmap/v1/e/x/{name}{i}"), string.Create(CultureInfo.InvariantCulture, $$"""{"port":{{1_000 + i}},"epoch":1}"""));

    private static Task<string> MarkAsync(EtcdCluster etcd, string mark) => etcd.CtlAsync("put", "/portmap/v1/e/x/", mark);
}
