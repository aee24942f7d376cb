using Portmap.Tests.Support;

namespace Portmap.Tests.Table;

/// <summary>An owner whose claims are over keeps its cell for the next one, and takes nobody's
/// place.</summary>
public class IdleOwnerTests
{
    private const int Most = 4;

    [Fact]
    public async Task TryAcquire_MoreOwnersThanMaxOwnersInTurn_AllGetAPort()
    {
        await using Scene scene = Make();

        for (int i = 0; i < 5 * Most; i++)
        {
            scene.Acquire($"b{i}").TryRelease(out _).Should().BeTrue();
        }
    }

    [Fact]
    public async Task TryAcquire_MaxOwnersLive_IsRefusedUntilOneIsReleased()
    {
        await using Scene scene = Make();
        PortLease[] leases = [.. Enumerable.Range(0, Most).Select(i => scene.Acquire($"b{i}"))];

        scene.Registry.TryAcquire("one too many", out _, out PortRefusal? refusal).Should().BeFalse();
        refusal!.Reason.Should().Be(PortRefusalReason.TooManyOwners);
        leases[1].TryRelease(out _).Should().BeTrue();
        scene.Acquire("one too many").Port.Should().BePositive();
        scene.Registry.TryAcquire("b1", out _, out refusal).Should().BeFalse();
        refusal!.Reason.Should().Be(PortRefusalReason.TooManyOwners, "its place was taken");
    }

    [Fact]
    public async Task TryAcquire_IdleOwnerAgain_HasAHigherEpochAndIsFoundOnce()
    {
        await using Scene scene = Make();
        long epoch = 0;
        for (int i = 0; i < 3; i++)
        {
            PortLease lease = scene.Acquire("b1");
            lease.Epoch.Should().BeGreaterThan(epoch);
            epoch = lease.Epoch;
            scene.Registry.Snapshot().Entries.Where(entry => entry.State == PortState.Reserved).Should().ContainSingle().Which.Owner.Should().Be("b1");
            lease.TryRelease(out _).Should().BeTrue();
            scene.Registry.TryGetEntry("b1", out _).Should().BeFalse();
            scene.Registry.Maintain();   // retires the cell, which must not lower the epoch of the next one
        }
    }

    private static Scene Make() => new(configure: options => (options.MaxOwners, options.ReuseDelay) = (Most, TimeSpan.Zero));
}
