using System.Net;
using System.Net.Sockets;
using Portmap.TestKit.Processes;

namespace Portmap.Integration.Tests.Gluster;

/// <summary>The unmodified <c>glusterfsd</c> signs its bricks in and out.</summary>
public sealed class BrickTests
{
    private const string B1 = "/bricks/b1";
    private const string B2 = "/bricks/b2";

    [NeedsFact("glusterfsd", Also = ["gluster"])]
    public async Task Brick_Started_IsFoundUntilItIsTerminated()
    {
        await using GlusterDaemon daemon = await StartAsync();
        int port = PortBlock.TakeOne();

        (ChildProcess brick, PortEntry entry) = await daemon.StartBrickAsync("b1", B1, port);
        (entry.Port, entry.ProcessId, entry.OwnerCount).Should().Be((port, brick.Id, 1));
        (await daemon.Brick2PortAsync(B1)).Should().Be(($"{port}", 0));

        await daemon.TerminateAsync(B1, brick);
        (await daemon.Brick2PortAsync(B1, overTcp: true)).Should().Be((string.Empty, 1));
        (await daemon.BoundAsync()).Should().BeEmpty();
    }

    [NeedsFact("glusterfsd")]
    public async Task Bricks_TwoStartedAtOnce_AreFoundEachOnItsPort()
    {
        await using GlusterDaemon daemon = await StartAsync();
        PortRange ports = PortBlock.Take(2);

        (ChildProcess Brick, PortEntry Entry)[] started = await Task.WhenAll(
            daemon.StartBrickAsync("b1", B1, ports.First), daemon.StartBrickAsync("b2", B2, ports.Last));
        started.Select(one => (one.Entry.Owner, one.Entry.Port, one.Entry.ProcessId))
            .Should().Equal((B1, ports.First, started[0].Brick.Id), (B2, ports.Last, started[1].Brick.Id));

        started[0].Brick.Send(Signal.Terminate);
        (await daemon.UntilAsync(bound => bound.Length == 1)).Single().Should().Be(started[1].Entry, "only the one that ended is signed out");
    }

    [NeedsFact("glusterfsd")]
    public async Task Bricks_TwoInOneProcess_ShareItsPortAndAreSignedOutTogether()
    {
        await using GlusterDaemon daemon = await StartAsync();
        int port = PortBlock.TakeOne();

        ChildProcess process = daemon.StartBrick("both", B1, port);
        (await daemon.UntilAsync(bound => bound.Length == 2)).Select(entry => (entry.Owner, entry.Port, entry.ProcessId, entry.OwnerCount))
            .Should().BeEquivalentTo([(B1, port, process.Id, 2), (B2, port, process.Id, 2)]);

        await daemon.TerminateAsync(B1, process);
        await daemon.UntilAsync(bound => bound.IsEmpty);
    }

    [NeedsFact("glusterfsd", Also = ["gluster"])]
    public async Task Brick_WithTwoPorts_IsFoundUnderBothNamesUntilItsOneSignOut()
    {
        await using GlusterDaemon daemon = await StartAsync();
        PortRange ports = PortBlock.Take(2);

        (ChildProcess brick, _) = await daemon.StartBrickAsync("b1", B1, ports.First, rdmaPort: ports.Last);
        (await daemon.Brick2PortAsync(B1)).Should().Be(($"{ports.First}", 0));
        (await daemon.Brick2PortAsync($"{B1}.rdma")).Should().Be(($"{ports.Last}", 0));
        (await daemon.BoundAsync()).Should().OnlyContain(entry => entry.ProcessId == brick.Id, "the second sign-in has pid 0 and is the same process all the same");

        await daemon.TerminateAsync($"{B1}.rdma", brick);
        (await daemon.BoundAsync()).Should().BeEmpty();
    }

    [NeedsFact("glusterfsd")]
    public async Task Brick_OnAPortThatAStrangerHas_EndsAndLeavesNothing()
    {
        await using GlusterDaemon daemon = await StartAsync();
        int port = PortBlock.TakeOne();
        using Socket stranger = new(SocketType.Stream, ProtocolType.Tcp);
        stranger.Bind(new IPEndPoint(daemon.Address, port));
        stranger.Listen();

        (await daemon.StartBrick("b1", B1, port).ExitAsync()).Should().NotBe(0);

        (await daemon.BoundAsync()).Should().BeEmpty();
    }

    [NeedsFact("glusterfsd", Also = ["gluster"])]
    public async Task Bricks_KilledWithoutWarning_AreGoneAndCanBeStartedAgain()
    {
        await using GlusterDaemon daemon = await StartAsync();
        PortRange ports = PortBlock.Take(2);
        ChildProcess process = daemon.StartBrick("both", B1, ports.First);
        await daemon.UntilAsync(bound => bound.Length == 2);

        (await daemon.ChangeAsync(B2, process.Kill)).Should().Be(PortChangeKind.Died);
        await daemon.UntilAsync(bound => bound.IsEmpty);
        (await daemon.Brick2PortAsync(B2)).Should().Be((string.Empty, 1));

        (_, PortEntry again) = await daemon.StartBrickAsync("b2", B2, ports.Last);
        again.Port.Should().Be(ports.Last);
    }

    private static async Task<GlusterDaemon> StartAsync()
    {
        GlusterDaemon daemon = await GlusterDaemon.StartAsync();
        daemon.AddVolfile("b1", Volfile.Bricks(daemon.Address, B1));
        daemon.AddVolfile("b2", Volfile.Bricks(daemon.Address, B2));
        daemon.AddVolfile("both", Volfile.Bricks(daemon.Address, B1, B2));
        return daemon;
    }
}
