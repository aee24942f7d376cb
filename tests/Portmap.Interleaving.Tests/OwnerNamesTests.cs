using System.Globalization;
using Portmap.Table;

namespace Portmap.Interleaving.Tests;

/// <summary>Names come and go for as long as the daemon lives; the cost of a lookup must not grow
/// with those that are gone. It is counted in steps, not timed.</summary>
/// <remarks>PORTMAP_NAMES=10000000 sends as many names through as the design names (some 15 s);
/// without it, as many as CI has time for.</remarks>
public class OwnerNamesTests
{
    private const int Living = 1_000, Misses = 10_000;

    [Fact]
    public void Miss_AfterAnyNumberOfOwnersCameAndWent_CostsAtMostTwiceAsMuch()
    {
        int names = int.Parse(Environment.GetEnvironmentVariable("PORTMAP_NAMES") ?? "500000", CultureInfo.InvariantCulture);
        using PortRegistry registry = new(new PortRegistryOptions { Strategy = PortRegistryOptions.ProcessBinds, Probe = false });
        for (int i = 0; i < Living; i++)
        {
            registry.TryAcquire(string.Create(CultureInfo.InvariantCulture, $"living {i}"), out _, out _).Should().BeTrue();
        }

        (int stepsBefore, int mostBefore) = Miss(registry);
        for (int i = 0; i < names; i++)
        {
            registry.TryAcquire(string.Create(CultureInfo.InvariantCulture, $"name {i}"), out PortLease? lease, out PortRefusal? refusal).Should().BeTrue(refusal?.Message);
            lease!.TryRelease(out _).Should().BeTrue();
        }

        (int steps, int most) = Miss(registry);

        steps.Should().BeLessThanOrEqualTo(2 * stepsBefore);
        most.Should().BeLessThanOrEqualTo(2 * mostBefore);
        stepsBefore.Should().BeGreaterThan(2 * Misses, "a miss reads the table and a bucket, and some a name");
    }

    /// <summary>Looks for owners that were never there: the steps of all, and of the one that took
    /// most.</summary>
    private static (int All, int Most) Miss(PortRegistry registry)
    {
        int all = 0, most = 0, steps = 0;
        Hook.Reached = _ => steps++;
        for (int i = 0; i < Misses; i++)
        {
            steps = 0;
            registry.TryGetPort(string.Create(CultureInfo.InvariantCulture, $"nobody {i}"), out _).Should().BeFalse();
            all += steps;
            most = Math.Max(most, steps);
        }

        Hook.Reached = null;
        return (all, most);
    }
}
