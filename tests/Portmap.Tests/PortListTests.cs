using System.Collections;

namespace Portmap.Tests;

/// <summary>Which ports a list names, port by port.</summary>
public class PortListTests
{
    [Fact]
    public void Outside_OfRangesThatBeginAndEndAnywhereInAByte_IsEveryOtherPort()
    {
        for (int first = 1; first <= 24; first++)
        {
            for (int last = first; last <= first + 16; last++)
            {
                PortRange[] ranges = [new(first, last), new(65_535 - last, 65_535 - first), new(65_535, 65_535)];

                BitArray outside = PortList.Outside(ranges);

                Enumerable.Range(0, 65_536).Where(port => outside[port] == ranges.Any(range => range.Contains(port))).Should().BeEmpty("of {0} and {1}", ranges[0], ranges[1]);
            }
        }
    }
}
