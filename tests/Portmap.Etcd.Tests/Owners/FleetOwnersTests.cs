using System.Diagnostics;
using System.Globalization;
using Google.Protobuf;
using Portmap.Etcd.Connecting;
using Portmap.Etcd.Protocol;

namespace Portmap.Etcd.Tests.Owners;

public class FleetOwnersTests
{
    private const string Owner = "vol0/leader";

    [NeedsFact("etcd")]
    public async Task ClaimAsync_FiftyHostsAtOnce_OneHasItAndAllOthersNameIt()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        Host[] hosts = [.. Enumerable.Range(0, 50).Select(i => Host.Start(
            string.Create(CultureInfo.InvariantCulture, $"h{i}"), etcd.Endpoints, options => (options.Mirror, options.LeaseTtl) = (false, TimeSpan.FromMinutes(1)), isPublishing: false))];
        try
        {
            await Seen.UntilAsync(() => hosts.All(host => host.Fleet.Status.IsConnected));
            TaskCompletionSource go = new(TaskCreationOptions.RunContinuationsAsynchronously);
            Task<(string Host, FleetClaim? Claim, PortRefusal? Refusal)>[] attempts = [.. hosts.Select(ClaimAsync)];
            go.SetResult();
            var outcomes = await Task.WhenAll(attempts).Within();

            var winner = outcomes.Should().ContainSingle(outcome => outcome.Claim != null).Subject;
            winner.Claim!.IsHeld.Should().BeTrue();
            foreach (var (_, _, refusal) in outcomes.Where(outcome => outcome.Claim == null))
            {
                refusal.Should().BeEquivalentTo(
                    new { Reason = PortRefusalReason.Conflict, Owner, Holder = winner.Host, HolderEpoch = winner.Claim.Epoch });
            }

            async Task<(string, FleetClaim?, PortRefusal?)> ClaimAsync(Host host)
            {
                await go.Task;
                try
                {
                    return (host.Options.Host, await host.Fleet.Owners.ClaimAsync(Owner), null);
                }
                catch (PortRefusedException exception)
                {
                    return (host.Options.Host, null, exception.Refusal);
                }
            }
        }
        finally
        {
            await Task.WhenAll(hosts.Select(host => host.DisposeAsync().AsTask()));
        }
    }

    [NeedsFact("etcd")]
    public async Task ClaimAsync_AfterEachOther_EpochsRiseAndTheEntryTellsThem()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        await using Host a = Host.Start("a", etcd.Endpoints);
        await using Host b = Host.Start("b", etcd.Endpoints);
        long last = 0;
        foreach (Host host in (Host[])[a, b, a, a, b])
        {
            await using FleetClaim claim = await host.Fleet.Owners.ClaimAsync(Owner).Within();
            host.Register(Owner, 20_001);
            claim.Epoch.Should().BeGreaterThan(last);
            last = claim.Epoch;
            await a.Map.UntilAsync(map => map.TryFind(Owner, out FleetEntry? entry) && entry.ClaimEpoch == last && entry.Host == host.Options.Host);
            ProcessStartInfo start = new("worker");
            claim.PrepareStart(start);
            start.Environment["PORTMAP_FLEET_EPOCH"].Should().Be(last.ToString(CultureInfo.InvariantCulture));
            host.Release(Owner);
        }
    }

    [NeedsFact("etcd")]
    public async Task ClaimAsync_HeldByThisHost_IsRefusedAndReleasedIsLost()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        await using Host a = Host.Start("a", etcd.Endpoints, isPublishing: false);
        FleetClaim claim = await a.Fleet.Owners.ClaimAsync(Owner).Within();

        Func<Task> again = () => a.Fleet.Owners.ClaimAsync(Owner);
        (await again.Should().ThrowAsync<PortRefusedException>()).Which.Refusal.Should().BeEquivalentTo(
            new { Reason = PortRefusalReason.AlreadyReserved, HolderEpoch = claim.Epoch });
        TaskCompletionSource told = new(TaskCreationOptions.RunContinuationsAsynchronously);
        claim.Lost.Register(told.SetResult);
        await claim.DisposeAsync();
        await claim.DisposeAsync();

        claim.IsHeld.Should().BeFalse();
        await told.Task.Within();
        claim.Invoking(one => one.PrepareStart(new ProcessStartInfo("worker"))).Should().Throw<PortRefusedException>()
            .Which.Refusal.Reason.Should().Be(PortRefusalReason.LeaseEnded);
        (await a.Fleet.Owners.ClaimAsync(Owner).Within()).Epoch.Should().BeGreaterThan(claim.Epoch);
    }

    [NeedsFact("etcd")]
    public async Task ClaimAsync_EtcdAway_IsRefusedInTime()
    {
        await using EtcdCluster etcd = EtcdCluster.Prepare();
        await using Host a = Host.Start("a", etcd.Endpoints, options => options.RequestTimeout = TimeSpan.FromSeconds(2), isPublishing: false);

        Func<Task> claim = () => a.Fleet.Owners.ClaimAsync(Owner);

        (await claim.Should().ThrowAsync<PortRefusedException>()).Which.Refusal.Reason.Should().Be(PortRefusalReason.StoreFailed);
        await claim.Invoking(_ => a.Fleet.Owners.ClaimAsync("")).Should().ThrowAsync<PortRefusedException>().Where(refused => refused.Refusal.Reason == PortRefusalReason.InvalidOwner);
    }

    /// <summary>It was copied from another etcd, or put by hand: nobody releases it, and no lease of
    /// it ends.</summary>
    [NeedsFact("etcd", Also = ["etcdctl"])]
    public async Task ClaimAsync_KeyOfNoLease_IsRefusedAndSaysWhatToDelete()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        await using Host a = Host.Start("a", etcd.Endpoints, isPublishing: false);
        await etcd.CtlAsync("put", $"/portmap/v1/o/{Owner}", """{"host":"b"}""");

        PortRefusal refusal = await RefusalAsync(a.Fleet.Owners.ClaimAsync(Owner));

        refusal.Should().BeEquivalentTo(new { Reason = PortRefusalReason.Conflict, Owner, Holder = "b" });
        refusal.Message.Should().Contain($"Delete '/portmap/v1/o/{Owner}'");
        await etcd.CtlAsync("del", $"/portmap/v1/o/{Owner}");
        await using FleetClaim claim = await a.Fleet.Owners.ClaimAsync(Owner).Within();
    }

    /// <summary>Its lease lives, and each put is answered with a reason: the network is not to blame,
    /// and an operator is to hear what is.</summary>
    [NeedsFact("etcd")]
    public async Task ClaimAsync_EtcdIsFull_SaysSo()
    {
        await using EtcdCluster etcd = EtcdCluster.Prepare(more: ["--quota-backend-bytes", "1000000"]);
        await etcd.StartAsync();
        await using Host a = Host.Start("a", etcd.Endpoints, options => options.RequestTimeout = TimeSpan.FromSeconds(10), isPublishing: false);   // it is tried for as long
        await Seen.UntilAsync(() => a.Fleet.Status.IsConnected);
        await FillAsync(etcd);

        PortRefusal refusal = await RefusalAsync(a.Fleet.Owners.ClaimAsync(Owner));

        refusal.Reason.Should().Be(PortRefusalReason.StoreFailed);
        refusal.Message.Should().Contain("space exceeded").And.Contain("Try again");
    }

    /// <summary>Nothing else asks the member anything meanwhile, so nobody else finds it
    /// out.</summary>
    [NeedsFact("etcd")]
    public async Task ClaimAsync_MemberSaysNothingAnyMore_AsksTheNextOne()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        await using Cut wire = new(etcd.Endpoints);
        await using Host a = Host.Start(
            "a",
            $"{wire.Endpoint},{etcd.Endpoints}",
            options => (options.LeaseTtl, options.RequestTimeout, options.Mirror) = (TimeSpan.FromMinutes(10), TimeSpan.FromSeconds(8), false),
            isPublishing: false);
        await Seen.UntilAsync(() => a.Fleet.Status.IsConnected);

        wire.Keep();
        await using FleetClaim claim = await a.Fleet.Owners.ClaimAsync(Owner).Within();
        wire.Break();

        claim.IsHeld.Should().BeTrue();
    }

    [NeedsFact("etcd")]
    public async Task Claim_HolderKilled_AnotherGetsItWithAHigherEpoch()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        await using ChildProcess holder = DaemonProgram.Start(DaemonProgram.Hold, etcd.Endpoints, "a", "10", Owner);
        long first = Epoch(await holder.ReadLineAsync());
        await using Host b = Host.Start("b", etcd.Endpoints);

        holder.Kill();

        (await b.UntilClaimedAsync(Owner)).Epoch.Should().BeGreaterThan(first);
    }

    /// <summary>A host stands still for longer than its lease. What it knows when it wakes decides
    /// whether it does harm.</summary>
    [NeedsFact("etcd")]
    public async Task Claim_HolderFrozenPastItsLease_KnowsThatItLostBeforeItActs()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        await using Host b = Host.Start("b", etcd.Endpoints);
        await using ChildProcess holder = DaemonProgram.Start(DaemonProgram.Hold, etcd.Endpoints, "a", "10", Owner);
        long first = Epoch(await holder.ReadLineAsync());

        holder.Send(Signal.Stop);
        FleetClaim second = await b.UntilClaimedAsync(Owner);
        long taken = Stopwatch.GetTimestamp();
        second.Epoch.Should().BeGreaterThan(first);
        holder.Send(Signal.Continue);

        bool isTold = false, hasLost = false;
        while (!isTold || !hasLost)
        {
            string[] said = (await holder.ReadLineAsync()).Split(' ');
            if (said[0] == "told")
            {
                isTold = true;
            }
            else if (long.Parse(said[2], CultureInfo.InvariantCulture) > taken)
            {
                said[0].Should().Be("lost", "the owner was another's before this look began");
                said[3].Should().Be("refused", "its map does not say what it knows to be over");
                hasLost = true;
            }
        }

        second.IsHeld.Should().BeTrue();
    }

    [NeedsFact("etcd")]
    public async Task Claim_EtcdAwayForLongerThanTheLease_IsLostByTheClockAlone()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        await using Host a = Host.Start("a", etcd.Endpoints, options => options.LeaseTtl = TimeSpan.FromSeconds(5), isPublishing: false);
        await using Host b = Host.Start("b", etcd.Endpoints, isPublishing: false);
        FleetClaim claim = await a.UntilClaimedAsync(Owner);
        TaskCompletionSource told = new(TaskCreationOptions.RunContinuationsAsynchronously);
        claim.Lost.Register(told.SetResult);

        await etcd.First.KillAsync();
        await told.Task.Within();
        claim.IsHeld.Should().BeFalse();
        await etcd.First.StartAsync();

        FleetClaim second = await b.UntilClaimedAsync(Owner);
        second.Epoch.Should().BeGreaterThan(claim.Epoch);
        claim.IsHeld.Should().BeFalse("lost is lost, although etcd may have kept the lease");
    }

    /// <summary>The loop that tells of the end waits for an answer of etcd at that moment.</summary>
    [NeedsFact("etcd")]
    public async Task Claim_EtcdSilentDuringAnAudit_IsToldLostBeforeAnotherHasIt()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        await using Cut wire = new(etcd.Endpoints);
        await using Host a = Host.Start(
            "a",
            wire.Endpoint,
            options => (options.LeaseTtl, options.AuditInterval, options.RequestTimeout, options.Mirror) = (TimeSpan.FromSeconds(6), TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(20), false),
            isPublishing: false);
        await using Host b = Host.Start("b", etcd.Endpoints, isPublishing: false);
        FleetClaim claim = await a.UntilClaimedAsync(Owner);

        wire.Keep();
        await using FleetClaim second = await b.UntilClaimedAsync(Owner);
        bool isTold = claim.Lost.IsCancellationRequested;   // IsHeld would tell it
        wire.Break();

        isTold.Should().BeTrue();
        second.Epoch.Should().BeGreaterThan(claim.Epoch);
    }

    [NeedsFact("etcd", Also = ["etcdctl"])]
    public async Task Claim_EtcdRestoredFromBeforeIt_IsLost()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        using TempFolder folder = new();
        await using Host a = Host.Start("a", etcd.Endpoints, options => options.LeaseTtl = TimeSpan.FromMinutes(5), isPublishing: false);
        await using FleetClaim old = await a.Fleet.Owners.ClaimAsync("old").Within();
        await etcd.CtlAsync("snapshot", "save", folder["backup"]);
        FleetClaim claim = await a.Fleet.Owners.ClaimAsync(Owner).Within();

        await etcd.First.KillAsync();
        await etcd.First.RestoreAsync(folder["backup"]);
        await etcd.First.StartAsync();

        await Seen.UntilAsync(() => !claim.IsHeld);
        old.IsHeld.Should().BeTrue("it stands in the backup, and so does the lease");
    }

    /// <summary>A restored etcd counts the same revisions again: another host claims the owner by
    /// the very epoch.</summary>
    [NeedsFact("etcd", Also = ["etcdctl"])]
    public async Task Claim_EtcdRestoredAndAnotherClaimsByTheSameEpoch_IsLostAndTheOthersIsKept()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        using TempFolder folder = new();
        await using Cut wire = new(etcd.Endpoints);
        await using Host a = Host.Start("a", wire.Endpoint, Configure, isPublishing: false);
        await using Host b = Host.Start("b", etcd.Endpoints, Configure, isPublishing: false);
        await Seen.UntilAsync(() => a.Fleet.Status.IsConnected && b.Fleet.Status.IsConnected);
        await etcd.CtlAsync("snapshot", "save", folder["backup"]);
        FleetClaim claim = await a.Fleet.Owners.ClaimAsync(Owner).Within();
        FleetClaim released = await a.Fleet.Owners.ClaimAsync("released").Within();
        wire.Break();
        await etcd.First.KillAsync();
        await released.DisposeAsync();   // etcd is told when the wire is mended
        await etcd.First.RestoreAsync(folder["backup"]);
        await etcd.First.StartAsync();
        await using FleetClaim second = await b.UntilClaimedAsync(Owner), third = await b.UntilClaimedAsync("released");
        (second.Epoch, third.Epoch).Should().Be((claim.Epoch, released.Epoch));

        wire.Mend();

        await Seen.UntilAsync(() => !claim.IsHeld);
        for (int i = 0; i < 10; i++)
        {
            await using FleetClaim later = await a.UntilClaimedAsync(string.Create(CultureInfo.InvariantCulture, $"later{i}"));
        }

        (await etcd.EpochOfAsync(Owner)).Should().Be(second.Epoch);
        (await etcd.EpochOfAsync("released")).Should().Be(third.Epoch);

        static void Configure(PortmapFleetOptions options) => (options.LeaseTtl, options.Mirror) = (TimeSpan.FromMinutes(5), false);
    }

    [NeedsFact("etcd")]
    public async Task Claim_LeaderKilledOfThree_IsKept()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync(nodes: 3);
        EtcdNode leader = await etcd.LeaderAsync();
        string endpoints = string.Join(',', etcd.Nodes.OrderByDescending(node => node == leader).Select(node => node.Endpoint));   // the one that is asked
        await using Host a = Host.Start("a", endpoints, options => options.LeaseTtl = TimeSpan.FromSeconds(30), isPublishing: false);
        await using FleetClaim claim = await a.Fleet.Owners.ClaimAsync(Owner).Within();

        await leader.KillAsync();

        await using FleetClaim other = await a.UntilClaimedAsync("another");
        await claim.UntilRenewedAsync();   // by the new leader: until then it is held by the clock alone
        claim.IsHeld.Should().BeTrue();
    }

    /// <summary>The next members are machines that are gone: who connects to them waits. The last one
    /// would renew the lease.</summary>
    [NeedsFact("etcd")]
    public async Task Claim_MemberBreaksAndTheNextAreGone_IsRenewedByTheLastInTime()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        await using Cut wire = new(etcd.Endpoints);
        using FullListener one = await FullListener.StartAsync(), two = await FullListener.StartAsync(), three = await FullListener.StartAsync();
        await using Host a = Host.Start(
            "a",
            $"{wire.Endpoint},{one.Endpoint},{two.Endpoint},{three.Endpoint},{etcd.Endpoints}",
            options => (options.LeaseTtl, options.RequestTimeout, options.Mirror) = (TimeSpan.FromSeconds(10), TimeSpan.FromSeconds(30), false),
            isPublishing: false);
        await using FleetClaim claim = await a.Fleet.Owners.ClaimAsync(Owner).Within();

        wire.Break();
        await claim.UntilRenewedAsync();

        claim.IsHeld.Should().BeTrue();
    }

    private static async Task<PortRefusal> RefusalAsync(Task<FleetClaim> claiming) =>
        (await claiming.Invoking(claim => claim.Within()).Should().ThrowAsync<PortRefusedException>()).Which.Refusal;

    /// <summary>Writes until etcd takes no more.</summary>
    private static async Task FillAsync(EtcdCluster etcd)
    {
        using EtcdClient client = etcd.Connect();
        ByteString much = ByteString.CopyFrom(new byte[100_000]);
        Func<Task> fill = async () =>
        {
            for (int i = 0; i < 1_000; i++)
            {
                await client.TxnAsync(new TxnRequest().Then(Txn.Put(ByteString.CopyFromUtf8(string.Create(CultureInfo.InvariantCulture, $"/full/{i}")), much, lease: 0)), CancellationToken.None).Within();
            }
        };
        await fill.Should().ThrowAsync<EtcdException>().WithMessage("*space exceeded*");
    }

    private static long Epoch(string line) => long.Parse(line.Split(' ')[1], CultureInfo.InvariantCulture);

    /// <summary>Etcd goes away between its answer, which shows a key of this host's own of before,
    /// and the request that takes that key back.</summary>
    [NeedsFact("etcd", Also = ["etcdctl"])]
    public async Task ClaimAsync_OwnOldKeyAndEtcdGoesAwayMeanwhile_IsClaimedWhenItIsBack()
    {
        const string Old = "of-before";
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        await using Cut wire = new(etcd.Endpoints);
        await using Host a = Host.Start(
            "a",
            wire.Endpoint,
            options => (options.LeaseTtl, options.AuditInterval, options.RequestTimeout, options.Mirror) = (TimeSpan.FromMinutes(10), TimeSpan.FromDays(1), TimeSpan.FromSeconds(30), false),
            isPublishing: false);
        await Seen.UntilAsync(() => a.Fleet.Status.IsConnected);
        await etcd.CtlAsync("put", $"--lease={await etcd.LeaseOfAsync("a")}", $"/portmap/v1/o/{Owner}", $$"""{"host":"a","claim":"{{Old}}"}""");

        wire.BreakAtTheNext(question: Owner, after: Old);
        Task<FleetClaim> claim = a.Fleet.Owners.ClaimAsync(Owner);
        await Seen.UntilAsync(() => wire.IsCut);
        wire.Mend();

        (await claim.Within()).IsHeld.Should().BeTrue();
    }
}
