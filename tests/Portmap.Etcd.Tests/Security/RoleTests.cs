namespace Portmap.Etcd.Tests.Security;

/// <summary>Etcd's own users and roles: a host may write what is its own, and nothing
/// else.</summary>
public class RoleTests
{
    private const string Password = "s3cret";

    [NeedsFact("etcd", Also = ["etcdctl"])]
    public async Task Publish_RoleOfTheHost_WritesItsOwnAndReadsAll()
    {
        await using EtcdCluster etcd = await StartAsync("a", "b");
        await using Host a = Host.Start("a", etcd.Endpoints, options => (options.User, options.Password) = ("a", Password));
        await using Host b = Host.Start("b", etcd.Endpoints, options => (options.User, options.Password) = ("b", Password));
        a.RegisterMany(300);
        b.RegisterMany(10);
        await b.UntilSameAsync(a);
        await a.UntilSameAsync(b);
        a.Release(Host.Owner(1));
        await b.UntilSameAsync(a);
        await using FleetClaim claim = await a.Fleet.Owners.ClaimAsync("once").Within();
        claim.IsHeld.Should().BeTrue();
    }

    [NeedsFact("etcd", Also = ["etcdctl"])]
    public async Task Publish_RoleOfAnotherHost_IsRefusedAndSaysSo()
    {
        await using EtcdCluster etcd = await StartAsync("a");
        await using Host posing = Host.Start("b", etcd.Endpoints, options => (options.User, options.Password) = ("a", Password));
        posing.Register("b1", 20_001);

        await Seen.UntilAsync(() => posing.Fleet.Status.Trouble?.Contains("PermissionDenied", StringComparison.Ordinal) == true);
        await posing.Map.WhenListed.Within();

        posing.Map.Count.Should().Be(0);
        posing.Fleet.Status.IsConnected.Should().BeFalse();
    }

    /// <summary>It asks for a lease with each attempt, and may ask for ever.</summary>
    [NeedsFact("etcd", Also = ["etcdctl"])]
    public async Task Publish_RoleOfAnotherHost_KeepsNoLease()
    {
        await using EtcdCluster etcd = await StartAsync("a");
        await using Host posing = Host.Start("b", etcd.Endpoints, options => (options.User, options.Password, options.LeaseTtl) = ("a", Password, TimeSpan.FromMinutes(10)));
        using CancellationTokenSource limit = Deadline.Source();
        while (await etcd.First.CallsAsync("LeaseGrant") < 6)
        {
            limit.Token.ThrowIfCancellationRequested();
        }

        string[] leases = (await CtlAsync(etcd, "lease", "list")).Split('\n');

        leases.Skip(1).Should().HaveCountLessThan(3, "at most that of the attempt under way is left");
    }

    [NeedsFact("etcd", Also = ["etcdctl"])]
    public async Task Publish_WrongPasswordOrNone_IsRefusedAndSaysSo()
    {
        await using EtcdCluster etcd = await StartAsync("a");
        await using Host wrong = Host.Start("a", etcd.Endpoints, options => (options.User, options.Password) = ("a", "guess"));
        await using Host none = Host.Start("c", etcd.Endpoints);

        await Seen.UntilAsync(() => wrong.Fleet.Status.Trouble?.Contains("authentication failed", StringComparison.Ordinal) == true);
        await Seen.UntilAsync(() => none.Fleet.Status.Trouble?.Contains("user name is empty", StringComparison.Ordinal) == true);
        await Seen.UntilAsync(() => wrong.Fleet.Status.IsDenied && none.Fleet.Status.IsDenied);
    }

    /// <summary>A gateway's role: it may read, and that is enough.</summary>
    [NeedsFact("etcd", Also = ["etcdctl"])]
    public async Task ReadOnly_RoleThatMayOnlyRead_Follows()
    {
        await using EtcdCluster etcd = await StartAsync("a");
        await CtlAsync(etcd, "role", "add", "gateway");
        await CtlAsync(etcd, "role", "grant-permission", "gateway", "read", "--prefix=true", "/portmap/v1/");
        await CtlAsync(etcd, "user", "add", $"gateway:{Password}");
        await CtlAsync(etcd, "user", "grant-role", "gateway", "gateway");
        await using Host a = Host.Start("a", etcd.Endpoints, options => (options.User, options.Password) = ("a", Password));
        await using Host gateway = Host.Look(etcd.Endpoints, options => (options.User, options.Password, options.ReadOnly) = ("gateway", Password, true));

        a.Register("b1", 20_001);

        await gateway.Map.UntilAsync(map => map.TryFind("b1", out _));
        await Seen.UntilAsync(() => gateway.Fleet.Status is { IsConnected: true, IsDenied: false });
    }

    /// <summary>Etcd forgets its tokens when it ends: who has an old one must ask for another,
    /// streams as well.</summary>
    [NeedsFact("etcd", Also = ["etcdctl"])]
    public async Task Publish_EtcdKilled_AuthenticatesAgain()
    {
        await using EtcdCluster etcd = await StartAsync("a");
        await using Host a = Host.Start("a", etcd.Endpoints, options => (options.User, options.Password) = ("a", Password));
        a.RegisterMany(100);
        await a.UntilSameAsync(a);

        await etcd.First.KillAsync();
        a.Release(Host.Owner(0));
        a.Register("new", 20_500);
        await etcd.First.StartAsync();

        await a.UntilSameAsync(a);
    }

    [NeedsFact("etcd", Also = ["etcdctl"])]
    public async Task ClaimAsync_RoleThatMayNotClaim_IsRefusedAndSaysWhatToGrant()
    {
        await using EtcdCluster etcd = await StartAsync("a");
        await CtlAsync(etcd, "role", "revoke-permission", "a", "--prefix=true", "/portmap/v1/o/");
        await using Host a = Host.Start("a", etcd.Endpoints, options => (options.User, options.Password) = ("a", Password), isPublishing: false);
        await Seen.UntilAsync(() => a.Fleet.Status.IsConnected);

        Func<Task> claim = () => a.Fleet.Owners.ClaimAsync("once").Within();

        (await claim.Should().ThrowAsync<PortRefusedException>()).Which.Refusal.Should().BeEquivalentTo(new { Reason = PortRefusalReason.StoreFailed })
            .And.Match<PortRefusal>(refusal => refusal.Message.Contains("write below '/portmap/v1/o/'", StringComparison.Ordinal));
    }

    [NeedsFact("etcd", Also = ["etcdctl"])]
    public async Task Publish_RolesChangedMeanwhile_GoesOn()
    {
        await using EtcdCluster etcd = await StartAsync("a");
        await using Host a = Host.Start("a", etcd.Endpoints, options => (options.User, options.Password) = ("a", Password));
        a.RegisterMany(100);
        await a.UntilSameAsync(a);

        // Makes every token one of an older revision of the auth store.
        await CtlAsync(etcd, "user", "add", "another:x");
        a.Register("new", 20_500);

        await a.UntilSameAsync(a);
    }

    private static async Task<EtcdCluster> StartAsync(params string[] hosts)
    {
        EtcdCluster etcd = await EtcdCluster.StartAsync();
        await etcd.CtlAsync("user", "add", "root:" + Password);
        foreach (string host in hosts)
        {
            await etcd.CtlAsync("role", "add", host);
            await etcd.CtlAsync("role", "grant-permission", host, "read", "--prefix=true", "/portmap/v1/");
            await etcd.CtlAsync("role", "grant-permission", host, "readwrite", "--prefix=true", $"/portmap/v1/e/{host}/");
            await etcd.CtlAsync("role", "grant-permission", host, "readwrite", "--prefix=true", $"/portmap/v1/u/{host}/");
            await etcd.CtlAsync("role", "grant-permission", host, "readwrite", $"/portmap/v1/h/{host}");
            await etcd.CtlAsync("role", "grant-permission", host, "readwrite", "--prefix=true", "/portmap/v1/o/");
            await etcd.CtlAsync("user", "add", $"{host}:{Password}");
            await etcd.CtlAsync("user", "grant-role", host, host);
        }

        await etcd.CtlAsync("auth", "enable");
        return etcd;
    }

    private static Task<string> CtlAsync(EtcdCluster etcd, params string[] arguments) => etcd.CtlAsync(["--user", "root:" + Password, .. arguments]);
}
