using Portmap.Tests.Support;

namespace Portmap.Tests.Upkeep;

/// <summary>A lease times out while this process has no descriptor left to see who has its
/// port.</summary>
[Collection(AloneCollection.Name)]
public sealed class ExpiryWithoutDescriptorsTests
{
    [Theory]
    [InlineData(PortProtocol.Tcp, PortProtocol.Tcp)]
    [InlineData(PortProtocol.Udp, PortProtocol.Udp)]
    [InlineData(PortProtocol.TcpAndUdp, PortProtocol.Udp)]
    public async Task Expire_NobodyCanBeSeen_IsLeftToThePassThatCanSee(PortProtocol leased, PortProtocol taken)
    {
        await using Scene scene = Scene.OnRealPorts(PortBlock.Take(2), options => (options.Guard, options.LivenessInterval) = (PortGuardMode.StepAside, TimeSpan.FromHours(1)));   // the test makes the passes
        TimeSpan time = TimeSpan.FromSeconds(2);
        PortLease first = scene.Acquire(new PortRequest("b0") { Protocol = leased, LeaseTimeout = time });
        first.OpenGate();
        scene.Clock.Advance(time);
        scene.Registry.Maintain();
        scene.StateOf(first.Port, taken).Should().Be(PortState.Cooling, "and all code is loaded then");
        PortLease lease = scene.Acquire(new PortRequest("b1") { Protocol = leased, LeaseTimeout = time });
        lease.OpenGate();
        using Stranger stranger = taken == PortProtocol.Udp ? Stranger.OnUdp(lease.Port) : Stranger.Listening(lease.Port);
        scene.Clock.Advance(time);

        using (FewDescriptors few = new(more: 8))
        {
            few.TakeAll();
            scene.Registry.Maintain();
        }

        scene.StateOf(lease.Port, taken).Should().Be(PortState.Reserved);
        scene.Registry.Maintain();
        scene.StateOf(lease.Port, taken).Should().Be(PortState.Foreign);
        (await lease.WhenBound.RefusalAsync()).Reason.Should().Be(PortRefusalReason.LeaseEnded);
    }
}
