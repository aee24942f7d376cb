using Portmap.Tests.Support;

namespace Portmap.Tests;

/// <summary>An owner that is registered signs in on another port while a lease is open for it: what
/// it left never comes back.</summary>
public class PortSessionBesideLeaseTests
{
    [Fact]
    public async Task Register_RefusedAfterAReleaseBesideALease_BringsNothingBack()
    {
        await using Scene scene = new();
        PortSession other = scene.SessionOf(scene.StartChild());
        other.Register("z", 1009);
        scene.Here.Register("a", 1001);
        scene.Acquire("a");
        scene.Here.Register("a", 1002);
        scene.Here.Release("a");

        scene.Here.RegisterRefused("a", 1009).ShouldExplain(PortRefusalReason.Conflict, 1009, "z");

        scene.PortOf("a").Should().Be(0, "it was released");
        scene.OwnersOn(1001).Should().BeEmpty("it was replaced long ago");
        await ReleaseAsync(scene);
        other.Register("thief", 1001);
        scene.Here.Register("a", 1003);
        scene.PortOf("a").Should().Be(1003);
    }

    [Fact]
    public async Task ReportBindFailureAsync_AfterAReleaseBesideALease_BringsNothingBack()
    {
        await using Scene scene = new();
        scene.Here.Register("a", 1001);
        PortLease lease = scene.Acquire("a");
        scene.Here.Register("a", 1002);
        scene.Here.Release("a");

        await lease.ReportBindFailureAsync().Within();

        scene.PortOf("a").Should().Be(0, "it was released");
        await ReleaseAsync(scene);
        scene.Here.Register("a", lease.Port, lease.Epoch);
        scene.PortOf("a").Should().Be(lease.Port);
    }

    [Fact]
    public async Task Register_TwiceBesideALease_TheLaterRanksAboveTheEarlierAndBothBelowTheLease()
    {
        await using Scene scene = new();
        scene.Here.Register("a", 1001);
        PortLease lease = scene.Acquire("a");

        long earlier = scene.Here.Register("a", 1002).Epoch!.Value, later = scene.Here.Register("a", 1003).Epoch!.Value;

        later.Should().BeGreaterThan(earlier).And.BeLessThan(lease.Epoch);
    }

    [Fact]
    public async Task Register_OldEpochMovesWhileALeaseIsOpen_RanksBelowTheLease()
    {
        await using Scene scene = new();
        PortLease first = scene.Acquire("a");
        long old = scene.Here.Register("a", first.Port, first.Epoch).Epoch!.Value;
        PortLease next = scene.Acquire("a");
        (int port, long epoch) = (next.Port, next.Epoch);

        PortEntry moved = scene.Here.Register("a", 1003, old);

        moved.Epoch.Should().BeGreaterThan(old).And.BeLessThan(epoch);
        scene.SessionOf(scene.StartChild()).Register("a", port, epoch).Epoch.Should().Be(epoch);
        scene.PortOf("a").Should().Be(port, "the newer lease replaces what was older than it");
    }

    [Fact]
    public async Task Register_AnotherOwnerOnThePortOfALeaseBesideARegistration_TakesTheLease()
    {
        await using Scene scene = new();
        PortEntry first = scene.Here.Register("a", 20005);
        PortLease lease = scene.Acquire("a");
        scene.Here.Register("a", lease.Port, first.Epoch);
        lease.IsOpen.Should().BeTrue("it was not what the registration went on from");

        scene.Here.Register("b", lease.Port);

        lease.IsOpen.Should().BeFalse("another owner listens on its port");
        (await FluentActions.Awaiting(() => lease.WhenBound.Within()).Should().ThrowAsync<PortRefusedException>()).Which.Refusal.Reason.Should().Be(PortRefusalReason.Taken);
        scene.OwnersOn(lease.Port).Should().Equal("a", "b");
        scene.Acquire("a").Port.Should().NotBe(lease.Port);
        scene.Registry.AssertInvariants();
    }

    /// <summary>Releases what is left, on a thread of its own: it once spun for ever.</summary>
    private static Task<bool> ReleaseAsync(Scene scene) => Task.Run(() => scene.Here.TryRelease("a", out _)).Within();
}
