using Portmap.Rpc.Working;

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

    private static PortRange Near(int first, int last) => new(Math.Clamp(first, 1, 65_535), Math.Clamp(last, 1, 65_535));
}
