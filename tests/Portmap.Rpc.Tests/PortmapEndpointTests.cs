namespace Portmap.Rpc.Tests;

public class PortmapEndpointTests
{
    [Theory]
    [InlineData("unix:/run/portmap.sock")]
    [InlineData("unix:relative.sock")]
    [InlineData("tcp:127.0.0.1:24007")]
    [InlineData("tcp:[::1]:0")]
    public void Parse_Endpoint_IsItsOwnText(string text)
    {
        PortmapEndpoint.Parse(text).ToString().Should().Be(text);
        PortmapEndpoint.Parse(text).Should().Be(PortmapEndpoint.Parse(text));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("unix:")]
    [InlineData("unix:/a\0b")]
    [InlineData("/run/portmap.sock")]
    [InlineData("tcp:127.0.0.1")]
    [InlineData("tcp:localhost:24007")]
    [InlineData("tcp:127.1:24007")]
    [InlineData("tcp:::1:24007")]
    [InlineData("tcp:[127.0.0.1]:24007")]
    [InlineData("tcp:127.0.0.1:65536")]
    [InlineData("tcp:127.0.0.1:-1")]
    [InlineData("tcp:127.0.0.1: 1")]
    [InlineData("udp:127.0.0.1:1")]
    public void TryParse_AnythingElse_ComplainsWithAnExample(string? text)
    {
        PortmapEndpoint.TryParse(text, out PortmapEndpoint? endpoint, out string? complaint).Should().BeFalse();
        endpoint.Should().BeNull();
        complaint.Should().NotBeNullOrEmpty();
        Action parse = () => PortmapEndpoint.Parse(text!);
        parse.Should().Throw<FormatException>().WithMessage(complaint);
    }

    [Theory]
    [InlineData('x', 107, true)]
    [InlineData('x', 108, false)]
    [InlineData('é', 53, true)]
    [InlineData('é', 54, false)]
    public void TryParse_SocketPath_ObeysTheKernelsLimitInBytes(char letter, int count, bool fits)
    {
        PortmapEndpoint.TryParse("unix:" + new string(letter, count), out _, out string? complaint).Should().Be(fits);
        if (!fits)
        {
            complaint.Should().Contain("107").And.Contain("108");
        }
    }
}
