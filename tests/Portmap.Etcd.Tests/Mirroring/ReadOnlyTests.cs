namespace Portmap.Etcd.Tests.Mirroring;

/// <summary>A part of the fleet that only looks: a gateway, the tool.</summary>
public class ReadOnlyTests
{
    [NeedsFact("etcd", Also = ["etcdctl"])]
    public async Task ReadOnly_InAFleet_FollowsAndWritesNothing()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        await using Host a = Host.Start("a", etcd.Endpoints);
        await using Host looker = Host.Start("a", etcd.Endpoints, options => options.ReadOnly = true);   // the name of a host that publishes

        a.Register("b1", 20_001);
        await looker.Map.UntilAsync(map => map.TryFind("b1", out FleetEntry? entry) && entry.Host == "a");

        await Seen.UntilAsync(() => looker.Fleet.Status is { IsConnected: true, IsPublished: false, Trouble: null });
        looker.Map.EnumerateHosts().Should().ContainSingle();
        (await etcd.CtlAsync("lease", "list")).Split('\n').Should().HaveCount(2, "a's lease, and the line above it");
        Func<Task> claim = () => looker.Fleet.Owners.ClaimAsync("once");
        (await claim.Should().ThrowAsync<PortRefusedException>()).Which.Refusal.Reason.Should().Be(PortRefusalReason.NoFleet);
    }

    /// <summary>A tool has the machine's name by default, and so has the daemon.</summary>
    [NeedsFact("etcd")]
    public async Task ReadOnly_NameOfTheHostThatClaimed_FindsItsOwner()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        await using Host a = Host.Start("a", etcd.Endpoints);
        await using Host looker = Host.Start("a", etcd.Endpoints, options => options.ReadOnly = true);
        await using FleetClaim claim = await a.Fleet.Owners.ClaimAsync("once").Within();
        a.Register("once", 20_001);

        await looker.UntilSameAsync(a);

        looker.Map.TryFind("once", out FleetEntry? entry).Should().BeTrue();
        entry!.ClaimEpoch.Should().Be(claim.Epoch);
        looker.Map.FindAll("once").Length.Should().Be(1);
    }

    /// <summary>A machine that was suspended, or stopped from outside: its timestamps stood still,
    /// and its map is as old as the wall clock says.</summary>
    [NeedsFact("etcd")]
    public async Task Staleness_TimestampsStoodStill_IsByTheWallClock()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        await using Cut wire = new(etcd.Endpoints);
        WallClock clock = new();
        PortmapFleetOptions options = new() { Endpoints = wire.Endpoint, ReadOnly = true, MaxStaleness = TimeSpan.FromMinutes(30) };
        await using PortmapFleet fleet = new(options, timeProvider: clock);
        fleet.Start();
        await fleet.Map.WhenListed.Within();
        wire.Break();
        fleet.Map.IsRefusing.Should().BeFalse();

        clock.Ahead = TimeSpan.FromHours(1);

        fleet.Map.Staleness.Should().BeGreaterThan(TimeSpan.FromMinutes(59));
        fleet.Map.IsRefusing.Should().BeTrue();
    }

    [NeedsFact("etcd")]
    public async Task ReadOnly_EtcdGoesAndComes_SaysSo()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        await using Host looker = Host.Look(etcd.Endpoints, options => options.ReadOnly = true);
        await looker.Map.WhenListed.Within();

        await etcd.First.KillAsync();
        await Seen.UntilAsync(() => looker.Fleet.Status is { IsConnected: false, Trouble: not null, IsDenied: false });
        await etcd.First.StartAsync();

        await Seen.UntilAsync(() => looker.Fleet.Status.IsConnected);
    }
}
