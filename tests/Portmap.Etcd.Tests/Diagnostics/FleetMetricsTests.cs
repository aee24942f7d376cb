using System.Text.RegularExpressions;
using Microsoft.Extensions.Time.Testing;
using Portmap.Etcd.Diagnostics;
using Portmap.Etcd.Leasing;

namespace Portmap.Etcd.Tests.Diagnostics;

/// <summary>What a host's meter tells of its part of the fleet, and that the page names what there
/// is.</summary>
public sealed partial class FleetMetricsTests
{
    [NeedsFact("etcd")]
    public async Task Page_EachInstrument_StandsThereWithItsKindUnitAndTags()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        using Readings readings = new();
        await using Host a = Host.Start("a", etcd.Endpoints, options => options.MeterFactory = readings);
        a.Register("b1", 20_001);
        await a.Map.UntilAsync(map => map.TryFind("b1", out _));
        await (await a.Fleet.Owners.ClaimAsync("once").Within()).DisposeAsync();
        await Seen.UntilAsync(() => readings.Last("portmap.fleet.entries.published") == 1);   // with it the batch was measured
        readings.Collect();

        string[] written = [.. Row().Matches(RepositoryFiles.Read("docs", "reference", "meters.md"))
            .Select(row => $"{row.Groups["name"].Value} {row.Groups["kind"].Value} {row.Groups["unit"].Value} {row.Groups["tags"].Value.Replace("`", string.Empty, StringComparison.Ordinal).Trim()}".TrimEnd())];

        readings.Instruments.Should().BeEquivalentTo(written);
    }

    [Fact]
    public void EndBatch_AfterThreeSeconds_IsInSecondsAndSaysWhoseItIs()
    {
        FakeTimeProvider clock = new();
        using Readings readings = new() { Site = "here" };
        using FleetMetrics metrics = new(readings, clock);

        long? began = metrics.BeginBatch();
        clock.Advance(TimeSpan.FromSeconds(3));
        metrics.EndBatch(began, isWritten: true);
        metrics.Compared();

        readings.Last("portmap.fleet.batch.duration").Should().Be(3.0);
        readings.Count("portmap.fleet.batch.duration", "site=here portmap.outcome=Written").Should().Be(1);
        readings.Count("portmap.fleet.comparisons", "site=here").Should().Be(1);
    }

    /// <summary>At the moment a lease lapses every lookup of its owners sees it, and so does the loop
    /// that tells of it.</summary>
    [Fact]
    public async Task ClaimEnded_ManySeeItAtOnce_IsCountedAndLoggedOnce()
    {
        // Beside busy programs each meeting takes a turn of the scheduler, so they do not meet for
        // each claim. In between, the one that is behind finds what is lost and catches up.
        const int Threads = 2, Rounds = 100_000, ClaimsPerMeeting = 20;
        int arrived = 0;
        using Readings readings = new();
        FleetLogLines log = new();
        await using PortmapFleet fleet = new(new PortmapFleetOptions { Endpoints = "http://127.0.0.1:1", MeterFactory = readings }, registry: null, log);
        LeaseTerm over = new(id: 1, TimeSpan.FromMinutes(1), Lifetime.Begin(TimeProvider.System).For(TimeSpan.FromMinutes(1)));
        over.End();
        FleetClaim[] claims = [.. Enumerable.Range(1, Rounds).Select(i => new FleetClaim(fleet.Owners, over, Host.Owner(i), epoch: i))];

        await Task.WhenAll(Enumerable.Range(0, Threads).Select(thread => Task.Factory.StartNew(
            () =>
            {
                for (int round = 0; round < Rounds; round++)
                {
                    if (round % ClaimsPerMeeting == 0)
                    {
                        Interlocked.Increment(ref arrived);
                        SpinWait together = default;   // a barrier lets them go too far apart
                        while (Volatile.Read(ref arrived) < Threads * ((round / ClaimsPerMeeting) + 1))
                        {
                            together.SpinOnce(sleep1Threshold: -1);
                        }
                    }

                    _ = claims[round].IsHeld;
                }
            },
            CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default))).Within(Deadline.Default * 2);

        readings.Count("portmap.fleet.claims.ended", "portmap.cause=Lost").Should().Be(Rounds);
        log.Lines.Count(line => line.StartsWith("FleetClaimLost", StringComparison.Ordinal)).Should().Be(Rounds);
    }

    [NeedsFact("etcd")]
    public async Task Meter_HostThatPublishesAndClaims_SaysHowMuch()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        using Readings readings = new();
        await using Host a = Host.Start("a", etcd.Endpoints, options => options.MeterFactory = readings);
        await using Host b = Host.Start("b", etcd.Endpoints);
        a.RegisterMany(300);
        await Seen.UntilAsync(() => a.Fleet.Status is { IsPublished: true, IsConnected: true });
        await a.Map.UntilAsync(map => map.Count == 300 && map.EnumerateHosts().Length == 2);
        FleetClaim claim = await a.Fleet.Owners.ClaimAsync("once").Within();
        await using FleetClaim others = await b.Fleet.Owners.ClaimAsync("others").Within();
        await FluentActions.Awaiting(() => a.Fleet.Owners.ClaimAsync("others")).Should().ThrowAsync<PortRefusedException>();

        // The map may show a batch before its sender has read etcd's answer.
        await Seen.UntilAsync(() => readings.Last("portmap.fleet.entries.published") == 300 && readings.Last("portmap.fleet.entries.pending") == 0);
        readings.Last("portmap.fleet.map.entries").Should().Be(300);
        readings.Last("portmap.fleet.map.hosts").Should().Be(2);
        readings.Last("portmap.fleet.lease.left").Should().BeInRange(0.1, a.Options.LeaseTtl.TotalSeconds);
        readings.Last("portmap.fleet.map.staleness").Should().BeGreaterThanOrEqualTo(0);
        readings.Last("portmap.fleet.claims.held").Should().Be(1);
        readings.Count("portmap.fleet.claims", "portmap.outcome=Held").Should().Be(1);
        readings.Count("portmap.fleet.claims", "portmap.outcome=Conflict").Should().Be(1);
        readings.Count("portmap.fleet.listings", "portmap.cause=First").Should().Be(1);
        readings.Count("portmap.fleet.batch.duration", "portmap.outcome=Written").Should().BeGreaterThan(0);
        await claim.DisposeAsync();
        readings.Count("portmap.fleet.claims.ended", "portmap.cause=Released").Should().Be(1);
        readings.Last("portmap.fleet.claims.held").Should().Be(0);
    }

    [NeedsFact("etcd")]
    public async Task Meter_EtcdAwayForLongerThanTheLease_SaysSoAndCountsTheComparison()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        using Readings readings = new();
        await using Host a = Host.Start("a", etcd.Endpoints, options => (options.MeterFactory, options.LeaseTtl) = (readings, TimeSpan.FromSeconds(5)));
        await a.Map.WhenListed.Within();
        await Seen.UntilAsync(() => a.Fleet.Status.IsPublished);

        await etcd.First.KillAsync();
        await Seen.UntilAsync(() => readings.Last("portmap.fleet.lease.left") == 0);
        await etcd.First.StartAsync();
        await Seen.UntilAsync(() => readings.Last("portmap.fleet.lease.left") > 0);
        a.Register("b1", 20_001);
        await a.Map.UntilAsync(map => map.TryFind("b1", out _));

        await Seen.UntilAsync(() => readings.Last("portmap.fleet.entries.published") == 1);
        readings.Count("portmap.fleet.comparisons", "").Should().BeGreaterThan(1, "it is compared after each failure");
    }

    [GeneratedRegex(@"^\| `(?<name>portmap\.fleet\.[a-z.]+)` \| (?<kind>\w+) \| (?<unit>\w+) \| (?<tags>[^|]*)\|", RegexOptions.Multiline)]
    private static partial Regex Row();
}
