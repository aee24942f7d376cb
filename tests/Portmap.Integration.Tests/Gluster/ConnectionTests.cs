using Portmap.TestKit.Processes;

namespace Portmap.Integration.Tests.Gluster;

/// <summary>Connections that come twice or are gone: in glusterd's map the one doubles a brick, the
/// other may leave it there for ever.</summary>
public sealed class ConnectionTests
{
    private const string Brick = "/bricks/b1";
    private const uint SignIn = 4;

    [NeedsRootFact("glusterfsd", Also = ["gluster"])]
    public async Task Brick_SignedInTwiceOverTwoConnections_NeedsOneSignOut()
    {
        await using GlusterDaemon daemon = await StartAsync();
        (ChildProcess brick, PortEntry entry) = await daemon.StartBrickAsync("b1", Brick, PortBlock.TakeOne());

        // The brick's end only: it connects again after 3 s and signs in a second time, while the
        // daemon still has the first connection.
        (await daemon.ChangeAsync(Brick, () => BrickConnection.Cut(brick.Id, daemon.TcpEndPoint, daemonToo: false))).Should().Be(PortChangeKind.Registered, "by itself, over another connection: the claim goes on, which is no end");
        await daemon.StillServesAsync(entry);

        await daemon.TerminateAsync(Brick, brick);
        (await daemon.BoundAsync()).Should().BeEmpty();
        (await daemon.Brick2PortAsync(Brick)).Should().Be((string.Empty, 1));
    }

    [NeedsRootFact("glusterfsd", Also = ["gluster"])]
    public async Task Connection_GoneForLongerThanTheGrace_LeavesNothingUntilTheBrickComesBack()
    {
        await using GlusterDaemon daemon = await StartAsync(grace: TimeSpan.FromSeconds(1));
        (ChildProcess brick, PortEntry entry) = await daemon.StartBrickAsync("b1", Brick, PortBlock.TakeOne());

        brick.Send(Signal.Stop); // it lives and cannot connect again
        (await daemon.ChangeAsync(Brick, () => BrickConnection.Cut(brick.Id, daemon.TcpEndPoint, daemonToo: true))).Should().Be(PortChangeKind.Disconnected);
        (await daemon.BoundAsync()).Should().BeEmpty();
        (await daemon.Brick2PortAsync(Brick)).Should().Be((string.Empty, 1));

        (await daemon.ChangeAsync(Brick, () => brick.Send(Signal.Continue))).Should().Be(PortChangeKind.Registered);
        await daemon.StillServesAsync(entry);
    }

    [NeedsFact("glusterfsd", Also = ["gluster"])]
    public async Task Brick_BehindAForwarder_IsOfAnUnknownProcessAndServedAsLongAsItsConnectionLasts()
    {
        await using GlusterDaemon daemon = await StartAsync(grace: TimeSpan.FromSeconds(1));
        await using Forwarder forwarder = new(daemon.Address, PortBlock.TakeOne());
        ChildProcess brick = daemon.StartBrick("b1", Brick, PortBlock.TakeOne(), daemonPort: forwarder.Port);
        PortEntry entry = (await daemon.UntilAsync(bound => bound.Any(one => one.Owner == Brick))).Single();
        entry.ProcessId.Should().BeNull("the connection is the forwarder's, whatever the brick says");
        await daemon.StillServesAsync(entry);

        brick.Send(Signal.Stop); // else it signs in again at once
        (await daemon.ChangeAsync(Brick, () => forwarder.Cut(daemonToo: true))).Should().Be(PortChangeKind.Disconnected);

        (await daemon.Brick2PortAsync(Brick)).Should().Be((string.Empty, 1));
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
