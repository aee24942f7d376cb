using Portmap.Persistence;
using Portmap.Tests.Support;

namespace Portmap.Tests.Persistence;

public sealed class RememberedPortsTests
{
    /// <summary>Two owners had one port, or one owner had two.</summary>
    [Theory]
    [InlineData("b", 20_000, false)]
    [InlineData("b", 20_000, true)]
    [InlineData("a", 20_001, false)]
    [InlineData("a", 20_001, true)]
    public void Of_TwoFactsThatCannotBothStand_KeepsTheLater(string owner, int port, bool isLaterFirst)
    {
        PortFact earlier = Had("a", 20_000, epoch: 5), later = Had(owner, port, epoch: 6);

        IReadOnlyCollection<PortFact> remembered = RememberedPorts.Of(isLaterFirst ? [later, earlier] : [earlier, later], hasSeveral: owner == "a");

        remembered.Should().Equal(later);
    }

    /// <summary>Whoever had the port before is its last owner still, and whoever was to have it had
    /// another one before.</summary>
    [Theory]
    [InlineData("fails")]
    [InlineData("fails and is on disk all the same")]
    [InlineData("is withdrawn at the end")]
    public async Task AcquireAsync_CameToNothingOnThePortOfAnother_BothKnowTheirsAfterARestart(string how)
    {
        await using StoreScene scene = await StoreScene.OpenAsync(options => options.ReuseDelay = TimeSpan.Zero);
        await HadAsync(scene, "a", 20_003);
        await HadAsync(scene, "b", 20_004);
        PortRequest wanted = new("b") { Previous = 20_003, Reuse = PortReuse.Require };
        if (how == "is withdrawn at the end")
        {
            scene.Store.Hold();
            Task acquiring = scene.Registry.AcquireAsync(wanted).AsTask();
            await scene.Store.ArrivedAsync().Within();
            Task disposing = scene.Registry.DisposeAsync().AsTask();
            scene.Store.Release();
            await disposing.Within();
            await FluentActions.Awaiting(() => acquiring.Within()).Should().ThrowAsync<ObjectDisposedException>();
        }
        else
        {
            scene.Store.Fail(writesAllTheSame: how != "fails");
            (await scene.Registry.AcquireAsync(wanted).RefusalAsync()).Reason.Should().Be(PortRefusalReason.StoreFailed);
            scene.Store.Heal();
            await scene.Registry.FlushAsync().Within();
        }

        await scene.KillAndOpenAsync();

        await LastIsAsync(scene, "a", 20_003);
        await LastIsAsync(scene, "b", 20_004);
    }

    [Fact]
    public async Task RegisterAsync_CameToNothing_ThePortBeforeIsKnownAfterARestart()
    {
        await using StoreScene scene = await StoreScene.OpenAsync(options => options.ReuseDelay = TimeSpan.Zero);
        await HadAsync(scene, "a", 20_003);
        scene.Store.Fail(writesAllTheSame: true);
        (await scene.Here.RegisterAsync(new PortClaimRequest("a", 20_005)).RefusalAsync()).Reason.Should().Be(PortRefusalReason.StoreFailed);
        scene.Store.Heal();
        await scene.Registry.FlushAsync().Within();

        await scene.KillAndOpenAsync();

        scene.StateOf(20_005).Should().Be(PortState.Free);
        await LastIsAsync(scene, "a", 20_003);
    }

    [Fact]
    public async Task AcquireAsync_CameToNothingOnItsOwnLastPort_ThatIsKnownAfterARestart()
    {
        await using StoreScene scene = await StoreScene.OpenAsync(options => options.ReuseDelay = TimeSpan.Zero);
        await HadAsync(scene, "a", 20_003);
        scene.Store.Fail();
        (await scene.Registry.AcquireAsync(new PortRequest("a") { Reuse = PortReuse.Require }).RefusalAsync()).Reason.Should().Be(PortRefusalReason.StoreFailed);
        scene.Store.Heal();
        await scene.Registry.FlushAsync().Within();

        await scene.KillAndOpenAsync();

        await LastIsAsync(scene, "a", 20_003);
    }

    [Fact]
    public async Task AcquireAsync_CameToNothingOnAPortThatCools_ItCoolsAfterARestart()
    {
        await using StoreScene scene = await StoreScene.OpenAsync(options => (options.Ports, options.ReuseDelay, options.ReuseCooling) = ("20003", TimeSpan.FromSeconds(20), true));
        await HadAsync(scene, "a", 20_003);
        scene.Store.Fail();
        (await scene.Registry.AcquireAsync("b").RefusalAsync()).Reason.Should().Be(PortRefusalReason.StoreFailed);
        scene.Store.Heal();
        await scene.Registry.FlushAsync().Within();

        await scene.KillAndOpenAsync();

        scene.StateOf(20_003).Should().Be(PortState.Cooling);
        scene.Clock.Advance(TimeSpan.FromSeconds(60));
        await LastIsAsync(scene, "a", 20_003);
    }

    private static async Task HadAsync(StoreScene scene, string owner, int port)
    {
        await scene.RegisterAsync(owner, port);
        await scene.Here.ReleaseAsync(owner).AsTask().Within();
    }

    private static async Task LastIsAsync(StoreScene scene, string owner, int port)
    {
        PortLease lease = await scene.AcquireAsync(new PortRequest(owner) { Reuse = PortReuse.Prefer });
        lease.Port.Should().Be(port, "it was the last one of {0}", owner);
        await lease.ReleaseAsync().AsTask().Within();
    }

    private static PortFact Had(string owner, int port, long epoch) => new() { Owner = owner, Port = port, Epoch = epoch, State = PortState.Cooling, Until = DateTimeOffset.FromUnixTimeSeconds(1_790_000_000) };
}
