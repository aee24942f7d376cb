namespace Portmap.Etcd.Tests.Owners;

/// <summary>Claims before the fleet is started, while it stops, and after that. No etcd is
/// there.</summary>
public class ClaimTimeTests
{
    private const string Owner = "vol0/leader";

    [Fact]
    public async Task ClaimAsync_NotStarted_IsRefusedAtOnceAndNamesStart()
    {
        await using PortmapFleet fleet = Make();

        PortRefusal refusal = (await fleet.Owners.Invoking(owners => owners.ClaimAsync(Owner).Within()).Should().ThrowAsync<PortRefusedException>()).Which.Refusal;

        refusal.Reason.Should().Be(PortRefusalReason.StoreFailed);
        refusal.Message.Should().Contain("Start");
    }

    [Fact]
    public async Task ClaimAsync_Disposed_Throws()
    {
        PortmapFleet fleet = Make();
        fleet.Start();
        await fleet.DisposeAsync().AsTask().Within();

        await fleet.Owners.Invoking(owners => owners.ClaimAsync(Owner).Within()).Should().ThrowAsync<ObjectDisposedException>();
    }

    [Fact]
    public async Task ClaimAsync_DisposedMeanwhile_Throws()
    {
        PortmapFleet fleet = Make();
        fleet.Start();
        Task<FleetClaim> claim = fleet.Owners.ClaimAsync(Owner);

        await fleet.DisposeAsync().AsTask().Within();

        await claim.Invoking(one => one.Within()).Should().ThrowAsync<ObjectDisposedException>();
    }

    [Fact]
    public async Task AcquireAsync_FleetDisposedMeanwhile_IsRefused()
    {
        await using PortRegistry registry = new(new PortRegistryOptions { Probe = false });
        PortmapFleet fleet = Make(registry);
        fleet.Start();
        Task<PortLease> lease = registry.AcquireAsync(new PortRequest(Owner) { Scope = PortScope.Fleet }).AsTask();

        await fleet.DisposeAsync().AsTask().Within();

        (await lease.Invoking(one => one.Within()).Should().ThrowAsync<PortRefusedException>()).Which.Refusal.Reason.Should().Be(PortRefusalReason.NoFleet);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task WhenListed_DisposedBeforeTheFirstListing_IsCancelled(bool isStarted)
    {
        PortmapFleet fleet = Make(isLooking: true);
        if (isStarted)
        {
            fleet.Start();
        }

        Task listed = fleet.Map.WhenListed;
        await fleet.DisposeAsync().AsTask().Within();

        await listed.Invoking(one => one.Within()).Should().ThrowAsync<OperationCanceledException>();
        fleet.Status.IsConnected.Should().BeFalse();
    }

    private static PortmapFleet Make(PortRegistry? registry = null, bool isLooking = false) => new(
        new PortmapFleetOptions { Endpoints = $"http://{PortBlock.TakeLoopback()}:{PortBlock.TakeOne()}", RequestTimeout = TimeSpan.FromMinutes(1), Mirror = isLooking, ReadOnly = isLooking }, registry);
}
