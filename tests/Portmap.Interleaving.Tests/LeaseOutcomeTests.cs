using Portmap.Interleaving.Tests.Scheduling;

namespace Portmap.Interleaving.Tests;

/// <summary>Who waits for a lease is told of its end under every schedule, though a release leaves
/// no mark in the lease.</summary>
public sealed class LeaseOutcomeTests : IDisposable
{
    private readonly Puppets _puppets = new(2);

    public void Dispose() => _puppets.Dispose();

    [Theory]
    [InlineData(PortProtocol.Tcp)]
    [InlineData(PortProtocol.TcpAndUdp)]
    public void WhenBound_AskedAsTheLeaseIsReleased_Completes(PortProtocol protocol)
    {
        _puppets.PlayAll(switches: 3, schedule =>
        {
            using PortRegistry registry = new(new PortRegistryOptions
            {
                Ports = "20000-20003",
                Strategy = PortRegistryOptions.AllocatorPicks,
                Probe = false,
            });
            registry.TryAcquire(new PortRequest("a") { Protocol = protocol }, out PortLease? lease, out _).Should().BeTrue();
            Task<PortEntry>? asked = null;
            _puppets.Run([() => asked = lease!.WhenBound, () => lease!.TryRelease(out _)], schedule);

            asked!.IsFaulted.Should().BeTrue("schedule '{0}': it was released", schedule);
            asked.Exception!.InnerException.Should().BeOfType<PortRefusedException>()
                .Which.Refusal.Reason.Should().Be(PortRefusalReason.LeaseEnded);
            lease!.IsOpen.Should().BeFalse();
            lease.WhenBound.Should().BeSameAs(asked);
        });
    }
}
