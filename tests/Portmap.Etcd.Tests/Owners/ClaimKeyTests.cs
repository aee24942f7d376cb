using Microsoft.Extensions.Logging;

namespace Portmap.Etcd.Tests.Owners;

/// <summary>A claim and its key at etcd: where one is the other is.</summary>
public class ClaimKeyTests
{
    private const string Owner = "vol0/leader";

    /// <summary>The first caller stands still after it saw that the old claim is over; the second
    /// one comes meanwhile.</summary>
    [NeedsFact("etcd")]
    public async Task ClaimAsync_TwiceAtOnceAfterALapse_TheHolderHasTheKey()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        WallClock clock = new();
        using StopAtLoss log = new();
        PortmapFleetOptions options = new()
        {
            Host = "a",
            Endpoints = etcd.Endpoints,
            LeaseTtl = TimeSpan.FromMinutes(1),
            RequestTimeout = Deadline.Default,
            HeartbeatInterval = TimeSpan.FromMinutes(1),   // nobody else looks at the clock
            Mirror = false,
        };
        await using PortmapFleet fleet = new(options, registry: null, log, clock);
        fleet.Start();
        await Seen.UntilAsync(() => fleet.Status.IsConnected);
        FleetClaim lapsed = await fleet.Owners.ClaimAsync(Owner).Within();

        clock.Ahead = TimeSpan.FromHours(1);
        Task<FleetClaim?> first = Task.Run(TryClaimAsync);
        await log.IsReached.Within();
        clock.Ahead = TimeSpan.Zero;
        FleetClaim? second = await TryClaimAsync().Within();
        log.GoOn();

        FleetClaim?[] outcomes = [await first.Within(), second];
        FleetClaim holder = outcomes.Should().ContainSingle(claim => claim != null && claim.IsHeld).Subject!;
        (await etcd.EpochOfAsync(Owner)).Should().Be(holder.Epoch, "another host could claim the owner otherwise");
        lapsed.IsHeld.Should().BeFalse();

        async Task<FleetClaim?> TryClaimAsync()
        {
            try
            {
                return await fleet.Owners.ClaimAsync(Owner);
            }
            catch (PortRefusedException)
            {
                return null;
            }
        }
    }

    /// <summary>Timers stood still while the machine was suspended, etcd is away, and nobody looks at
    /// the claim: its workers are to hear of it all the same. And they hear of the next
    /// one.</summary>
    [NeedsFact("etcd")]
    public async Task Claim_TimeOverByTheClockWhileTimersStoodStill_IsToldEachTime()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        await using Cut wire = new(etcd.Endpoints);
        WallClock clock = new();
        await using PortmapFleet fleet = Make(wire.Endpoint, clock);
        await Seen.UntilAsync(() => fleet.Status.IsConnected);
        for (int hours = 1; hours <= 2; hours++)
        {
            FleetClaim claim = await fleet.UntilClaimedAsync(Owner);

            wire.Break();
            clock.Ahead = TimeSpan.FromHours(hours);

            await Seen.UntilAsync(() => claim.Lost.IsCancellationRequested);
            wire.Mend();
        }
    }

    /// <summary>Timers stood still while the machine was suspended, and the next sign of life would
    /// come too late for the lease.</summary>
    [NeedsFact("etcd")]
    public async Task Claim_SignOfLifeDueByTheClockWhileTimersStoodStill_IsRenewed()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        WallClock clock = new();
        await using PortmapFleet fleet = Make(etcd.Endpoints, clock);
        await Seen.UntilAsync(() => fleet.Status.IsConnected);
        FleetClaim claim = await fleet.Owners.ClaimAsync(Owner).Within();

        clock.Ahead = TimeSpan.FromMinutes(5);

        await Seen.UntilAsync(() => claim.Term.Left > TimeSpan.FromMinutes(8));
        claim.IsHeld.Should().BeTrue();
    }

    /// <summary>The lease lives at etcd, and nobody there complains.</summary>
    [NeedsFact("etcd")]
    public async Task ClaimAsync_TimeOverByTheClockWhileTimersStoodStill_IsHeldSoon()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        WallClock clock = new();
        await using PortmapFleet fleet = Make(etcd.Endpoints, clock);
        await Seen.UntilAsync(() => fleet.Status.IsConnected);

        clock.Ahead = TimeSpan.FromHours(1);

        await using FleetClaim claim = await fleet.UntilClaimedAsync(Owner);
        claim.IsHeld.Should().BeTrue();
    }

    /// <summary>The lease has less time left at any moment than there is between two
    /// audits.</summary>
    [NeedsFact("etcd", Also = ["etcdctl"])]
    public async Task Claim_KeyDeletedByHand_IsLostWithTheNextAudit()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        await using Host a = Host.Start(
            "a", etcd.Endpoints, options => (options.LeaseTtl, options.AuditInterval) = (TimeSpan.FromSeconds(20), TimeSpan.FromSeconds(21)), isPublishing: false);
        await using FleetClaim claim = await a.Fleet.Owners.ClaimAsync(Owner).Within();
        await using FleetClaim other = await a.Fleet.Owners.ClaimAsync("another").Within();

        await etcd.CtlAsync("del", $"/portmap/v1/o/{Owner}");

        await Seen.UntilAsync(() => !claim.IsHeld, Deadline.Default * 2);
        other.IsHeld.Should().BeTrue("its key is there, and so is the lease");
    }

    /// <summary>Of a host with thousands of claims, one request for each would take longer than its
    /// lease.</summary>
    [NeedsFact("etcd", Also = ["etcdctl"])]
    public async Task Claim_ManyKeysDeletedByHand_AreMissedByFewRequests()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        await using Cut wire = new(etcd.Endpoints);
        await using Host a = Host.Start(
            "a", wire.Endpoint, options => (options.LeaseTtl, options.Mirror) = (TimeSpan.FromMinutes(10), false), isPublishing: false);
        FleetClaim[] claims = await Task.WhenAll(Enumerable.Range(0, 300).Select(i => a.Fleet.Owners.ClaimAsync(Host.Owner(i)))).Within();
        await using FleetClaim kept = await a.Fleet.Owners.ClaimAsync("kept").Within();
        await etcd.CtlAsync("del", "--prefix", "/portmap/v1/o/vol");
        long before = await etcd.First.CallsAsync("Range");

        wire.Break();
        wire.Mend();

        await Seen.UntilAsync(() => claims.All(claim => claim.Lost.IsCancellationRequested));
        (await etcd.First.CallsAsync("Range") - before).Should().BeLessThan(claims.Length / 3);
        kept.IsHeld.Should().BeTrue();
    }

    /// <summary>The answer would name all that the host publishes, each time.</summary>
    [NeedsFact("etcd")]
    public async Task Audit_HostThatNeverClaimed_DoesNotAskForTheKeysOfItsLease()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        await using Host a = Host.Start("a", etcd.Endpoints, options => (options.AuditInterval, options.Mirror) = (TimeSpan.FromSeconds(1), false), isPublishing: false);
        await Seen.UntilAsync(() => a.Fleet.Status.IsConnected);

        await UntilAuditedAsync(3);
        (await etcd.First.CallsAsync("LeaseTimeToLive")).Should().Be(0);
        await using FleetClaim claim = await a.Fleet.Owners.ClaimAsync(Owner).Within();
        await UntilAuditedAsync(3);
        (await etcd.First.CallsAsync("LeaseTimeToLive")).Should().BeGreaterThan(0);

        async Task UntilAuditedAsync(int times)
        {
            long until = await etcd.First.CallsAsync("Txn") + times;   // whether the host's key is there, at the begin of each
            using CancellationTokenSource limit = Deadline.Source();
            using PeriodicTimer timer = new(TimeSpan.FromMilliseconds(50));
            while (await etcd.First.CallsAsync("Txn") < until)
            {
                await timer.WaitForNextTickAsync(limit.Token);
            }
        }
    }

    /// <summary>The transaction of a claim that was given up, kept on the wire until all that takes
    /// it back was done.</summary>
    [NeedsFact("etcd", Also = ["etcdctl"])]
    public async Task ClaimAsync_GivenUpAndComesLate_LeavesTheOwnerToOthers()
    {
        // Within 13 s the lease hears that the wire is silent; the claim asks the other member by
        // itself after half a request, and the lease is over after 20 s.
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        await using Cut wire = new(etcd.Endpoints);
        await using Host a = Host.Start(
            "a",
            $"{wire.Endpoint},{etcd.Endpoints}",
            options => (options.LeaseTtl, options.AuditInterval, options.RequestTimeout, options.Mirror) = (TimeSpan.FromSeconds(20), TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(1), false),
            isPublishing: false);
        await using Host b = Host.Start("b", etcd.Endpoints, isPublishing: false);
        await using FleetClaim kept = await a.Fleet.Owners.ClaimAsync("kept").Within();
        using CancellationTokenSource giveUp = new();

        wire.Keep();
        Task<FleetClaim> late = a.Fleet.Owners.ClaimAsync(Owner, giveUp.Token);
        await Seen.UntilAsync(() => wire.HasKept(Owner));
        wire.Seal();
        await UntilByTheOtherMemberAsync();
        await giveUp.CancelAsync();
        await late.Invoking(claim => claim.Within()).Should().ThrowAsync<OperationCanceledException>();

        // What was to take the key back was sent before this, and found nothing.
        await using FleetClaim after = await a.Fleet.Owners.ClaimAsync("after").Within();
        long before = await etcd.RevisionAsync();
        await wire.TellLateAsync();
        await UntilWrittenAfterAsync(before);

        await using FleetClaim claim = await b.UntilClaimedAsync(Owner);
        claim.IsHeld.Should().BeTrue();
        kept.IsHeld.Should().BeTrue();
        after.IsHeld.Should().BeTrue();

        Task UntilByTheOtherMemberAsync() =>
            Seen.UntilAsync(() => a.Log.Lines.Any(line => line.StartsWith("FleetTrouble", StringComparison.Ordinal)));

        async Task UntilWrittenAfterAsync(long revision)
        {
            using CancellationTokenSource limit = Deadline.Source();
            using PeriodicTimer timer = new(TimeSpan.FromMilliseconds(50));
            while (await etcd.RevisionAsync() == revision)
            {
                await timer.WaitForNextTickAsync(limit.Token);
            }
        }
    }

    /// <summary>A host whose next sign of life, and whose next audit, is longer away than any
    /// test.</summary>
    private static PortmapFleet Make(string endpoint, WallClock clock)
    {
        PortmapFleetOptions options = new() { Host = "a", Endpoints = endpoint, LeaseTtl = TimeSpan.FromMinutes(10), RequestTimeout = Deadline.Default, AuditInterval = TimeSpan.FromDays(1), Mirror = false };
        PortmapFleet fleet = new(options, timeProvider: clock);
        fleet.Start();
        return fleet;
    }

    /// <summary>Holds up whoever tells of the first loss of a claim.</summary>
    private sealed class StopAtLoss : ILogger<PortmapFleet>, IDisposable
    {
        private const int ClaimLost = 3008;

        private readonly TaskCompletionSource _reached = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly ManualResetEventSlim _goOn = new();

        public Task IsReached => _reached.Task;

        public void GoOn() => _goOn.Set();

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (eventId.Id == ClaimLost && _reached.TrySetResult())
            {
                _goOn.Wait(Deadline.Default);
            }
        }

        public void Dispose() => _goOn.Dispose();
    }
}
