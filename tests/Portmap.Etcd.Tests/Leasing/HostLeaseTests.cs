namespace Portmap.Etcd.Tests.Leasing;

/// <summary>The lease of a host and its key, when somebody else takes them away.</summary>
public class HostLeaseTests
{
    private const string Owner = "vol0/leader";
    private const string Another = """{"address":"10.0.0.8","instance":"0a000000-0000-0000-0000-000000000001"}""";

    [NeedsFact("etcd", Also = ["etcdctl"])]
    public async Task ClaimAsync_HostsKeyDeletedByHand_WritesItAgainAndClaims()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        await using Host a = Host.Start("a", etcd.Endpoints, isPublishing: false);
        await Seen.UntilAsync(() => a.Fleet.Status.IsConnected);

        await etcd.CtlAsync("del", "/portmap/v1/h/a");
        await using FleetClaim claim = await a.Fleet.Owners.ClaimAsync(Owner).Within();

        claim.IsHeld.Should().BeTrue();
        (await etcd.CountAsync("/portmap/v1/h/a")).Should().Be(1);
    }

    [NeedsFact("etcd", Also = ["etcdctl"])]
    public async Task ClaimAsync_ManyAtOnceAfterTheHostsKeyWasDeleted_WriteItOnce()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        await using Host a = Host.Start("a", etcd.Endpoints, options => options.RequestTimeout = TimeSpan.FromSeconds(30), isPublishing: false);
        await Seen.UntilAsync(() => a.Fleet.Status.IsConnected);

        await etcd.CtlAsync("del", "/portmap/v1/h/a");
        FleetClaim[] claims = await Task.WhenAll(Enumerable.Range(0, 200).Select(i => a.Fleet.Owners.ClaimAsync(Host.Owner(i)))).Within();

        claims.Should().OnlyContain(claim => claim.IsHeld);
        string[] fields = (await etcd.CtlAsync("get", "/portmap/v1/h/a", "-w", "fields")).Split('\n');
        fields.Should().Contain("\"Version\" : 1", "each writing breaks what the publisher has on its way");
    }

    [NeedsFact("etcd", Also = ["etcdctl"])]
    public async Task HostThatPublishesNothing_HostsKeyDeletedByHand_WritesItAgainWithTheNextAudit()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        await using Host a = Host.Start("a", etcd.Endpoints, options => options.AuditInterval = TimeSpan.FromSeconds(1), isPublishing: false);
        await Seen.UntilAsync(() => a.Fleet.Status.IsConnected);

        await etcd.CtlAsync("del", "/portmap/v1/h/a");

        using CancellationTokenSource limit = Deadline.Source();
        while (await etcd.CountAsync("/portmap/v1/h/a") == 0)
        {
            limit.Token.ThrowIfCancellationRequested();
        }
    }

    [NeedsFact("etcd", Also = ["etcdctl"])]
    public async Task ClaimAsync_NameIsAnotherDaemonsNow_IsRefused()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        await using Host a = Host.Start("a", etcd.Endpoints, isPublishing: false);
        await Seen.UntilAsync(() => a.Fleet.Status.IsConnected);
        await etcd.CtlAsync("put", $"--lease={await etcd.GrantAsync()}", "/portmap/v1/h/a", Another);

        Func<Task> claim = () => a.Fleet.Owners.ClaimAsync(Owner);

        (await claim.Should().ThrowAsync<PortRefusedException>()).Which.Refusal.Should().BeEquivalentTo(new { Reason = PortRefusalReason.StoreFailed })
            .And.Match<PortRefusal>(refusal => refusal.Message.Contains("10.0.0.8", StringComparison.Ordinal));
    }

    /// <summary>All keys were copied from another etcd, or put back from a dump: they go with no lease,
    /// so that waiting for its end is no remedy.</summary>
    [NeedsFact("etcd", Also = ["etcdctl"])]
    public async Task Start_NameIsInAKeyOfNoLease_IsTaken()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        await etcd.CtlAsync("put", "/portmap/v1/h/a", Another);
        await etcd.CtlAsync("put", "/portmap/v1/e/a/gone", """{"port":20001,"epoch":1}""");

        await using Host a = Host.Start("a", etcd.Endpoints);
        a.Register("b1", 20_002);

        await a.UntilSameAsync(a);
        a.Fleet.Status.IsConnected.Should().BeTrue();
    }

    [NeedsFact("etcd", Also = ["etcdctl"])]
    public async Task ClaimAsync_LeaseRevokedByHand_IsRefusedAndSaysWhatToDo()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        await using Host a = Host.Start("a", etcd.Endpoints, options => options.LeaseTtl = TimeSpan.FromHours(1), isPublishing: false);
        await Seen.UntilAsync(() => a.Fleet.Status.IsConnected);
        await etcd.RevokeLeaseOfAsync("a");

        Func<Task> claim = () => a.Fleet.Owners.ClaimAsync(Owner);

        (await claim.Should().ThrowAsync<PortRefusedException>()).Which.Refusal.Should().BeEquivalentTo(new { Reason = PortRefusalReason.StoreFailed })
            .And.Match<PortRefusal>(refusal => refusal.Message.Contains("Try again", StringComparison.Ordinal));
    }

    /// <summary>The next sign of life is minutes away. Whoever hears that the lease is gone has it
    /// looked at.</summary>
    [NeedsTheory("etcd", Also = ["etcdctl"])]
    [InlineData("claim")]
    [InlineData("publish")]
    public async Task LeaseRevokedByHand_HeardOfByAnother_IsReplacedLongBeforeTheNextSignOfLife(string by)
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        await using Host a = Host.Start("a", etcd.Endpoints, options => options.LeaseTtl = TimeSpan.FromHours(1), isPublishing: by == "publish");
        await using Host looker = Host.Look(etcd.Endpoints, options => options.ReadOnly = true);
        await Seen.UntilAsync(() => a.Fleet.Status.IsConnected && (by == "claim" || a.Fleet.Status.IsPublished));

        await etcd.RevokeLeaseOfAsync("a");

        if (by == "claim")
        {
            await using FleetClaim claim = await a.UntilClaimedAsync(Owner);
            claim.IsHeld.Should().BeTrue();
        }
        else
        {
            a.Register("b1", 20_001);
            await looker.UntilSameAsync(a);
            a.Log.Lines.Should().Contain(line => line.StartsWith("FleetPublishingBroke", StringComparison.Ordinal));
        }

        a.Log.Lines.Where(line => line.StartsWith("FleetLease", StringComparison.Ordinal)).Select(line => line[..line.IndexOf(':', StringComparison.Ordinal)])
            .Should().Equal("FleetLeased", "FleetLeaseLost", "FleetLeased");
    }

    [NeedsTheory("etcd")]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Dispose_EtcdIsGone_SaysThatWhatIsThereStays(bool keeps)
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        await using Host a = Host.Start("a", etcd.Endpoints, options => options.KeepEntriesOnStop = keeps);
        await Seen.UntilAsync(() => a.Fleet.Status is { IsConnected: true, IsPublished: true });
        await etcd.First.KillAsync();

        await a.Fleet.DisposeAsync().AsTask().Within();

        a.Log.Lines.Should().ContainSingle(line => line.StartsWith("FleetNotRevoked", StringComparison.Ordinal));
    }
}
