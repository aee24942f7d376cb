namespace Portmap.Hosting.Tests;

public class LogTests
{
    [Fact]
    public void Page_EachLine_StandsThereAsItIs()
    {
        IReadOnlyList<string> lines = LogPage.Of(typeof(PortmapServerServiceCollectionExtensions).Assembly);

        lines.Should().Equal(LogPage.Written("Portmap.Hosting"));
        LogPage.Doubles(lines).Should().BeEmpty("hosts filter by ids and names");
    }
}
