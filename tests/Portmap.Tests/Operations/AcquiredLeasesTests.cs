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
}
