using System.Collections.Concurrent;
using System.Globalization;

namespace Portmap.Etcd.Tests.Owners;

/// <summary>What becomes of owners and their entries when the fleet is disposed.</summary>
public class FleetStopTests
{
    private const int Count = 300;

    /// <summary>What the registry acquired in the fleet ends, and lookups must not lead to workers
    /// that are told to stop. The rest outlives the daemon.</summary>
    [NeedsFact("etcd")]
    public async Task Dispose_KeepEntriesOnStop_WhatWasAcquiredGoesAndWhatWasClaimedStays()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        await using Host b = Host.Start("b", etcd.Endpoints);
        await using Host a = Host.Start(
            "a", etcd.Endpoints, options => (options.KeepEntriesOnStop, options.LeaseTtl, options.RequestTimeout) = (true, TimeSpan.FromMinutes(10), TimeSpan.FromSeconds(30)));
        a.Register("plain", 20_001);
        FleetClaim[] claims = await Task.WhenAll(Names("claimed").Select(owner => a.Fleet.Owners.ClaimAsync(owner))).Within();
        PortLease[] leases = await Task.WhenAll(Names("acquired").Select(owner => a.Registry!.AcquireAsync(new PortRequest(owner) { Scope = PortScope.Fleet }).AsTask())).Within();
        foreach (PortLease lease in leases)
        {
            int port = lease.Port == 0 ? 22_000 + Array.IndexOf(leases, lease) : lease.Port;
            a.Session!.TryRegister(new PortClaimRequest(lease.Owner, port) { Epoch = lease.Epoch }, out _, out _).Should().BeTrue();
        }

        foreach (FleetClaim claim in claims)
        {
            a.Register(claim.Owner, 20_002);
        }

        await b.Map.UntilAsync(map => map.Count == 1 + (2 * Count) && Names("acquired").Concat(Names("claimed")).All(owner => map.TryFind(owner, out FleetEntry? entry) && entry.ClaimEpoch is not null));

        await a.Fleet.DisposeAsync().AsTask().Within();

        await b.Map.UntilAsync(map => !Names("acquired").Any(owner => map.TryFind(owner, out _)));
        b.Map.Count.Should().Be(1 + Count);
        claims.Should().OnlyContain(claim => claim.Lost.IsCancellationRequested);
        foreach (FleetClaim claim in claims)
        {
            (await etcd.EpochOfAsync(claim.Owner)).Should().Be(claim.Epoch);
        }

        foreach (PortLease lease in leases)
        {
            (await b.Fleet.Owners.ClaimAsync(lease.Owner).Within()).Epoch.Should().BeGreaterThan(lease.FleetEpoch!.Value, "it was given back before the daemon was gone");
        }
    }

    /// <summary>The lease stays, and with it whatever nobody takes back.</summary>
    [NeedsTheory("etcd")]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Dispose_KeepEntriesOnStopWhileManyClaim_WhatWasRefusedLeavesNoKey(bool isAcquired)
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        await using Host a = Host.Start(
            "a", etcd.Endpoints, options => (options.KeepEntriesOnStop, options.LeaseTtl, options.RequestTimeout) = (true, TimeSpan.FromMinutes(10), TimeSpan.FromSeconds(30)), isPublishing: isAcquired);
        await Seen.UntilAsync(() => a.Fleet.Status.IsConnected);
        ConcurrentQueue<(string Owner, Task Claim)> claims = [];
        TaskCompletionSource first = new(TaskCreationOptions.RunContinuationsAsynchronously);
        Task claiming = Task.WhenAll(Names("late").Select(ClaimAsync));
        await first.Task.Within();

        await a.Fleet.DisposeAsync().AsTask().Within();

        await claiming.Within();
        (string Owner, Task Claim)[] checkedOnes = [.. claims.Where(one => isAcquired || one.Claim.IsFaulted)];
        checkedOnes.Should().HaveCount(Count);
        foreach ((string owner, Task _) in checkedOnes)
        {
            (await etcd.EpochOfAsync(owner)).Should().BeNull("nobody holds {0}, and no other host could claim it for ten minutes", owner);
        }

        // What is claimed without the registry stays when it was had: one after the other, until
        // one is refused.
        async Task ClaimAsync(string owner)
        {
            Task claim;
            int number = 0;
            do
            {
                string next = string.Create(CultureInfo.InvariantCulture, $"{owner}/{number++}");
                claim = isAcquired ? a.Registry!.AcquireAsync(new PortRequest(next) { Scope = PortScope.Fleet }).AsTask() : a.Fleet.Owners.ClaimAsync(next);
                claims.Enqueue((next, claim));
                await claim.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                first.TrySetResult();
            }
            while (!isAcquired && !claim.IsFaulted);
        }
    }

    /// <summary>The key of a request that was given up and came late, or that nobody could take
    /// back.</summary>
    [NeedsFact("etcd", Also = ["etcdctl"])]
    public async Task Dispose_KeepEntriesOnStop_AKeyThatNobodyHoldsGoes()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        await using Host a = Host.Start(
            "a", etcd.Endpoints, options => (options.KeepEntriesOnStop, options.LeaseTtl, options.AuditInterval) = (true, TimeSpan.FromMinutes(10), TimeSpan.FromDays(1)), isPublishing: false);
        FleetClaim kept = await a.Fleet.Owners.ClaimAsync("kept").Within();
        await a.Fleet.Owners.ClaimAsync("acquired", isOfRegistry: true, CancellationToken.None).Within();   // it has no port yet, and gets none
        await etcd.CtlAsync("put", $"--lease={await etcd.LeaseOfAsync("a")}", "/portmap/v1/o/given-up", """{"host":"a","claim":"1"}""");

        await a.Fleet.DisposeAsync().AsTask().Within();

        (await etcd.EpochOfAsync("given-up")).Should().BeNull();
        (await etcd.EpochOfAsync("acquired")).Should().BeNull();
        (await etcd.EpochOfAsync("kept")).Should().Be(kept.Epoch);
    }

    /// <summary>Etcd answers a claim while the others are told that they are lost.</summary>
    [NeedsFact("etcd")]
    public async Task Dispose_ClaimIsAnsweredMeanwhile_IsLostToo()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        await using Host a = Host.Start("a", etcd.Endpoints, isPublishing: false);
        FleetOwners owners = a.Fleet.Owners;
        FleetClaim first = await owners.ClaimAsync("first").Within();
        FleetClaim[] late = [.. Names("late").Select(owner => new FleetClaim(owners, first.Term, owner, epoch: 1))];
        owners.Changed += owner =>
        {
            foreach (FleetClaim claim in owner == "first" ? late : [])
            {
                owners.Held.TryAdd(claim);
            }
        };

        await a.Fleet.DisposeAsync().AsTask().Within();

        late.Should().OnlyContain(claim => claim.Lost.IsCancellationRequested);
    }

    /// <summary>The host disposes it once more when its time is over, and then the process
    /// ends.</summary>
    [NeedsFact("etcd", Also = ["etcdctl"])]
    public async Task Dispose_Again_WaitsUntilEtcdWasTold()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        await using Host a = Host.Start("a", etcd.Endpoints, options => options.RequestTimeout = TimeSpan.FromSeconds(30));
        a.Register("plain", 20_001);
        await Seen.UntilAsync(() => a.Fleet.Status is { IsPublished: true, Pending: 0 });
        etcd.First.Send(Signal.Stop);

        Task first = a.Fleet.DisposeAsync().AsTask(), second = a.Fleet.DisposeAsync().AsTask();

        second.IsCompleted.Should().BeFalse("etcd has heard nothing yet");
        etcd.First.Send(Signal.Continue);
        await second.Within();
        (await etcd.CountAsync("/portmap/")).Should().Be(0);
        await first.Within();
    }

    [NeedsFact("etcd")]
    public async Task DisposeClaim_Again_WaitsUntilEtcdHasConfirmed()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        await using Host a = Host.Start("a", etcd.Endpoints, options => options.RequestTimeout = TimeSpan.FromSeconds(30), isPublishing: false);
        FleetClaim claim = await a.Fleet.Owners.ClaimAsync("b1").Within();
        etcd.First.Send(Signal.Stop);

        Task first = claim.DisposeAsync().AsTask(), second = claim.DisposeAsync().AsTask();

        second.IsCompleted.Should().BeFalse("etcd has confirmed nothing yet");
        etcd.First.Send(Signal.Continue);
        await second.Within();
        (await etcd.EpochOfAsync("b1")).Should().BeNull();
        await first.Within();
    }

    private static IEnumerable<string> Names(string begin) => Enumerable.Range(0, Count).Select(i => string.Create(CultureInfo.InvariantCulture, $"{begin}{i}"));
}
