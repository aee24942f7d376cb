using System.Diagnostics;
using System.Globalization;
using Portmap.Tests.Support;

namespace Portmap.Tests;

/// <summary><see cref="PortLease.PrepareStart"/>: what a worker reads from its
/// environment.</summary>
public class PortLeasePrepareStartTests
{
    [Fact]
    public async Task PrepareStart_AllocatorPicks_NamesThePort()
    {
        await using Scene scene = new(configure: options => options.BindAttempts = 5);
        PortLease lease = scene.Acquire("vol0:/bricks/b 1=ü");

        IDictionary<string, string?> environment = Apply(lease);

        environment.Should().Contain(new Dictionary<string, string?>
        {
            ["PORTMAP_OWNER"] = "vol0:/bricks/b 1=ü",
            ["PORTMAP_PORT"] = lease.Port.ToString(CultureInfo.InvariantCulture),
            ["PORTMAP_EPOCH"] = lease.Epoch.ToString(CultureInfo.InvariantCulture),
            ["PORTMAP_PROTOCOL"] = "tcp",
            ["PORTMAP_RANGE"] = "20000-20009",
            ["PORTMAP_BIND_ATTEMPTS"] = "5",
        });
        environment.Keys.Should().NotContain("PORTMAP_EXCLUDE").And.NotContain("PORTMAP_ENDPOINT");
    }

    [Fact]
    public async Task PrepareStart_ProcessBinds_LeavesThePortOpen()
    {
        await using Scene scene = new(configure: options =>
        {
            options.Strategy = PortRegistryOptions.ProcessBinds;
            options.Exclude = "20001,20003-20004";
        });

        IDictionary<string, string?> environment = Apply(scene.Acquire("b1"));

        environment.Should().Contain("PORTMAP_PORT", "0").And.Contain("PORTMAP_RANGE", "20000-20009");
        environment["PORTMAP_EXCLUDE"]!.Replace(" ", "", StringComparison.Ordinal).Should().Be("20001,20003-20004");
    }

    [Theory]
    [InlineData(PortProtocol.Tcp, "tcp")]
    [InlineData(PortProtocol.Udp, "udp")]
    [InlineData(PortProtocol.TcpAndUdp, "tcp+udp")]
    public async Task PrepareStart_Protocol_IsNamed(PortProtocol protocol, string expected)
    {
        await using Scene scene = new();

        Apply(scene.Acquire(new PortRequest("b1") { Protocol = protocol })).Should().Contain("PORTMAP_PROTOCOL", expected);
    }

    [Theory]
    [InlineData(null, null, null)]
    [InlineData("unix:/run/a.sock", null, "unix:/run/a.sock")]
    [InlineData(null, "tcp:127.0.0.1:1", "tcp:127.0.0.1:1")]
    [InlineData("unix:/run/a.sock", "tcp:127.0.0.1:1", "tcp:127.0.0.1:1")]
    public async Task PrepareStart_Endpoint_ArgumentGoesBeforeTheOption(string? option, string? argument, string? expected)
    {
        await using Scene scene = new(configure: options => options.Endpoint = option);

        IDictionary<string, string?> environment = Apply(scene.Acquire("b1"), argument);

        environment.TryGetValue("PORTMAP_ENDPOINT", out string? endpoint).Should().Be(expected is not null);
        endpoint.Should().Be(expected);
    }

    [Fact]
    public async Task PrepareStart_Null_Throws()
    {
        await using Scene scene = new();
        PortLease lease = scene.Acquire("b1");

        Action apply = () => lease.PrepareStart(null!);

        apply.Should().Throw<ArgumentNullException>();
    }

    private static IDictionary<string, string?> Apply(PortLease lease, string? endpoint = null)
    {
        ProcessStartInfo startInfo = new("brick");
        foreach (string key in startInfo.Environment.Keys.Where(key => key.StartsWith("PORTMAP_", StringComparison.Ordinal)).ToArray())
        {
            startInfo.Environment.Remove(key);
        }

        lease.PrepareStart(startInfo, endpoint);
        return startInfo.Environment;
    }
}
