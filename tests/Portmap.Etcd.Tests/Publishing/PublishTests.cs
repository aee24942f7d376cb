using System.Text.Json;

namespace Portmap.Etcd.Tests.Publishing;

public class PublishTests
{
    [NeedsFact("etcd", Also = ["etcdctl"])]
    public async Task Publish_ServedOwners_StandUnderTheHostsKeysWithItsLease()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        await using Host a = Host.Start("a", etcd.Endpoints, options => options.Address = "10.0.0.7");
        a.Register("vol0:/bricks/b1", 20_001);
        a.Register("vol0:/bricks/b1", 20_002, PortProtocol.Udp);
        a.Registry!.TryAcquire("only/reserved", out _, out _).Should().BeTrue();
        await a.Map.UntilAsync(map => map.Count == 2);

        using JsonDocument all = JsonDocument.Parse(await etcd.CtlAsync("get", "--prefix", "/portmap/v1/", "-w", "json"));
        var found = all.RootElement.GetProperty("kvs").EnumerateArray()
            .Select(pair => (Key: Text(pair, "key"), Value: Text(pair, "value"), Lease: pair.GetProperty("lease").GetInt64())).ToArray();
        a.Registry.TryGetEntry("vol0:/bricks/b1", out PortEntry entry).Should().BeTrue();

        found.Select(pair => pair.Key).Should().Equal("/portmap/v1/e/a/", "/portmap/v1/e/a/vol0:/bricks/b1", "/portmap/v1/h/a", "/portmap/v1/u/a/vol0:/bricks/b1");
        found[1].Value.Should().Be($$"""{"port":20001,"epoch":{{entry.Epoch}}}""");
        found.Select(pair => pair.Lease).Distinct().Should().ContainSingle().Which.Should().NotBe(0);
        a.Map.TryFind("vol0:/bricks/b1", out FleetEntry? seen).Should().BeTrue();
        seen!.Address.Should().Be("10.0.0.7");
        a.Map.TryFind("vol0:/bricks/b1", out seen, PortProtocol.Udp).Should().BeTrue();
        seen!.Port.Should().Be(20_002);

        static string Text(JsonElement pair, string name) => System.Text.Encoding.UTF8.GetString(pair.GetProperty(name).GetBytesFromBase64());
    }

    [NeedsFact("etcd")]
    public async Task Publish_ReleasedAndReplacedOwners_AreGoneAndReplaced()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        await using Host a = Host.Start("a", etcd.Endpoints);
        await using Host looker = Host.Look(etcd.Endpoints);
        a.RegisterMany(1_000);
        await looker.UntilSameAsync(a);

        for (int i = 0; i < 1_000; i += 2)
        {
            a.Release(Host.Owner(i));
        }

        a.Register(Host.Owner(1), 29_999);
        await looker.UntilSameAsync(a);

        looker.Map.Count.Should().Be(500);
        looker.Map.TryFind(Host.Owner(0), out _).Should().BeFalse();
        looker.Map.TryFind(Host.Owner(1), out FleetEntry? entry).Should().BeTrue();
        entry!.Port.Should().Be(29_999);
        (await etcd.CountAsync("/portmap/v1/e/a/")).Should().Be(501, "of those that went nothing stays, and one is the mark");
    }

    /// <summary>With each answer of etcd there is another owner that it is still to be told
    /// of.</summary>
    [NeedsFact("etcd")]
    public async Task Publish_ChangesWithoutAPause_TroubleIsOverWhenEtcdIsBack()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        using Readings readings = new();
        await using Host a = Host.Start("a", etcd.Endpoints, options => (options.Mirror, options.MeterFactory) = (false, readings));
        int changes = 0;
        readings.Told = said =>
        {
            if (said.StartsWith("portmap.outcome", StringComparison.Ordinal))
            {
                int pending = a.Fleet.Status.Pending;
                a.Register(Host.Owner(++changes % 1_000), 20_000 + (changes % 9_999));
                SpinWait.SpinUntil(() => a.Fleet.Status.Pending > pending, TimeSpan.FromSeconds(1));
            }
        };
        a.Register("first", 20_000);
        await Seen.UntilAsync(() => Volatile.Read(ref changes) > 100);

        await etcd.First.KillAsync();
        await Seen.UntilAsync(() => a.Log.Lines.Any(line => line.StartsWith("FleetPublishingBroke", StringComparison.Ordinal)));
        await etcd.First.StartAsync();

        await Seen.UntilAsync(() => a.Fleet.Status is { IsConnected: true, Trouble: null });
        int since = Volatile.Read(ref changes);
        await Seen.UntilAsync(() => Volatile.Read(ref changes) > since);
        readings.Told = null;
    }

    /// <summary>The registry keeps 16 changes for its readers: most of these are never
    /// told.</summary>
    [NeedsFact("etcd")]
    public async Task Publish_ChangesLostOnTheWay_AreFoundByComparing()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        await using Host a = Host.Start("a", etcd.Endpoints, watchCapacity: 16);
        await using Host looker = Host.Look(etcd.Endpoints);
        await Seen.UntilAsync(() => a.Fleet.Status.IsPublished);
        a.RegisterMany(5_000);
        await looker.UntilSameAsync(a);

        for (int i = 0; i < 5_000; i += 2)
        {
            a.Release(Host.Owner(i));
        }

        await looker.UntilSameAsync(a);
        looker.Map.Count.Should().Be(2_500);
    }

    [NeedsFact("etcd")]
    public async Task Publish_EtcdAbsentAtStart_ServesAndIsThereWhenItComes()
    {
        await using EtcdCluster etcd = EtcdCluster.Prepare();
        await using Host a = Host.Start("a", etcd.Endpoints);
        await using Host looker = Host.Look(etcd.Endpoints);
        a.RegisterMany(100);
        await Seen.UntilAsync(() => a.Fleet.Status is { IsConnected: false, Trouble: not null });
        a.Registry!.TryGetPort(Host.Owner(7), out int port).Should().BeTrue("the registry does not wait for etcd");
        port.Should().Be(20_007);

        await etcd.StartAsync();

        await looker.UntilSameAsync(a);
        await Seen.UntilAsync(() => a.Fleet.Status is { IsConnected: true, IsPublished: true, Trouble: null, Pending: 0 });
    }

    [NeedsFact("etcd")]
    public async Task Dispose_APublishingHost_TakesItsEntriesAwayTogether()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        Host a = Host.Start("a", etcd.Endpoints, options => options.LeaseTtl = TimeSpan.FromMinutes(10));   // which cannot take them away
        await using Host looker = Host.Look(etcd.Endpoints);
        a.RegisterMany(300);
        await looker.UntilSameAsync(a);

        await a.DisposeAsync();

        await looker.Map.UntilAsync(map => map.Count == 0);
        looker.Map.EnumerateHosts().Select(host => host.Name).Should().Equal("looker");
    }

    [NeedsFact("etcd", Also = ["etcdctl"])]
    public async Task Dispose_KeepEntriesOnStop_WhatDoesNotComeBackGoesWithItsLease()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        await using Host looker = Host.Look(etcd.Endpoints, options => options.ReadOnly = true);
        Host a = Host.Start("a", etcd.Endpoints, options => (options.KeepEntriesOnStop, options.LeaseTtl) = (true, TimeSpan.FromSeconds(2)));
        a.RegisterMany(300);
        await looker.UntilSameAsync(a);

        await a.DisposeAsync();
        await etcd.CtlAsync("put", "/portmap/v1/e/a/nobody", """{"port":1,"epoch":1}""");   // goes with no lease
        await using Host again = Host.Start("a", etcd.Endpoints);
        again.RegisterMany(10);

        await looker.UntilSameAsync(again);
    }

    /// <summary>What was left goes with the lease it has; anything else is somebody's
    /// mistake.</summary>
    [NeedsFact("etcd", Also = ["etcdctl"])]
    public async Task Dispose_KeepEntriesOnStop_WhatIsOfNoLeaseThatWasLeftIsPutRight()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        await using Host looker = Host.Look(etcd.Endpoints, options => options.ReadOnly = true);
        Host a = Host.Start("a", etcd.Endpoints, options => (options.KeepEntriesOnStop, options.LeaseTtl) = (true, TimeSpan.FromMinutes(10)));
        a.Register("b1", 20_001);
        await looker.UntilSameAsync(a);
        await a.DisposeAsync();
        await using Host again = Host.Start("a", etcd.Endpoints, options => options.AuditInterval = TimeSpan.FromSeconds(1));
        again.Register("b1", 20_001);
        await looker.UntilSameAsync(again);

        string lease = (await etcd.CtlAsync("lease", "grant", "600")).Split(' ')[1];
        await etcd.CtlAsync("put", $"--lease={lease}", "/portmap/v1/e/a/ghost", """{"port":1,"epoch":1}""");
        await looker.UntilCaughtUpAsync(etcd);

        await looker.UntilSameAsync(again);
    }

    /// <summary>Restarted once more before all workers had signed in again.</summary>
    [NeedsFact("etcd", Also = ["etcdctl"])]
    public async Task Dispose_KeepEntriesOnStopTwice_WhatTheFirstLeftStaysToo()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        foreach (int count in (int[])[30, 10])
        {
            await using Host a = Host.Start("a", etcd.Endpoints, options => (options.KeepEntriesOnStop, options.LeaseTtl) = (true, TimeSpan.FromMinutes(10)));
            a.RegisterMany(count);
            await Seen.UntilAsync(() => a.Fleet.Status.IsPublished);
        }

        await using Host third = Host.Start("a", etcd.Endpoints);
        third.Register("new", 20_500);
        await third.Map.UntilAsync(map => map.TryFind("new", out _));
        await Seen.UntilAsync(() => third.Fleet.Status.IsPublished);

        (await etcd.CountAsync("/portmap/v1/e/a/vol")).Should().Be(30);
    }

    [NeedsFact("etcd")]
    public async Task Dispose_KeepEntriesOnStop_IsTakenOverWithoutAGap()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        await using Host looker = Host.Look(etcd.Endpoints);
        Host a = Host.Start("a", etcd.Endpoints, options => (options.KeepEntriesOnStop, options.LeaseTtl) = (true, TimeSpan.FromMinutes(10)));
        a.RegisterMany(300);
        await looker.UntilSameAsync(a);
        using CancellationTokenSource end = Deadline.Source();
        List<FleetChange> removals = [];
        Task watching = WatchAsync();

        await a.DisposeAsync();
        await using Host again = Host.Start("a", etcd.Endpoints, options => options.KeepEntriesOnStop = true);
        await Seen.UntilAsync(() => again.Fleet.Status.IsPublished);
        again.RegisterMany(300);   // the workers come back when the daemon serves again
        await looker.UntilSameAsync(again);
        await end.CancelAsync();
        await watching.Within();

        removals.Where(change => change.IsRemoval).Should().BeEmpty("an owner that is served all the time is found all the time");

        async Task WatchAsync()
        {
            try
            {
                await foreach (FleetUpdate update in looker.Map.WatchAsync(end.Token))
                {
                    removals.AddRange(update.Changes);
                }
            }
            catch (OperationCanceledException)
            {
                // The end.
            }
        }
    }
}
