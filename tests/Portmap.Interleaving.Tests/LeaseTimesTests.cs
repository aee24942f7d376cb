using Portmap.Interleaving.Tests.Histories;
using Portmap.Interleaving.Tests.Scheduling;
using Portmap.Table;

namespace Portmap.Interleaving.Tests;

/// <summary>A lease that is extended as its time runs out either goes on, or its extension is
/// refused, under every schedule.</summary>
public sealed class LeaseTimesTests : IDisposable
{
    private static readonly TimeSpan s_timeout = TimeSpan.FromSeconds(40);

    private readonly Puppets _puppets = new(2);

    public void Dispose() => _puppets.Dispose();

    [Theory]
    [InlineData(PortProtocol.Tcp, false)]
    [InlineData(PortProtocol.TcpAndUdp, false)]
    [InlineData(PortProtocol.Tcp, true)]
    public void ExtendAsync_AsTheTimeIsOver_HoldsOrIsRefused(PortProtocol protocol, bool hasExtras)
    {
        HashSet<bool> outcomes = [];
        _puppets.PlayAll(switches: 3, schedule =>
        {
            ManualClock clock = new();
            using PortRegistry registry = new(
                new PortRegistryOptions
                {
                    Ports = "20000-20003",
                    Strategy = PortRegistryOptions.AllocatorPicks,
                    Probe = false,
                    LeaseTimeout = s_timeout,
                    LivenessInterval = TimeSpan.FromHours(1),
                    MaxOwners = 64,   // each pass and each audit look into every bucket
                },
                null,
                clock);
            PortRequest request = new("a") { Protocol = protocol, LeaseTimeout = hasExtras ? s_timeout : null };
            registry.TryAcquire(request, out PortLease? lease, out _).Should().BeTrue();
            clock.Advance(s_timeout);
            Task? extended = null;
            _puppets.Run([() => extended = lease!.ExtendAsync(TimeSpan.FromMinutes(5)).AsTask(), registry.Maintain], schedule);

            bool holds = extended!.IsCompletedSuccessfully;
            outcomes.Add(holds);
            lease!.IsOpen.Should().Be(holds, "schedule '{0}': {1}", schedule, extended.Exception?.InnerException?.Message ?? "it was given the time");
            registry.TryGetEntry("a", out PortEntry entry).Should().Be(holds);
            registry.Maintain();
            lease.IsOpen.Should().Be(holds, "schedule '{0}': one more pass", schedule);
            registry.AssertInvariants();
        });

        outcomes.Should().BeEquivalentTo([true, false], "the schedules meet both");
    }

    [Theory]
    [InlineData(PortProtocol.Tcp)]
    [InlineData(PortProtocol.Udp)]
    public async Task ExtendAsync_AHalfIsUsedMeanwhile_IsGivenToTheOther(PortProtocol used)
    {
        await using PortRegistry registry = new(new PortRegistryOptions { Ports = "20000-20003", Strategy = PortRegistryOptions.AllocatorPicks, Probe = false });
        PortSession session = registry.OpenSession(Environment.ProcessId);
        registry.TryAcquire(new PortRequest("a") { Protocol = PortProtocol.TcpAndUdp }, out PortLease? lease, out _).Should().BeTrue();
        bool isUsed = false;
        Hook.Reached = step =>
        {
            if (step == Step.ExtendLease)
            {
                Hook.Reached = null;
                isUsed = session.TryRegister(new PortClaimRequest("a", lease!.Port) { Epoch = lease.Epoch, Protocol = used }, out _, out _);
            }
        };

        await lease!.ExtendAsync(TimeSpan.FromMinutes(5)).AsTask().WaitAsync(Deadline.Default);

        isUsed.Should().BeTrue();
        lease.IsOpen.Should().BeTrue("the other half waits");
        registry.AssertInvariants();
    }
}
