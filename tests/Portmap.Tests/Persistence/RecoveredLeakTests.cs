using Portmap.Tests.Support;

namespace Portmap.Tests.Persistence;

/// <summary>What an earlier run left: entries whose process lives and may or may not still
/// listen.</summary>
public sealed class RecoveredLeakTests
{
    [Fact]
    public async Task Reconcile_RecoveredAndNobodyListens_EndsAtTheThirdSighting()
    {
        await using StoreScene scene = await OpenAsync(out int port);
        await scene.RegisterAsync("b1", port, session: scene.Registry.OpenSession(scene.StartChild().Id));
        await scene.KillAndOpenAsync();

        scene.Registry.Reconcile();
        scene.Registry.Reconcile();
        scene.StateOf(port).Should().Be(PortState.Recovered, "twice is not enough");
        scene.Registry.Reconcile();

        scene.StateOf(port).Should().NotBe(PortState.Recovered);
    }

    [Fact]
    public async Task Reconcile_RecoveredAndItsPortIsListenedOn_WaitsOn()
    {
        await using StoreScene scene = await OpenAsync(out int port);
        using Stranger socket = Stranger.Listening(port);
        await scene.RegisterAsync("b1", port, session: scene.Registry.OpenSession(scene.StartChild().Id));
        await scene.KillAndOpenAsync();

        for (int i = 0; i < 4; i++)
        {
            scene.Registry.Reconcile();
        }

        scene.StateOf(port).Should().Be(PortState.Recovered);
    }

    private static Task<StoreScene> OpenAsync(out int port)
    {
        PortRange range = PortBlock.Take(2);
        port = range.First;
        return StoreScene.OpenAsync(options => (options.Probe, options.Ports) = (true, range.ToString()));
    }
}
