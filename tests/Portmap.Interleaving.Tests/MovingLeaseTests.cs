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
    public async Task ReportBindFailureAsync_AnotherUsesTheLeaseBetweenAnyTwoSteps_IsNotToldThatItHasEnded(string what, PortProtocol protocol)
    {
        bool isReached = true;
        for (int number = 1; isReached; number++)
        {
            await using PortRegistry registry = new(new PortRegistryOptions { Ports = "20000-20009", Strategy = PortRegistryOptions.AllocatorPicks, Order = PortOrder.LowestFree, Probe = false });
            PortSession session = registry.OpenSession(Environment.ProcessId);
            registry.TryAcquire(new PortRequest("a") { Protocol = protocol }, out PortLease? lease, out _).Should().BeTrue();
            (int port, long epoch) = (lease!.Port, lease.Epoch);
            int steps = 0, at = number, told = 0;
            isReached = false;
            Hook.Reached = step =>
            {
                if (++steps == at)
                {
                    Hook.Reached = null;
                    isReached = true;
                    Task.Run(async () =>
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
                    }).WaitAsync(Deadline.Default).Awaiting(task => task).Should().NotThrowAsync("step {0}, {1}: the lease is open", at, step).GetAwaiter().GetResult();
                }
            };
            Task reporting = lease.ReportBindFailureAsync().AsTask();
            Hook.Reached = null;
            await reporting.WaitAsync(Deadline.Default);

            lease.IsOpen.Should().BeTrue("step {0}", at);
            lease.Port.Should().NotBe(port, "step {0}", at);
            if (isReached && what == "reports over a session")
            {
                told.Should().NotBe(port, "step {0}: that is the port that could not be bound", at);
            }

            registry.AssertInvariants();
        }
    }
}
