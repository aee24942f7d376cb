namespace Portmap.Etcd.Tests;

public class LogTests
{
    [Fact]
    public void Page_EachLine_StandsThereAsItIs()
    {
        IReadOnlyList<string> lines = LogPage.Of(typeof(PortmapFleet).Assembly);

        lines.Should().Equal(LogPage.Written("Portmap.Etcd"));
        LogPage.Doubles(lines).Should().BeEmpty("hosts filter by ids and names");
    }
}
