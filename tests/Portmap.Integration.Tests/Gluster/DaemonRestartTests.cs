using Portmap.TestKit.Processes;

namespace Portmap.Integration.Tests.Gluster;

/// <summary>The daemon ends under bricks that go on: they come back by themselves, about 3 s
/// later.</summary>
public sealed class DaemonRestartTests
{
    [NeedsFact("glusterfsd", Also = ["gluster"])]
    public async Task Bricks_WhoseDaemonWasKilledAndStartedAgain_SignInAgainWithTheirPorts()
    {
        await using GlusterDaemon daemon = await GlusterDaemon.StartAsync();
        PortRange ports = PortBlock.Take(2);
        daemon.AddVolfile("b0", Volfile.Bricks(daemon.Address, "/bricks/b0"));
        daemon.AddVolfile("both", Volfile.Bricks(daemon.Address, "/bricks/b1", "/bricks/b2"));
        await daemon.StartBrickAsync("b0", "/bricks/b0", ports.First);
        (ChildProcess both, _) = await daemon.StartBrickAsync("both", "/bricks/b1", ports.Last);
        List<(string, int, int)> before = Facts(await daemon.UntilAsync(bound => bound.Length == 3));

        await daemon.RestartAsync();

        Facts(await daemon.UntilAsync(bound => bound.Length == 3)).Should().Equal(before);
        (await daemon.Brick2PortAsync("/bricks/b2", overTcp: true)).Should().Be(($"{ports.Last}", 0));
        both.Send(Signal.Terminate);
        await daemon.UntilAsync(bound => bound is [{ Owner: "/bricks/b0" }]);
    }

    private static List<(string Owner, int Port, int ProcessId)> Facts(IEnumerable<PortEntry> entries) =>
        [.. entries.Select(entry => (entry.Owner, entry.Port, entry.ProcessId ?? 0)).Order()];
}
