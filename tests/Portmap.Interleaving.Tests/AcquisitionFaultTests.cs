using System.Globalization;
using Portmap.Table;

namespace Portmap.Interleaving.Tests;

/// <summary>Something throws in the middle of an acquisition, for want of memory say: no port stays
/// half taken.</summary>
public sealed class AcquisitionFaultTests : IDisposable
{
    public void Dispose() => Hook.Reached = null;

    [Theory]
    [InlineData(PortProtocol.Tcp, 1)]
    [InlineData(PortProtocol.TcpAndUdp, 1)]
    [InlineData(PortProtocol.TcpAndUdp, 2)]
    public void TryAcquire_ThrowsAsAPlaceholderIsMade_LeavesBothProtocolsOfThePortFree(PortProtocol protocol, int time)
    {
        int port = PortBlock.TakeOne();
        using PortRegistry registry = new(new PortRegistryOptions { Ports = port.ToString(CultureInfo.InvariantCulture), Strategy = PortRegistryOptions.AllocatorPicks });
        int times = 0;
        Hook.Reached = step =>
        {
            if (step == Step.PlaceGuard && ++times == time)
            {
                throw new InsufficientMemoryException("for the test");
            }
        };
        Action acquire = () => registry.TryAcquire(new PortRequest("a") { Protocol = protocol }, out _, out _);

        acquire.Should().Throw<InsufficientMemoryException>();

        Hook.Reached = null;
        registry.AssertInvariants();
        registry.TryAcquire(new PortRequest("b") { Protocol = protocol }, out PortLease? lease, out PortRefusal? refusal).Should().BeTrue(refusal?.Message);
        lease!.Port.Should().Be(port);
    }
}
