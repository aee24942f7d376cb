using Portmap.Interleaving.Tests.Histories;
using Portmap.Interleaving.Tests.Scheduling;

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
        List<Schedule> level = [Schedule.OneAfterTheOther];
        int runs = 0;
        for (int switches = 0; switches <= 3; switches++)
        {
            List<Schedule> next = [];
            foreach (Schedule schedule in level)
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
                runs++;

                bool holds = extended!.IsCompletedSuccessfully;
                outcomes.Add(holds);
                lease!.IsOpen.Should().Be(holds, "schedule '{0}': {1}", schedule, extended.Exception?.InnerException?.Message ?? "it was given the time");
                registry.TryGetEntry("a", out PortEntry entry).Should().Be(holds);
                registry.Maintain();
                lease.IsOpen.Should().Be(holds, "schedule '{0}': one more pass", schedule);
                registry.AssertInvariants();
                next.AddRange(schedule.WithOneMore(2, _puppets.RanAt));
            }

            level = next;
        }

        runs.Should().BeGreaterThan(20, "otherwise the steps are not seen");
        outcomes.Should().BeEquivalentTo([true, false], "the schedules meet both");
    }
}
