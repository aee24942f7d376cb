using Portmap.TestKit.Processes;

namespace Portmap.Integration.Tests.Gluster;

/// <summary>Connections that come twice or are gone: in glusterd's map the one doubles a brick, the other may leave it there for ever.</summary>
public sealed class ConnectionTests
{
    private const string Brick = "/bricks/b1";
    private const uint SignIn = 4;

    [NeedsFact("glusterfsd", Also = ["gluster"])]
    public async Task Brick_SignedInTwiceOverTwoConnections_NeedsOneSignOut()
    {
        await using GlusterDaemon daemon = await StartAsync();
        await using Forwarder forwarder = new(daemon.Address, PortBlock.TakeOne());
        (ChildProcess brick, PortEntry entry) = await daemon.StartBrickAsync("b1", Brick, PortBlock.TakeOne(), daemonPort: forwarder.Port);

        // The brick's end only: it connects again after 3 s and signs in a second time, while the daemon still has the first connection.
        (await daemon.ChangeAsync(Brick, () => forwarder.Cut(daemonToo: false))).Should().Be(PortChangeKind.Replaced, "by itself, over another connection");
        await daemon.StillServesAsync(entry);

        (await daemon.ChangeAsync(Brick, () => brick.Send(Signal.Terminate))).Should().Be(PortChangeKind.Released);
        (await daemon.BoundAsync()).Should().BeEmpty();
        (await daemon.Brick2PortAsync(Brick)).Should().Be((string.Empty, 1));
    }

    [NeedsFact("glusterfsd", Also = ["gluster"])]
    public async Task Connection_GoneForLongerThanTheGrace_LeavesNothingUntilTheBrickComesBack()
    {
        await using GlusterDaemon daemon = await StartAsync(grace: TimeSpan.FromSeconds(1));
        await using Forwarder forwarder = new(daemon.Address, PortBlock.TakeOne());
        (ChildProcess brick, PortEntry entry) = await daemon.StartBrickAsync("b1", Brick, PortBlock.TakeOne(), daemonPort: forwarder.Port);

        brick.Send(Signal.Stop); // it lives and cannot connect again
        (await daemon.ChangeAsync(Brick, () => forwarder.Cut(daemonToo: true))).Should().Be(PortChangeKind.Disconnected);
        (await daemon.BoundAsync()).Should().BeEmpty();
        (await daemon.Brick2PortAsync(Brick)).Should().Be((string.Empty, 1));

        (await daemon.ChangeAsync(Brick, () => brick.Send(Signal.Continue))).Should().Be(PortChangeKind.Registered);
        await daemon.StillServesAsync(entry);
    }

    [NeedsFact("gluster")]
    public async Task Connection_OfAnUnknownProcess_ThatEnds_LeavesNothing()
    {
        await using GlusterDaemon daemon = await StartAsync(grace: TimeSpan.FromSeconds(1));

        (await daemon.CallAsync(SignIn, Brick, PortBlock.TakeOne(), last: 0)).Should().Equal(RawCall.Words(0, 0), "who it is cannot be told");

        await daemon.UntilAsync(bound => bound.IsEmpty);
        (await daemon.Brick2PortAsync(Brick)).Should().Be((string.Empty, 1));
    }

    private static async Task<GlusterDaemon> StartAsync(TimeSpan? grace = null)
    {
        GlusterDaemon daemon = await GlusterDaemon.StartAsync(grace);
        daemon.AddVolfile("b1", Volfile.Bricks(daemon.Address, Brick));
        return daemon;
    }
}
