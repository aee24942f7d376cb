using Portmap.Tests.Support;

namespace Portmap.Tests.Guarding;

/// <summary>Daemons in processes of their own that guard the same ports, and one that has too few
/// descriptors.</summary>
public sealed class TwoDaemonsTests
{
    private const int Ports = 200;

    [Fact]
    public async Task TwoProcesses_GuardOneRangeAtOnce_NeverBothSayExclusiveForAPort()
    {
        (Dictionary<int, PortGuarantee> one, Dictionary<int, PortGuarantee> two) = await RaceAsync(PortGuardMode.UntilRegistered);

        Exclusive(one).Intersect(Exclusive(two)).Should().BeEmpty();
        Exclusive(one).Concat(Exclusive(two)).Should().HaveCountGreaterThan(Ports * 3 / 4, "the ports are held by one of them");
        one.Values.Concat(two.Values).Should().OnlyContain(guarantee => guarantee >= PortGuarantee.Admitting);
    }

    [Fact]
    public async Task Control_NothingIsHeld_BothHaveTheSamePortsAndNeitherSaysExclusive()
    {
        // What the test above would see if a probe were taken for a hold.
        (Dictionary<int, PortGuarantee> one, Dictionary<int, PortGuarantee> two) = await RaceAsync(PortGuardMode.None);

        one.Keys.Intersect(two.Keys).Should().NotBeEmpty();
        one.Values.Concat(two.Values).Should().OnlyContain(guarantee => guarantee == PortGuarantee.ProbedOnly);
    }

    [Fact]
    public async Task ADaemonWithFewDescriptors_GuardsHalfOfThemAndTheRestIsProbedOnly()
    {
        using GuardingDaemon daemon = await GuardingDaemon.StartAsync(PortBlock.Take(Ports), PortGuardMode.UntilRegistered, descriptors: 256);

        Dictionary<int, PortGuarantee> held = await daemon.AcquireAllAsync();

        held.Should().HaveCount(Ports, "nothing fails");
        Exclusive(held).Should().HaveCount(128);
        held.Values.Count(guarantee => guarantee == PortGuarantee.ProbedOnly).Should().Be(Ports - 128);
    }

    [Fact]
    public async Task ADaemonWithoutAnyDescriptorLeft_HandsPortsOutAndSaysThatNobodyWasAsked()
    {
        using GuardingDaemon daemon = await GuardingDaemon.StartAsync(PortBlock.Take(20), PortGuardMode.UntilRegistered, descriptors: 256, starve: true);

        Dictionary<int, PortGuarantee> held = await daemon.AcquireAllAsync();

        held.Should().HaveCount(20);
        held.Values.Should().OnlyContain(guarantee => guarantee == PortGuarantee.LedgerOnly);
    }

    private static IEnumerable<int> Exclusive(Dictionary<int, PortGuarantee> held) => held.Where(port => port.Value == PortGuarantee.Exclusive).Select(port => port.Key);

    private static async Task<(Dictionary<int, PortGuarantee> One, Dictionary<int, PortGuarantee> Two)> RaceAsync(PortGuardMode guard)
    {
        PortRange range = PortBlock.Take(Ports);
        using GuardingDaemon one = await GuardingDaemon.StartAsync(range, guard), two = await GuardingDaemon.StartAsync(range, guard);
        Task<Dictionary<int, PortGuarantee>> first = one.AcquireAllAsync(), second = two.AcquireAllAsync();
        return (await first, await second);
    }
}
