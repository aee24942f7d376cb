using System.Diagnostics;

namespace Portmap.Etcd.Tests.Publishing;

/// <summary>Etcd and daemons are killed; what the map says in the end is what the registries
/// say.</summary>
public class DisasterTests
{
    private static readonly TimeSpan s_long = TimeSpan.FromSeconds(60);

    [NeedsFact("etcd")]
    public async Task EtcdKilled_UnderChurn_NothingIsMissingDeadOrOfAnotherEpoch()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        await using Host a = Host.Start("a", etcd.Endpoints);
        await using Host looker = Host.Look(etcd.Endpoints);
        a.RegisterMany(2_000);
        await looker.UntilSameAsync(a);
        await using Churn churn = Churn.Start(a, 2_500);
        for (int kill = 0; kill < 3; kill++)
        {
            await churn.MoreAsync(1_000);
            await etcd.First.KillAsync();
            await churn.MoreAsync(1_000);
            await etcd.First.StartAsync();
        }

        await churn.StopAsync();

        await looker.UntilSameAsync(a);
    }

    [NeedsFact("etcd")]
    public async Task LeaderKilled_OfThreeUnderChurn_NothingIsMissingDeadOrOfAnotherEpoch()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync(nodes: 3);
        await using Host a = Host.Start("a", etcd.Endpoints);
        await using Host looker = Host.Look(etcd.Endpoints);
        a.RegisterMany(1_000);
        await looker.UntilSameAsync(a, s_long);
        await using Churn churn = Churn.Start(a, 1_500);
        for (int kill = 0; kill < 2; kill++)
        {
            EtcdNode leader = await etcd.LeaderAsync();
            await leader.KillAsync();
            await churn.MoreAsync(3_000);
            await leader.StartAsync();
        }

        await churn.StopAsync();

        await looker.UntilSameAsync(a, s_long);
        await Seen.UntilAsync(() => a.Fleet.Status.IsConnected);   // what keeps the lease may have moved on last
    }

    /// <summary>The two others are frozen: the member that the mirror asks answers on, and hears of
    /// nothing that they may confirm. It ends its watches only seconds later.</summary>
    [NeedsFact("etcd")]
    public async Task MemberCutOff_FromTheTwoOthers_TheMapIsAsOldAsItSays()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync(nodes: 3);
        await using Host looker = Host.Look(etcd.Endpoints, options => options.ReadOnly = true);
        await looker.Map.WhenListed.Within();
        await Seen.UntilAsync(() => looker.Map.Staleness < TimeSpan.FromSeconds(1));

        foreach (EtcdNode other in etcd.Nodes[1..])
        {
            other.Send(Signal.Stop);
        }

        long frozen = Stopwatch.GetTimestamp();
        TimeSpan heard = TimeSpan.FromMilliseconds(300);   // a thread may run on for a moment
        try
        {
            await Seen.UntilAsync(() =>
            {
                TimeSpan since = Stopwatch.GetElapsedTime(frozen);
                looker.Map.Staleness.Should().BeGreaterThan(since - heard, "nobody but this member has said anything for so long");
                return since > TimeSpan.FromSeconds(3);
            });
        }
        finally
        {
            foreach (EtcdNode other in etcd.Nodes[1..])
            {
                other.Send(Signal.Continue);
            }
        }

        await Seen.UntilAsync(() => looker.Map.Staleness < TimeSpan.FromSeconds(1));
    }

    [NeedsFact("etcd")]
    public async Task PublisherKilled_ItsEntriesGoTogetherWithItsLease()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        await using Host looker = Host.Look(etcd.Endpoints);
        await using ChildProcess daemon = DaemonProgram.Start(DaemonProgram.Publish, etcd.Endpoints, "a", "10", "3000", "1000");
        (await daemon.ReadLineAsync()).Should().Be("ready");
        await looker.Map.UntilAsync(map => map.Count == 3_000);
        using CancellationTokenSource limit = Deadline.Source();
        await using IAsyncEnumerator<FleetUpdate> updates = looker.Map.WatchAsync(limit.Token).GetAsyncEnumerator(limit.Token);
        (await updates.MoveNextAsync()).Should().BeTrue();
        updates.Current.Snapshot.Should().NotBeNull();

        daemon.Kill();

        (await updates.MoveNextAsync()).Should().BeTrue();
        updates.Current.Changes.Count(change => change.IsRemoval).Should().Be(3_000, "etcd ends a lease in one transaction, and so does the mirror, though 3 MB come in several messages");
        looker.Map.EnumerateHosts().Select(host => host.Name).Should().NotContain("a");
    }

    [NeedsFact("etcd")]
    public async Task PublisherAndEtcdKilledTogether_ItsEntriesGoAndTheOthersStay()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        await using Host looker = Host.Look(etcd.Endpoints);
        await using Host b = Host.Start("b", etcd.Endpoints);
        b.RegisterMany(200);
        await using ChildProcess daemon = DaemonProgram.Start(DaemonProgram.Publish, etcd.Endpoints, "a", "10", "1000", "0");
        (await daemon.ReadLineAsync()).Should().Be("ready");
        await looker.Map.UntilAsync(map => map.Count == 1_200);

        daemon.Kill();
        await etcd.First.KillAsync();
        b.Release(Host.Owner(0));
        looker.Map.Count.Should().Be(1_200, "a map that cannot ask stays as it was");
        await etcd.First.StartAsync();

        await looker.Map.UntilAsync(map => map.Count == 199);
        await looker.UntilSameAsync(b);
    }

    [NeedsFact("etcd")]
    public async Task PublisherKilled_StartedAgainUnderItsName_TakesOverBeforeTheLeaseIsOver()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        await using Host looker = Host.Look(etcd.Endpoints);
        await using ChildProcess daemon = DaemonProgram.Start(DaemonProgram.Publish, etcd.Endpoints, "a", "600", "100", "0");
        (await daemon.ReadLineAsync()).Should().Be("ready");
        daemon.Kill();
        await daemon.ExitAsync();

        await using Host again = Host.Start("a", etcd.Endpoints);
        again.RegisterMany(50);

        await looker.UntilSameAsync(again);
    }

    [NeedsFact("etcd")]
    public async Task TwoDaemons_OfOneName_TheSecondPublishesNothingUntilTheFirstIsGone()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        await using Host looker = Host.Look(etcd.Endpoints);
        Host first = Host.Start("a", etcd.Endpoints);
        first.Register("mine", 20_001);
        await looker.UntilSameAsync(first);
        await using Host second = Host.Start("a", etcd.Endpoints);
        second.Register("other", 20_002);

        await Seen.UntilAsync(() => second.Fleet.Status.Trouble?.Contains("Another daemon publishes as host 'a'", StringComparison.Ordinal) == true);
        await Seen.UntilAsync(() => second.Log.Lines.Any(line => line.StartsWith("FleetHostTaken", StringComparison.Ordinal)));
        second.Fleet.Status.IsConnected.Should().BeFalse();
        looker.Sees("a").Should().Equal(first.Serves());
        second.Log.Lines.Should().ContainSingle(line => line.StartsWith("FleetHostTaken", StringComparison.Ordinal));
        await first.DisposeAsync();

        await looker.UntilSameAsync(second);
    }

    [NeedsFact("etcd", Also = ["etcdctl"])]
    public async Task TwoDaemons_OfOneName_TheSecondKeepsNoLease()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        await using Host first = Host.Start("a", etcd.Endpoints);
        await Seen.UntilAsync(() => first.Fleet.Status.IsConnected);
        await using Host second = Host.Start("a", etcd.Endpoints);
        await Seen.UntilAsync(() => second.Log.Lines.Any(line => line.StartsWith("FleetHostTaken", StringComparison.Ordinal)));

        // It asks for one with each attempt: one that it kept would be there at the next.
        using CancellationTokenSource limit = Deadline.Source();
        while (!(await etcd.CtlAsync("lease", "list")).StartsWith("found 1 leases", StringComparison.Ordinal))
        {
            limit.Token.ThrowIfCancellationRequested();
        }
    }

    [NeedsFact("etcd", Also = ["etcdctl"])]
    public async Task EtcdRestored_FromAnOlderBackup_SaysWhatTheRegistrySaysNow()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        using TempFolder folder = new();
        await using Host a = Host.Start("a", etcd.Endpoints);
        await using Host looker = Host.Look(etcd.Endpoints);
        a.RegisterMany(300);
        await looker.UntilSameAsync(a);
        await etcd.CtlAsync("snapshot", "save", folder["backup"]);
        for (int i = 0; i < 200; i++)
        {
            a.Release(Host.Owner(i));
        }

        a.Register("new", 20_500);
        await looker.UntilSameAsync(a);
        long before = await etcd.RevisionAsync();

        await etcd.First.KillAsync();
        await etcd.First.RestoreAsync(folder["backup"]);
        await etcd.First.StartAsync();

        await Seen.UntilAsync(() => looker.Log.Lines.Count(line => line.StartsWith("FleetListed", StringComparison.Ordinal)) >= 2);
        await looker.UntilSameAsync(a);
        (await etcd.RevisionAsync()).Should().BeLessThan(before + 400, "it counted the same revisions again");
        looker.Map.TryFind(Host.Owner(0), out _).Should().BeFalse("it was released after the backup");
        looker.Map.TryFind("new", out _).Should().BeTrue();
    }

    [NeedsFact("etcd", Also = ["etcdctl"])]
    public async Task KeysDeletedByHand_ComeBackWithTheNextComparison()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        await using Host a = Host.Start("a", etcd.Endpoints, options => options.AuditInterval = TimeSpan.FromSeconds(1));
        await using Host looker = Host.Look(etcd.Endpoints);
        a.RegisterMany(300);
        await looker.UntilSameAsync(a);

        await etcd.CtlAsync("del", "--prefix", "/portmap/v1/e/a/vol1");
        await etcd.CtlAsync("put", "/portmap/v1/e/a/nobody", """{"port":1,"epoch":1}""");
        await looker.UntilCaughtUpAsync(etcd);

        await looker.UntilSameAsync(a);
    }

    [NeedsFact("etcd", Also = ["etcdctl"])]
    public async Task HostsKeyDeletedByHand_IsWrittenAgain()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        await using Host a = Host.Start("a", etcd.Endpoints);
        a.Register("b1", 20_001);
        await a.UntilSameAsync(a);

        await etcd.CtlAsync("del", "/portmap/v1/h/a");
        a.Register("b2", 20_002);

        await a.UntilSameAsync(a);
        await a.Map.UntilAsync(map => map.EnumerateHosts().Any(host => host.Name == "a"));
    }

    [NeedsFact("etcd", Also = ["etcdctl"])]
    public async Task LeaseRevokedByHand_AllIsPublishedAgain()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        await using Host a = Host.Start("a", etcd.Endpoints, options => options.LeaseTtl = TimeSpan.FromSeconds(20));   // with the next sign of life, after a third of it
        await using Host looker = Host.Look(etcd.Endpoints, options => options.Publish = false);
        a.RegisterMany(300);
        await looker.UntilSameAsync(a);

        await etcd.RevokeLeaseOfAsync("a");

        await looker.UntilCaughtUpAsync(etcd);
        await looker.UntilSameAsync(a);
    }

    /// <summary>A claim writes the key of the host, and nobody has looked yet at what else is
    /// missing.</summary>
    [NeedsFact("etcd", Also = ["etcdctl"])]
    public async Task AllKeysDeletedByHand_ThenAClaim_EntriesAreBackWithTheNextChange()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        await using Host a = Host.Start("a", etcd.Endpoints, options => options.AuditInterval = TimeSpan.FromDays(1));
        await using Host looker = Host.Look(etcd.Endpoints, options => options.ReadOnly = true);
        a.Register("b1", 20_001);
        await looker.UntilSameAsync(a);

        await etcd.CtlAsync("del", "--prefix", "/portmap/v1/");
        await using FleetClaim claim = await a.Fleet.Owners.ClaimAsync("x").Within();
        a.Register("b2", 20_002);

        await looker.UntilSameAsync(a);
        claim.IsHeld.Should().BeTrue();
    }
}
