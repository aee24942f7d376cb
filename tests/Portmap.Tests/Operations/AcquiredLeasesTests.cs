using Portmap.Tests.Support;

namespace Portmap.Tests.Operations;

/// <summary>What a session acquired for others, which it may give back as long as it
/// stands.</summary>
public class AcquiredLeasesTests
{
    private const uint Acquirer = 4_003, Owner = 4_001;

    [Theory]
    [InlineData(PortProtocol.Tcp, PortProtocol.Udp)]
    [InlineData(PortProtocol.Udp, PortProtocol.Tcp)]
    public async Task Release_OfTheHalfThatIsServedStillAfterManyOtherLeases_IsItsRight(PortProtocol over, PortProtocol served)
    {
        await using Scene scene = new("20000-20099");
        PortSession session = scene.Registry.OpenSession(scene.StartChild().Id, Acquirer), worker = scene.Registry.OpenSession(scene.StartChild().Id, Owner);
        PortLease lease = await session.AcquireAsync(new PortRequest("b1") { Protocol = PortProtocol.TcpAndUdp, UserId = Owner }).Within();
        worker.Register("b1", lease.Port, lease.Epoch, over);
        worker.Register("b1", lease.Port, lease.Epoch, served);
        worker.TryRelease(new PortClaimRequest("b1") { Protocol = over }, out PortRefusal? refusal).Should().BeTrue(refusal?.Message);
        for (int i = 0; i < 40; i++)
        {
            await session.AcquireAsync($"other/{i}").Within();
            session.TryRelease($"other/{i}", out refusal).Should().BeTrue(refusal?.Message);
        }

        scene.StateOf(lease.Port, served).Should().Be(PortState.Bound);
        bool isReleased = session.TryRelease(new PortClaimRequest("b1") { Protocol = served }, out refusal);

        isReleased.Should().BeTrue(refusal?.Message);
        scene.Registry.TryGetEntry("b1", out _, served).Should().BeFalse();
    }

    /// <summary>Its program was started again with the environment of the one before.</summary>
    [Theory]
    [InlineData(0)]
    [InlineData(40)]
    public async Task Release_OfALeaseWhoseProgramWasStartedAgain_IsItsRight(int others)
    {
        await using Scene scene = new("20000-20099");
        PortSession session = scene.Registry.OpenSession(scene.StartChild().Id, Acquirer);
        PortLease lease = await session.AcquireAsync(new PortRequest("b1") { UserId = Owner }).Within();
        (int port, long given) = (lease.Port, lease.Epoch);
        Child first = scene.StartChild();
        scene.Registry.OpenSession(first.Id, Owner).Register("b1", port, given);
        first.Kill();
        scene.Clock.Advance(TimeSpan.FromSeconds(2));
        scene.Registry.OpenSession(scene.StartChild().Id, Owner).Register("b1", port, given).Epoch.Should().NotBe(given);
        for (int i = 0; i < others; i++)
        {
            await session.AcquireAsync($"other/{i}").Within();
            session.TryRelease($"other/{i}", out PortRefusal? none).Should().BeTrue(none?.Message);
        }

        session.TryRelease("b1", out PortRefusal? refusal).Should().BeTrue(refusal?.Message);

        scene.PortOf("b1").Should().Be(0);
    }
}
