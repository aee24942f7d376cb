using Portmap.Rpc;

namespace Portmap.Integration.Tests.Gluster;

/// <summary>The unmodified <c>gluster</c> asks the daemon for a brick's port.</summary>
public sealed class GlusterCliTests
{
    [NeedsFact("gluster")]
    public async Task Brick2Port_KnownBrick_PrintsItsPortOverUnixAndTcp()
    {
        await using GlusterDaemon daemon = await GlusterDaemon.StartAsync();
        await using PortmapClient brick = await PatientClient.ConnectAsync(PortmapEndpoint.Parse($"unix:{daemon.SocketPath}")).Within();
        int port = PortBlock.TakeOne();
        await brick.RegisterAsync(new PortClaimRequest("/bricks/with a blank/ü", port)).Within();

        (await daemon.Brick2PortAsync("/bricks/with a blank/ü")).Should().Be(($"{port}", 0));
        (await daemon.Brick2PortAsync("/bricks/with a blank/ü", overTcp: true)).Should().Be(($"{port}", 0));
    }

    [NeedsFact("gluster")]
    public async Task Brick2Port_UnknownBrick_PrintsNothingAndFails()
    {
        await using GlusterDaemon daemon = await GlusterDaemon.StartAsync();

        (await daemon.Brick2PortAsync("/bricks/b1")).Should().Be((string.Empty, 1));
        (await daemon.Brick2PortAsync("/bricks/b1", overTcp: true)).Should().Be((string.Empty, 1));
    }
}
