using Portmap.TestKit.Processes;
using Portmap.Tests.Support;

namespace Portmap.Tests;

/// <summary>The host ends what an owner has: a lease that nobody holds any more, or a
/// registration.</summary>
public sealed class PortRegistryReleaseTests
{
    [Fact]
    public async Task TryRelease_OpenLease_EndsIt()
    {
        await using Scene scene = new();
        PortLease lease = scene.Acquire("web");

        scene.Registry.TryRelease("web", out _).Should().BeTrue();

        scene.Registry.TryGetEntry("web", out _).Should().BeFalse();
        (await lease.WhenBound.RefusalAsync()).Reason.Should().Be(PortRefusalReason.LeaseEnded);
    }

    [Fact]
    public async Task TryRelease_LeaseOfASessionOfAnotherUser_EndsIt()
    {
        await using Scene scene = new();
        PortLease lease = await scene.Registry.OpenSession(processId: null, userId: 65_534).AcquireAsync("web");

        scene.Registry.TryRelease("web", out _).Should().BeTrue();

        lease.WhenBound.IsFaulted.Should().BeTrue();
    }

    [Fact]
    public async Task TryRelease_RegistrationOfALivingProcess_EndsItAndLeavesTheProcessAlone()
    {
        await using Scene scene = new();
        Child child = scene.StartChild();
        scene.SessionOf(child).Register("web", Scene.First);

        scene.Registry.TryRelease("web", out _).Should().BeTrue();

        scene.Registry.TryGetPort("web", out _).Should().BeFalse();
        child.Process.HasExited.Should().BeFalse();
    }

    [Fact]
    public async Task TryRelease_ThePortOfTheLeaseWhileTheOwnerIsServedOnAnother_EndsTheLease()
    {
        await using Scene scene = new();
        scene.Here.Register("web", Scene.First + 9);
        PortLease lease = scene.Acquire("web");

        scene.Registry.TryRelease(new PortClaimRequest("web", lease.Port), out _).Should().BeTrue();

        lease.IsOpen.Should().BeFalse();
        scene.PortOf("web").Should().Be(Scene.First + 9);
    }

    [Fact]
    public async Task TryRelease_APortThatTheOwnerHasNothingOn_EndsNothing()
    {
        await using Scene scene = new();
        scene.Here.Register("web", Scene.First + 9);
        PortLease lease = scene.Acquire("web");

        scene.Registry.TryRelease(new PortClaimRequest("web", Scene.First + 8), out _).Should().BeTrue();

        lease.IsOpen.Should().BeTrue();
        scene.PortOf("web").Should().Be(Scene.First + 9);
    }

    [Fact]
    public async Task TryRelease_EpochOfAnEarlierClaim_IsStaleAndChangesNothing()
    {
        await using Scene scene = new();
        PortLease earlier = scene.Acquire("web");
        scene.Registry.TryRelease("web", out _);
        PortLease lease = scene.Acquire("web");

        scene.Registry.TryRelease(new PortClaimRequest("web") { Epoch = earlier.Epoch }, out PortRefusal? refusal).Should().BeFalse();

        refusal!.Reason.Should().Be(PortRefusalReason.Stale);
        scene.Registry.TryGetEntry("web", out PortEntry entry).Should().BeTrue();
        entry.Epoch.Should().Be(lease.Epoch);
    }

    [Fact]
    public async Task TryRelease_OtherPortThanTheOwners_ChangesNothing()
    {
        await using Scene scene = new();
        PortLease lease = scene.Acquire("web");

        scene.Registry.TryRelease(new PortClaimRequest("web", lease.Port + 1), out _).Should().BeTrue();

        scene.Registry.TryGetEntry("web", out _).Should().BeTrue();
    }

    [Theory]
    [InlineData("web")]
    [InlineData("")]
    public async Task TryRelease_OwnerThatHasNothing_IsNoErrorAndABadNameIsOne(string owner)
    {
        await using Scene scene = new();

        scene.Registry.TryRelease(owner, out PortRefusal? refusal).Should().Be(owner.Length > 0);

        refusal?.Reason.Should().Be(PortRefusalReason.InvalidOwner);
    }

    [Fact]
    public async Task ReleaseAsync_LeaseOfAnEarlierRun_TheOwnerMayBeAcquiredAgain()
    {
        using TempFolder folder = new();
        PortRegistryOptions options = new() { StateFolder = folder["state"], Ports = Scene.TenPorts, Probe = false };
        await using (PortRegistry earlier = await PortRegistry.OpenAsync(options).Within())
        {
            await earlier.AcquireAsync("web");
        }

        await using PortRegistry registry = await PortRegistry.OpenAsync(options).Within();
        PortRefusal refusal = await registry.AcquireAsync("web").AsTask().RefusalAsync();
        refusal.Reason.Should().Be(PortRefusalReason.AlreadyReserved);

        await registry.ReleaseAsync("web");

        (await registry.AcquireAsync("web")).Epoch.Should().BeGreaterThan(refusal.HolderEpoch!.Value);
    }
}
