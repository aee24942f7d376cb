namespace Portmap.AspNetCore.Tests;

public class LogTests
{
    [Fact]
    public void Page_EachLine_StandsThereAsItIs()
    {
        IReadOnlyList<string> lines = LogPage.Of(typeof(PortmapWebHostBuilderExtensions).Assembly);

        lines.Should().Equal(LogPage.Written("Portmap.AspNetCore"));
        LogPage.Doubles(lines).Should().BeEmpty("hosts filter by ids and names");
    }
}
