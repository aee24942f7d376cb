using Portmap.TestKit.Processes;

namespace Portmap.Integration.Tests.Gluster;

/// <summary>What removes or hijacks a live brick in glusterd's map, with the same unmodified
/// programs, touches nothing here.</summary>
public sealed class StrangerTests
{
    private const string Brick = "/bricks/b1";
    private const uint SignIn = 4;
    private const uint SignOut = 5;
    private const uint Minus = uint.MaxValue;
    private const uint NotPermitted = 1;
    private const uint AddressInUse = 98;

    [NeedsFact("glusterfsd", Also = ["gluster"])]
    public async Task SignOut_OfALiveBrickByAStranger_IsRefusedAndTheBrickStays()
    {
        await using GlusterDaemon daemon = await StartAsync();
        (_, PortEntry entry) = await daemon.StartBrickAsync("b1", Brick, PortBlock.TakeOne());

        (await daemon.CallAsync(SignOut, Brick, entry.Port, last: 0)).Should().Equal(RawCall.Words(Minus, NotPermitted));

        await daemon.StillServesAsync(entry);
    }

    [NeedsFact("glusterfsd", Also = ["gluster"])]
    public async Task SignIn_OfALiveBrickOrItsPortByAStranger_IsRefusedAndTheBrickStays()
    {
        await using GlusterDaemon daemon = await StartAsync();
        (_, PortEntry entry) = await daemon.StartBrickAsync("b1", Brick, PortBlock.TakeOne());

        (await daemon.CallAsync(SignIn, Brick, PortBlock.TakeOne(), Environment.ProcessId)).Should().Equal(RawCall.Words(Minus, AddressInUse));
        (await daemon.CallAsync(SignIn, Brick, PortBlock.TakeOne(), last: 0)).Should().Equal(RawCall.Words(Minus, AddressInUse), "a stranger without a pid is one as well");
        (await daemon.CallAsync(SignIn, "/bricks/other", entry.Port, Environment.ProcessId)).Should().Equal(RawCall.Words(Minus, AddressInUse));

        await daemon.StillServesAsync(entry);
    }

    [NeedsFact("glusterfsd", Also = ["gluster"])]
    public async Task Brick_StartedTwiceOnOnePort_TheSecondEndsAndItsSignOutTouchesNothing()
    {
        await using GlusterDaemon daemon = await StartAsync();
        (_, PortEntry entry) = await daemon.StartBrickAsync("b1", Brick, PortBlock.TakeOne());

        (await daemon.StartBrick("b1", Brick, entry.Port).ExitAsync()).Should().NotBe(0, "the port is busy; it sends a sign-out without ever a sign-in");

        await daemon.StillServesAsync(entry);
    }

    [NeedsFact("glusterfsd", Also = ["gluster"])]
    public async Task Brick_StartedTwiceOnTwoPorts_TheFirstIsFoundWhileTheSecondRunsAndAfterIt()
    {
        await using GlusterDaemon daemon = await StartAsync();
        (_, PortEntry entry) = await daemon.StartBrickAsync("b1", Brick, PortBlock.TakeOne());
        await using Forwarder forwarder = new(daemon.Address, PortBlock.TakeOne());

        ChildProcess second = daemon.StartBrick("b1", Brick, PortBlock.TakeOne(), daemonPort: forwarder.Port);
        await forwarder.AnswerAsync(); // its volfile
        (await forwarder.AnswerAsync()).Should().Equal(RawCall.Words(Minus, AddressInUse), "its sign-in is refused");
        await daemon.StillServesAsync(entry);

        second.Send(Signal.Terminate);
        await second.ExitAsync();
        await daemon.StillServesAsync(entry);
    }

    private static async Task<GlusterDaemon> StartAsync()
    {
        GlusterDaemon daemon = await GlusterDaemon.StartAsync();
        daemon.AddVolfile("b1", Volfile.Bricks(daemon.Address, Brick));
        return daemon;
    }
}
