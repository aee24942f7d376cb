using Portmap.Rpc.Working;
using Portmap.TestKit.Processes;

namespace Portmap.Rpc.Tests.Working;

/// <summary>Where a process picks its port, cut at the ends of what the kernel hands out by
/// itself.</summary>
public class PickRangesTests
{
    [Theory]
    [InlineData(-3, 2)]
    [InlineData(-1, 0)]
    [InlineData(0, 1)]
    [InlineData(-2, -1)]
    public void Parts_OfARangeNearTheKernelsOwn_AreEachPortOnce(int before, int after)
    {
        PortRange kernel = TestKit.EphemeralPorts.Range;
        foreach (PortRange range in (PortRange[])[Near(kernel.First + before, kernel.First + after), Near(kernel.Last - after, kernel.Last - before), Near(kernel.First + before, kernel.Last - before)])
        {
            PickRanges ranges = new([range]);

            ranges.Outside.Concat(ranges.Overlap).SelectMany(part => Enumerable.Range(part.First, part.Count)).Order().Should().Equal(ranges.Ports, "of {0} beside {1}", range, kernel);
        }
    }

    /// <summary>What an administrator has reserved the kernel does not hand out: those come first,
    /// as the ports outside of its range do.</summary>
    [Fact]
    public void Parts_OfARangeWithReservedPorts_HoldThemAsThoseThatAreNeverHandedOut()
    {
        using TempFolder proc = new();
        Directory.CreateDirectory(proc["sys/net/ipv4"]);
        File.WriteAllText(proc["sys/net/ipv4/ip_local_port_range"], "50000\t50999\n");
        File.WriteAllText(proc["sys/net/ipv4/ip_local_reserved_ports"], "0,40000-50001,50100-50199,50300,50990-65535\n");

        PickRanges ranges = new([new PortRange(49_990, 50_400), new PortRange(50_980, 51_010)], proc[""]);

        ranges.Overlap.Should().Equal(new PortRange(50_002, 50_099), new PortRange(50_200, 50_299), new PortRange(50_301, 50_400), new PortRange(50_980, 50_989));
        ranges.Outside.Should().Equal(new PortRange(49_990, 50_001), new PortRange(50_100, 50_199), new PortRange(50_300, 50_300), new PortRange(50_990, 51_010));
    }

    private static PortRange Near(int first, int last) => new(Math.Clamp(first, 1, 65_535), Math.Clamp(last, 1, 65_535));
}
