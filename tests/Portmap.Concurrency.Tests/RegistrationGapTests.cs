using Microsoft.Extensions.Time.Testing;

namespace Portmap.Concurrency.Tests;

/// <summary>A lease becomes a registration in one step: whoever asks for the owner finds the one or
/// the other, never nothing.</summary>
public class RegistrationGapTests
{
    private const int Rounds = 1_000;

    [Fact]
    public async Task TryGetEntry_WhileTheLeaseIsRegistered_IsNeverNone()
    {
        PortRegistryOptions options = new() { Ports = "20000-20009", Strategy = PortRegistryOptions.AllocatorPicks, Probe = false, ReuseDelay = TimeSpan.Zero };
        await using PortRegistry registry = new(options, null, new FakeTimeProvider());
        PortSession session = registry.OpenSession(Environment.ProcessId);
        PortLease? lease = null;
        int gaps = 0, registered = 0;
        await Race.RunAsync(
            2,
            Rounds * 2,
            (round, racer) =>
            {
                if (round % 2 == 0)
                {
                    // Sets the scene for the race of the odd round.
                    Volatile.Write(ref registered, 0);
                    return racer == 1 || registry.TryAcquire("b1", out lease, out _);
                }

                if (racer == 0)
                {
                    bool done = session.TryRegister(new PortClaimRequest("b1", lease!.Port) { Epoch = lease.Epoch }, out _, out _);
                    Volatile.Write(ref registered, 1);
                    return done;
                }

                while (Volatile.Read(ref registered) == 0)
                {
                    gaps += registry.TryGetEntry("b1", out _) ? 0 : 1;
                }

                return true;
            },
            (round, results) =>
            {
                results.Should().OnlyContain(done => done);
                gaps.Should().Be(0);
                if (round % 2 == 1)
                {
                    session.TryRelease("b1", out _).Should().BeTrue();
                }
            });
    }
}
