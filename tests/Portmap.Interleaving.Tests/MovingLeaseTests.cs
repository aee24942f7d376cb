using Portmap.Interleaving.Tests.Scheduling;
using Portmap.Table;

namespace Portmap.Interleaving.Tests;

/// <summary>A lease that moves to another port, because one could not be bound, is open all the
/// time: whoever uses it meanwhile is not told that it has ended.</summary>
public sealed class MovingLeaseTests : IDisposable
{
    public void Dispose() => Hook.Reached = null;

    [Theory]
    [InlineData("extends", PortProtocol.Tcp)]
    [InlineData("extends", PortProtocol.TcpAndUdp)]
    [InlineData("reports", PortProtocol.Tcp)]
    [InlineData("reports", PortProtocol.TcpAndUdp)]
    [InlineData("reports over a session", PortProtocol.Tcp)]
    [InlineData("reports over a session", PortProtocol.TcpAndUdp)]
    public Task ReportBindFailureAsync_AnotherUsesTheLeaseBetweenAnyTwoSteps_IsNotToldThatItHasEnded(string what, PortProtocol protocol) => EachStep.PlayAsync(async step =>
    {
        await using PortRegistry registry = new(new PortRegistryOptions { Ports = "20000-20009", Strategy = PortRegistryOptions.AllocatorPicks, Order = PortOrder.LowestFree, Probe = false });
        PortSession session = registry.OpenSession(Environment.ProcessId);
        registry.TryAcquire(new PortRequest("a") { Protocol = protocol }, out PortLease? lease, out _).Should().BeTrue();
        (int port, long epoch) = (lease!.Port, lease.Epoch);
        int told = 0;
        Task reporting = step.Interrupt(
            () => lease.ReportBindFailureAsync().AsTask(),
            at => Task.Run(async () =>
            {
                switch (what)
                {
                    case "extends":
                        await lease.ExtendAsync(TimeSpan.FromMinutes(5));
                        break;
                    case "reports":
                        await lease.ReportBindFailureAsync();
                        break;
                    default:
                        PortLease answer = await session.ReportBindFailureAsync(new PortClaimRequest("a", port) { Epoch = epoch, Protocol = protocol });
                        told = answer.Port;
                        break;
                }
            }).WaitAsync(Deadline.Default).Awaiting(task => task).Should().NotThrowAsync("step {0}, {1}: the lease is open", step.Number, at).GetAwaiter().GetResult());
        await reporting.WaitAsync(Deadline.Default);

        lease.IsOpen.Should().BeTrue("step {0}", step.Number);
        lease.Port.Should().NotBe(port, "step {0}", step.Number);
        if (step.IsReached && what == "reports over a session")
        {
            told.Should().NotBe(port, "step {0}: that is the port that could not be bound", step.Number);
        }

        registry.AssertInvariants();
    });
}
