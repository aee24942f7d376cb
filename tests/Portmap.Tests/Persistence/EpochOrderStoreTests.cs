using Portmap.TestKit.Processes;
using Portmap.Tests.Support;

namespace Portmap.Tests.Persistence;

/// <summary>A registration's fact outweighs everything earlier of its port and of its owner: what a
/// run that starts now would read is the last thing that was told.</summary>
public sealed class EpochOrderStoreTests
{
    [Theory]
    [InlineData(PortProtocol.Tcp)]
    [InlineData(PortProtocol.Udp)]
    public async Task RegisterAsync_SamePortAgainAndAgainWithLeasesOfAllProcessors_IsReadBackAsItStands(PortProtocol protocol)
    {
        await using StoreScene scene = await StoreScene.OpenAsync(options => options.Strategy = PortRegistryOptions.ProcessBinds);
        for (int i = 0; i < 60; i++)
        {
            PortLease lease = await Processor.Run(i, () => scene.Registry.AcquireAsync(new PortRequest("a") { Protocol = protocol })).AsTask().Within();
            Stored(0).State.Should().Be(PortState.Reserved, "round {0}: the lease is open", i);
            PortEntry entry = await Processor.Run(i / 2, () => scene.Here.RegisterAsync(new PortClaimRequest("a", 50_123) { Epoch = lease.Epoch, Protocol = protocol })).AsTask().Within();
            (Stored(50_123).State, Stored(50_123).Epoch).Should().Be((PortState.Bound, entry.Epoch!.Value), "round {0}: it is registered", i);
            await Processor.Run(i / 3, () => scene.Here.ReleaseAsync(new PortClaimRequest("a") { Protocol = protocol })).AsTask().Within();
            Stored(50_123).State.Should().Be(PortState.Cooling, "round {0}: it was released", i);
        }

        PortFact Stored(int port) => scene.Store.Facts.Single(fact => fact.Port == port && fact.Protocol == protocol);
    }

    [Fact]
    public async Task OpenAsync_LeaseThatWasGivenAHigherEpoch_ComesBackAsTheRegistrationAlone()
    {
        await using StoreScene scene = await StoreScene.OpenAsync(options => options.Strategy = PortRegistryOptions.ProcessBinds);
        (long given, PortEntry entry) = await RaisedAsync(scene);
        await scene.KillAndOpenAsync();

        scene.Registry.Snapshot().Entries.Should().ContainSingle(found => found.Owner == "a").Which.Should().Match<PortEntry>(
            found => found.State == PortState.Recovered && found.Epoch == entry.Epoch);
        (await scene.RegisterAsync("a", 50_123, given)).Epoch.Should().Be(entry.Epoch, "its worker may know no other");
        await scene.KillAndOpenAsync();
        (await scene.RegisterAsync("a", 50_123, entry.Epoch!.Value)).Epoch.Should().Be(entry.Epoch);
    }

    [Fact]
    public async Task OpenAsync_LeaseWithASignInBesideItThatOutranksIt_StaysOpen()
    {
        await using StoreScene scene = await StoreScene.OpenAsync();
        PortLease lease = await scene.AcquireAsync("a");
        await scene.SeeAboveAsync(lease.Epoch, 50_123);
        PortEntry beside = await scene.RegisterAsync("a", 50_123);
        beside.Epoch.Should().BeGreaterThan(lease.Epoch);
        await scene.KillAndOpenAsync();

        scene.StateOf(lease.Port).Should().Be(PortState.Reserved);
        scene.StateOf(50_123).Should().Be(PortState.Recovered);
        PortEntry entry = await scene.RegisterAsync("a", lease.Port, lease.Epoch, scene.Registry.OpenSession(scene.StartChild().Id));
        entry.Epoch.Should().BeGreaterThan(beside.Epoch!.Value);
        await scene.KillAndOpenAsync();
        scene.StateOf(lease.Port).Should().Be(PortState.Recovered);
        scene.StateOf(50_123).Should().Be(PortState.Cooling);
    }

    [Fact]
    public async Task RegisterAsync_BesideALeaseOfAnEarlierRun_RanksAboveWhatWasBesideItThen()
    {
        await using StoreScene scene = await StoreScene.OpenAsync(options => (options.ReuseDelay, options.LeaseTimeout) = (TimeSpan.Zero, TimeSpan.FromHours(1)));
        PortLease lease = await scene.AcquireAsync("a");
        PortEntry first = await scene.RegisterAsync("a", 50_123);
        first.Epoch.Should().BeLessThan(lease.Epoch);
        await scene.Here.ReleaseAsync(new PortClaimRequest("a", 50_123)).AsTask().Within();
        await scene.KillAndOpenAsync(TimeSpan.FromSeconds(1));

        PortEntry second = await scene.RegisterAsync("a", 50_123);

        second.Epoch.Should().BeGreaterThan(first.Epoch!.Value);
        await scene.KillAndOpenAsync();
        scene.StateOf(50_123).Should().Be(PortState.Recovered, "it was acknowledged, and its process lives");
        scene.StateOf(lease.Port).Should().Be(PortState.Reserved, "it is open still");
    }

    [Fact]
    public async Task RegisterAsync_BesideALeaseOfAnEarlierRun_IsNotEndedByWhoWasBesideItThen()
    {
        await using StoreScene scene = await StoreScene.OpenAsync();
        await scene.AcquireAsync("a");
        PortEntry first = await scene.RegisterAsync("a", 50_123);
        await scene.Here.ReleaseAsync(new PortClaimRequest("a", 50_123)).AsTask().Within();
        await scene.KillAndOpenAsync();
        await scene.RegisterAsync("a", 50_124);

        (await scene.Here.ReleaseAsync(new PortClaimRequest("a", 50_123) { Epoch = first.Epoch }).RefusalAsync()).Reason.Should().Be(PortRefusalReason.Stale);

        scene.PortOf("a").Should().Be(50_124);
    }

    [Fact]
    public async Task RegisterAsync_ByALeaseOfAnEarlierRun_RanksAboveWhatEndedBesideIt()
    {
        await using StoreScene scene = await StoreScene.OpenAsync();
        PortLease lease = await scene.AcquireAsync("a");
        await scene.SeeAboveAsync(lease.Epoch, 50_123);
        PortEntry beside = await scene.RegisterAsync("a", 50_123);
        await scene.Here.ReleaseAsync(new PortClaimRequest("a", 50_123)).AsTask().Within();
        await scene.KillAndOpenAsync();

        PortEntry entry = await scene.RegisterAsync("a", lease.Port, lease.Epoch);

        entry.Epoch.Should().BeGreaterThan(beside.Epoch!.Value);
        await scene.KillAndOpenAsync();
        scene.StateOf(lease.Port).Should().Be(PortState.Recovered, "it was acknowledged, and its process lives");
        (await scene.RegisterAsync("a", lease.Port, lease.Epoch)).Epoch.Should().Be(entry.Epoch, "its worker may know no other");
    }

    [Fact]
    public async Task RegisterAsync_ByALeaseOfAnEarlierRun_RanksAboveWhatEndedOnThePort()
    {
        await using StoreScene scene = await StoreScene.OpenAsync(options =>
            (options.Strategy, options.ReuseDelay) = (PortRegistryOptions.ProcessBinds, TimeSpan.FromSeconds(10)));
        PortLease lease = await scene.AcquireAsync("a");
        await scene.SeeAboveAsync(lease.Epoch, 50_123);
        await scene.KillAndOpenAsync(TimeSpan.FromSeconds(11));
        await scene.RegisterAsync("a", 50_123, lease.Epoch);
        await scene.Here.ReleaseAsync("a").AsTask().Within();

        await scene.KillAndOpenAsync(TimeSpan.FromSeconds(1));

        scene.StateOf(50_123).Should().Be(PortState.Cooling, "it is a second since it was given back");
    }

    [Fact]
    public async Task RegisterAsync_ByALeaseOfAnEarlierRun_RanksAboveWhatTheStoreHasForgotten()
    {
        await using StoreScene scene = await StoreScene.OpenAsync();
        PortLease lease = await scene.AcquireAsync("a");
        await scene.SeeAboveAsync(lease.Epoch, 50_123);
        PortEntry beside = await scene.RegisterAsync("a", 50_123);
        await scene.Here.ReleaseAsync(new PortClaimRequest("a", 50_123)).AsTask().Within();
        await scene.RegisterAsync("b", 50_123);
        scene.Store.Lose(fact => fact is { Owner: "a", Port: 50_123 });   // as a store may: a later claim on the port is known
        await scene.KillAndOpenAsync();

        (await scene.RegisterAsync("a", lease.Port, lease.Epoch)).Epoch.Should().BeGreaterThan(beside.Epoch!.Value);
    }

    /// <summary>A registration on a port that has seen a later claim than its lease.</summary>
    private static async Task<(long Given, PortEntry Entry)> RaisedAsync(StoreScene scene)
    {
        long given = (await scene.AcquireAsync("a")).Epoch;
        await scene.SeeAboveAsync(given, 50_123);
        PortEntry entry = await scene.RegisterAsync("a", 50_123, given);
        entry.Epoch.Should().BeGreaterThan(given);
        return (given, entry);
    }
}
