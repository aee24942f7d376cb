using System.Net.Sockets;
using Portmap.Tests.Support;

namespace Portmap.Tests.Guarding;

/// <summary>Who tries all the time, and a second daemon that has no other port left.</summary>
public sealed class StrangerAtTheGateTests
{
    private const int Lives = 500;

    [Theory]
    [InlineData(PortGuardMode.UntilRegistered)]
    [InlineData(PortGuardMode.WhileAlive)]
    [InlineData(PortGuardMode.StepAside)]
    public async Task Guarantee_AStrangerTriesAllTheTime_NeverSaysExclusiveBeforeAndAfterHeGotIn(PortGuardMode mode)
    {
        await using PortRegistry registry = new(Options(ports: 4));
        PortLease? current = null;
        bool isOver = false;
        int tries = 0, lies = 0;
        Thread stranger = new(() =>
        {
            while (!Volatile.Read(ref isOver))
            {
                if (Volatile.Read(ref current) is { } lease && lease.Guarantee == PortGuarantee.Exclusive)
                {
                    tries++;
                    using Socket? socket = Knock.TryTake(lease.Port);
                    lies += socket is not null && lease.Guarantee == PortGuarantee.Exclusive ? 1 : 0;
                }
            }
        });
        stranger.Start();
        await using PortSession session = registry.OpenSession(Environment.ProcessId);
        for (int life = 0; life < Lives || Volatile.Read(ref tries) == 0; life++)
        {
            if (!registry.TryAcquire(new PortRequest("b1") { Guard = mode }, out PortLease? lease, out _))
            {
                continue;   // he has it; it is looked at again after a while
            }

            Volatile.Write(ref current, lease);
            lease.OpenGate();
            using Socket? worker = Knock.TryTake(lease.Port);
            if (worker is not null && life % 2 == 0)
            {
                session.TryRegister(new PortClaimRequest("b1", lease.Port) { Epoch = lease.Epoch }, out _, out _).Should().BeTrue();
                session.TryRelease("b1", out _).Should().BeTrue();
            }

            lease.TryRelease(out _);
        }

        Volatile.Write(ref isOver, true);
        stranger.Join();
        lies.Should().Be(0, "of {0} tries while it said Exclusive", tries);
    }

    [Fact]
    public async Task TryAcquire_NothingLeftButThePortOfAnotherDaemonsOpenGate_IsExhaustedAndItsProcessGetsIn()
    {
        // Both daemons have one range, and the port is between PrepareStart and Listen.
        PortRegistryOptions options = Options(ports: 1);
        await using PortRegistry theirs = new(options), ours = new(options);
        theirs.TryAcquire("b1", out PortLease? lease, out _).Should().BeTrue();
        lease!.OpenGate();

        ours.TryAcquire("b2", out _, out PortRefusal? refusal).Should().BeFalse();
        refusal!.Reason.Should().Be(PortRefusalReason.Exhausted);

        Knock.GetsIn(lease.Port).Should().BeTrue();
    }

    private static PortRegistryOptions Options(int ports) => new()
    {
        Ports = PortBlock.Take(ports).ToString(),
        Strategy = PortRegistryOptions.AllocatorPicks,
        ReuseDelay = TimeSpan.Zero,
        ForeignRecheck = TimeSpan.FromMilliseconds(100),
    };
}
