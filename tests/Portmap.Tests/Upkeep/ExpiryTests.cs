using Portmap.Tests.Support;

namespace Portmap.Tests.Upkeep;

/// <summary>A lease that times out while somebody has its port becomes a stranger's port, in each
/// protocol for itself.</summary>
[Collection(AloneCollection.Name)]
public sealed class ExpiryTests
{
    [Theory]
    [InlineData(PortProtocol.Tcp, PortProtocol.Tcp)]
    [InlineData(PortProtocol.Udp, PortProtocol.Udp)]
    [InlineData(PortProtocol.TcpAndUdp, PortProtocol.Tcp)]
    [InlineData(PortProtocol.TcpAndUdp, PortProtocol.Udp)]
    [InlineData(PortProtocol.TcpAndUdp, PortProtocol.TcpAndUdp)]
    public async Task Expire_SomebodyHasThePort_IsForeignThereAndCoolsInTheOtherProtocol(PortProtocol leased, PortProtocol taken)
    {
        await using Scene scene = Scene.OnRealPorts(PortBlock.Take(1), options => options.Guard = PortGuardMode.StepAside);
        PortLease lease = scene.Acquire(new PortRequest("b1") { Protocol = leased });
        lease.OpenGate();
        using Stranger? tcp = taken == PortProtocol.Udp ? null : Stranger.Listening(lease.Port);
        using Stranger? udp = taken == PortProtocol.Tcp ? null : Stranger.OnUdp(lease.Port);

        scene.Clock.Advance(scene.Options.LeaseTimeout + TimeSpan.FromSeconds(2));

        await Eventually.TrueAsync(() => States().All(state => state is PortState.Foreign or PortState.Cooling));
        await Eventually.TrueAsync(() => States().SequenceEqual(Expected()));
        PortState[] States() => [.. Halves().Select(protocol => scene.StateOf(lease.Port, protocol))];
        PortProtocol[] Halves() => leased == PortProtocol.TcpAndUdp ? [PortProtocol.Tcp, PortProtocol.Udp] : [leased];
        PortState[] Expected() => [.. Halves().Select(protocol => taken == PortProtocol.TcpAndUdp || taken == protocol ? PortState.Foreign : PortState.Cooling)];
    }
}
