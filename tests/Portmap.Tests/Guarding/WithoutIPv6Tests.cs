using System.Net;
using Portmap.Tests.Support;

namespace Portmap.Tests.Guarding;

/// <summary>A daemon whose .NET has IPv6 switched off, on a host where others have it.</summary>
public sealed class WithoutIPv6Tests
{
    [Theory]
    [InlineData(PortGuardMode.UntilRegistered)]
    [InlineData(PortGuardMode.PassSocket)]
    public async Task Acquire_SaysExclusive_NobodyGetsInOnEitherFamily(PortGuardMode guard)
    {
        PortRange range = PortBlock.Take(2);
        using GuardingDaemon daemon = await GuardingDaemon.StartAsync(range, guard, withoutIPv6: true);

        Dictionary<int, PortGuarantee> held = await daemon.AcquireAllAsync();

        held.Should().HaveCount(2).And.OnlyContain(port => port.Value == PortGuarantee.Exclusive);
        foreach (IPAddress address in (IPAddress[])[IPAddress.Any, IPAddress.IPv6Any, IPAddress.IPv6Loopback])
        {
            Knock.GetsIn(range.First, address).Should().BeFalse("{0} is covered", address);
        }
    }
}
