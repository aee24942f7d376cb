namespace Portmap.Rpc.Tests.Diagnostics;

public class LogTests
{
    [Fact]
    public void Page_EachLine_StandsThereAsItIs()
    {
        IReadOnlyList<string> lines = LogPage.Of(typeof(PortmapServer).Assembly);

        lines.Should().Equal(LogPage.Written("Portmap.Rpc"));
        LogPage.Doubles(lines).Should().BeEmpty("hosts filter by ids and names");
    }
}
