using System.Diagnostics;
using System.Globalization;

namespace Portmap.Etcd.Tests.Owners;

/// <summary><see cref="PortScope.Fleet"/> on a real etcd: the registry grants an owner on one host
/// of the fleet at a time.</summary>
public class FleetScopeTests
{
    private const string Owner = "vol0/rebalance";

    private static readonly PortRequest s_request = new(Owner) { Scope = PortScope.Fleet };

    [NeedsFact("etcd")]
    public async Task AcquireAsync_FiftyHostsAtOnce_OneHasItAndAllOthersNameIt()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        Host[] hosts = [.. Enumerable.Range(0, 50).Select(i => Host.Start(
            string.Create(CultureInfo.InvariantCulture, $"h{i}"), etcd.Endpoints, options => (options.Mirror, options.LeaseTtl) = (false, TimeSpan.FromMinutes(1))))];
        try
        {
            await Seen.UntilAsync(() => hosts.All(host => host.Fleet.Status.IsConnected));
            TaskCompletionSource go = new(TaskCreationOptions.RunContinuationsAsynchronously);
            Task<(string Host, PortLease? Lease, PortRefusal? Refusal)>[] attempts = [.. hosts.Select(AcquireAsync)];
            go.SetResult();
            var outcomes = await Task.WhenAll(attempts).Within();

            var winner = outcomes.Should().ContainSingle(outcome => outcome.Lease != null).Subject;
            winner.Lease!.FleetEpoch.Should().BePositive();
            foreach (var (_, _, refusal) in outcomes.Where(outcome => outcome.Lease == null))
            {
                refusal.Should().BeEquivalentTo(
                    new { Reason = PortRefusalReason.Conflict, Owner, Holder = winner.Host, HolderEpoch = winner.Lease.FleetEpoch });
            }

            hosts.Count(host => host.Registry!.TryGetEntry(Owner, out PortEntry _)).Should().Be(1);

            async Task<(string, PortLease?, PortRefusal?)> AcquireAsync(Host host)
            {
                await go.Task;
                try
                {
                    return (host.Options.Host, await host.Registry!.AcquireAsync(s_request), null);
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
    public async Task AcquireAsync_AfterEachOther_EpochsRiseAndTheMapFollows()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        await using Host a = Host.Start("a", etcd.Endpoints);
        await using Host b = Host.Start("b", etcd.Endpoints);
        long last = 0;
        foreach (Host host in (Host[])[a, b, a, a, b])
        {
            PortLease lease = await UntilAcquiredAsync(host);
            lease.FleetEpoch.Should().BeGreaterThan(last);
            last = lease.FleetEpoch!.Value;
            host.Session!.TryRegister(new PortClaimRequest(Owner, lease.Port == 0 ? 20_001 : lease.Port) { Epoch = lease.Epoch }, out _, out _).Should().BeTrue();
            await a.Map.UntilAsync(map => map.TryFind(Owner, out FleetEntry? entry) && entry.ClaimEpoch == last && entry.Host == host.Options.Host);
            host.Release(Owner);
        }
    }

    [NeedsFact("etcd")]
    public async Task AcquireAsync_EtcdAway_IsRefusedInTime()
    {
        await using EtcdCluster etcd = EtcdCluster.Prepare();
        await using Host a = Host.Start("a", etcd.Endpoints, options => options.RequestTimeout = TimeSpan.FromSeconds(2));

        Func<Task> acquire = () => a.Registry!.AcquireAsync(s_request).AsTask();

        (await acquire.Should().ThrowAsync<PortRefusedException>()).Which.Refusal.Reason.Should().Be(PortRefusalReason.StoreFailed);
        a.Registry!.TryGetEntry(Owner, out PortEntry _).Should().BeFalse();
    }

    /// <summary>A daemon stands still for longer than its lease; its worker does not. What the
    /// daemon answers when it wakes decides whether others are led to a worker that has
    /// lost.</summary>
    [NeedsFact("etcd")]
    public async Task Daemon_FrozenPastItsLease_KnowsThatItLostBeforeItAnswersAndTellsItsWorker()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        await using Host b = Host.Start("b", etcd.Endpoints);
        await using ChildProcess daemon = DaemonProgram.Start(ScopeProgram.Serve, etcd.Endpoints, "a", "10", Owner);
        long first = long.Parse((await UntilAsync(daemon, "epoch"))[1], CultureInfo.InvariantCulture);
        (await UntilAsync(daemon, "works"))[1].Should().Be(first.ToString(CultureInfo.InvariantCulture), "the worker is handed the epoch");
        await UntilAsync(daemon, "found");
        Func<Task> early = () => b.Registry!.AcquireAsync(s_request).AsTask();
        (await early.Should().ThrowAsync<PortRefusedException>()).Which.Refusal.Should().BeEquivalentTo(new { Reason = PortRefusalReason.Conflict, Holder = "a", HolderEpoch = first });

        daemon.Send(Signal.Stop);
        PortLease second = await UntilAcquiredAsync(b);
        long taken = Stopwatch.GetTimestamp();
        second.FleetEpoch.Should().BeGreaterThan(first);
        daemon.Send(Signal.Continue);

        bool isTold = false, isWorkerTold = false, hasLooked = false;
        while (!isTold || !isWorkerTold || !hasLooked)
        {
            string[] said = (await daemon.ReadLineAsync()).Split(' ');
            isTold |= said[0] == "told";
            isWorkerTold |= said[0] == "lost";
            if (said[0] is "found" or "gone" && long.Parse(said[1], CultureInfo.InvariantCulture) > taken)
            {
                said[0].Should().Be("gone", "the owner was another's before this look began");
                hasLooked = true;
            }
        }

        second.WhenBound.IsFaulted.Should().BeFalse();
        b.Registry!.TryGetEntry(Owner, out PortEntry _).Should().BeTrue();
    }

    [NeedsFact("etcd")]
    public async Task Daemon_Killed_AnotherHostGetsTheOwnerWhenItsTimeIsOver()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        await using Host b = Host.Start("b", etcd.Endpoints);
        await using ChildProcess daemon = DaemonProgram.Start(ScopeProgram.Serve, etcd.Endpoints, "a", "2", Owner);
        long first = long.Parse((await UntilAsync(daemon, "epoch"))[1], CultureInfo.InvariantCulture);

        daemon.Kill();

        (await UntilAcquiredAsync(b)).FleetEpoch.Should().BeGreaterThan(first);
    }

    [NeedsFact("etcd")]
    public async Task Registration_EtcdAwayForLongerThanTheLease_EndsByTheClockAlone()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        await using Host a = Host.Start("a", etcd.Endpoints, options => options.LeaseTtl = TimeSpan.FromSeconds(5));
        PortLease lease = await UntilAcquiredAsync(a);
        a.Session!.TryRegister(new PortClaimRequest(Owner, 20_001) { Epoch = lease.Epoch }, out _, out _).Should().BeTrue();
        TaskCompletionSource told = new(TaskCreationOptions.RunContinuationsAsynchronously);
        lease.Ended.Register(told.SetResult);

        await etcd.First.KillAsync();
        await told.Task.Within();

        a.Registry!.TryGetPort(Owner, out int _).Should().BeFalse();
        await etcd.First.StartAsync();
        (await UntilAcquiredAsync(a)).FleetEpoch.Should().BeGreaterThan(lease.FleetEpoch!.Value);
    }

    [NeedsFact("etcd")]
    public async Task Fleet_Disposed_EndsWhatItHeldAndPartsFromTheRegistry()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        await using Host a = Host.Start("a", etcd.Endpoints);
        await using Host b = Host.Start("b", etcd.Endpoints);
        PortLease lease = await a.Registry!.AcquireAsync(s_request).AsTask().Within();
        Action second = () => _ = new PortmapFleet(new PortmapFleetOptions(), a.Registry);
        second.Should().Throw<InvalidOperationException>().WithMessage("*Publish*");

        await a.Fleet.DisposeAsync().AsTask().Within();

        lease.WhenBound.IsFaulted.Should().BeTrue();
        Func<Task> acquire = () => a.Registry.AcquireAsync(s_request).AsTask();
        (await acquire.Should().ThrowAsync<PortRefusedException>()).Which.Refusal.Reason.Should().Be(PortRefusalReason.NoFleet);
        (await b.Registry!.AcquireAsync(s_request).AsTask().Within()).FleetEpoch.Should().BeGreaterThan(lease.FleetEpoch!.Value, "it was given back at once");
    }

    private static async Task<string[]> UntilAsync(ChildProcess daemon, string word)
    {
        while (true)
        {
            string[] said = (await daemon.ReadLineAsync()).Split(' ');
            if (said[0] == word)
            {
                return said;
            }
        }
    }

    private static async Task<PortLease> UntilAcquiredAsync(Host host)
    {
        using CancellationTokenSource limit = Deadline.Source();
        using PeriodicTimer timer = new(TimeSpan.FromMilliseconds(50));
        while (true)
        {
            try
            {
                return await host.Registry!.AcquireAsync(s_request, limit.Token);
            }
            catch (PortRefusedException refused) when (refused.Refusal.Reason is PortRefusalReason.Conflict or PortRefusalReason.StoreFailed)
            {
                await timer.WaitForNextTickAsync(limit.Token);
            }
        }
    }
}
