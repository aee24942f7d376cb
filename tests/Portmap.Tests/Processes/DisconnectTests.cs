using Portmap.Tests.Support;

namespace Portmap.Tests.Processes;

/// <summary>A session ends: its process is looked at at once, and after 10, 50 and 250 ms; a living
/// one is served for the grace period.</summary>
public class DisconnectTests
{
    private static readonly TimeSpan s_grace = TimeSpan.FromSeconds(10);

    [Fact]
    public async Task Dispose_ProcessLives_IsServedForTheGraceAndThenEnds()
    {
        await using Scene scene = MakeScene();
        PortSession session = scene.SessionOf(scene.StartChild());
        session.Register("b1", Scene.First);

        await session.DisposeAsync();
        scene.PortOf("b1").Should().Be(Scene.First);
        scene.Clock.Advance(s_grace - TimeSpan.FromMilliseconds(500));
        scene.PortOf("b1").Should().Be(Scene.First);

        await using WatchReader watch = WatchReader.FromNow(scene.Registry);
        scene.Clock.Advance(TimeSpan.FromSeconds(1));
        await Eventually.TrueAsync(() => scene.PortOf("b1") == 0);
        (await watch.NextAsync(PortChangeKind.Disconnected)).Entry.Owner.Should().Be("b1");
        scene.StateOf(Scene.First).Should().Be(PortState.Cooling);
    }

    [Fact]
    public async Task Dispose_ProcessIsDead_EndsAtOnce()
    {
        await using Scene scene = MakeScene();
        Child child = scene.StartChild();
        PortSession session = scene.SessionOf(child);
        session.Register("b1", Scene.First);
        await using WatchReader watch = WatchReader.FromNow(scene.Registry);
        child.Kill();

        await session.DisposeAsync();

        await Eventually.TrueAsync(() => scene.PortOf("b1") == 0);
        (await watch.NextAsync(PortChangeKind.Died)).Entry.Owner.Should().Be("b1");
        scene.StateOf(Scene.First).Should().Be(PortState.Cooling);
    }

    [Theory]
    [InlineData("a release of its owner")]
    [InlineData("a registration on its port")]
    [InlineData("a registration of its own")]
    public async Task Dispose_SomebodysCallFoundItsProcessDead_EndsAllThatIsLeft(string call)
    {
        await using Scene scene = MakeScene();
        Child child = scene.StartChild();
        PortSession session = scene.SessionOf(child);
        session.Register("b1", Scene.First);
        session.Register("b2", Scene.First + 1);
        child.Kill();
        switch (call)
        {
            case "a release of its owner":
                scene.Here.Release("b1");
                break;
            case "a registration on its port":
                scene.Here.Register("b3", Scene.First);
                break;
            default:
                scene.Clock.Advance(TimeSpan.FromMilliseconds(300));   // it is believed to live for 250 ms, and no pass comes by
                session.RegisterRefused("b3", Scene.First + 2).Reason.Should().Be(PortRefusalReason.ProcessDead);
                break;
        }

        await session.DisposeAsync();

        scene.Registry.Parts.Table.FindServed(PortProtocol.Tcp, "b1").IsNone.Should().BeTrue();
        scene.Registry.Parts.Table.FindServed(PortProtocol.Tcp, "b2").IsNone.Should().BeTrue("its port cools from now on, and not from the next pass");
    }

    [Theory]
    [InlineData(0, 10)]
    [InlineData(10, 50)]
    [InlineData(50, 250)]
    public async Task Dispose_ProcessDiesBetweenTwoLooks_EndsAtTheSecond(int diesAfterMs, int seenAfterMs)
    {
        // The kernel closes sockets before the process shows as dead.
        await using Scene scene = MakeScene();
        Child child = scene.StartChild();
        PortSession session = scene.SessionOf(child);
        session.Register("b1", Scene.First);
        await session.DisposeAsync();
        scene.Clock.Advance(TimeSpan.FromMilliseconds(diesAfterMs));
        scene.PortOf("b1").Should().Be(Scene.First);
        child.Kill();

        scene.Clock.Advance(TimeSpan.FromMilliseconds(seenAfterMs - diesAfterMs));

        await Eventually.TrueAsync(() => scene.PortOf("b1") == 0);
        scene.StateOf(Scene.First).Should().Be(PortState.Cooling);
    }

    [Fact]
    public async Task Dispose_ProcessSignsInAgainWithinTheGrace_GoesOn()
    {
        await using Scene scene = MakeScene();
        Child child = scene.StartChild();
        PortSession first = scene.SessionOf(child);
        PortEntry before = first.Register("b1", Scene.First);
        await first.DisposeAsync();
        scene.Clock.Advance(TimeSpan.FromSeconds(5));

        scene.SessionOf(child).Register("b1", Scene.First, before.Epoch).Epoch.Should().Be(before.Epoch);

        scene.Clock.Advance(TimeSpan.FromMinutes(5));
        scene.PortOf("b1").Should().Be(Scene.First);
    }

    [Fact]
    public async Task Dispose_OldSessionAfterSigningInOverANewOne_EndsNothing()
    {
        await using Scene scene = MakeScene();
        Child child = scene.StartChild();
        PortSession first = scene.SessionOf(child), second = scene.SessionOf(child);
        first.Register("b1", Scene.First);
        second.Register("b1", Scene.First);

        await first.DisposeAsync();
        scene.Clock.Advance(TimeSpan.FromMinutes(1));

        scene.PortOf("b1").Should().Be(Scene.First);
    }

    [Fact]
    public async Task Dispose_OneOfTwoSessionsOfAProcess_EndsOnlyItsOwn()
    {
        await using Scene scene = MakeScene();
        Child child = scene.StartChild();
        PortSession first = scene.SessionOf(child), second = scene.SessionOf(child);
        first.Register("b1", Scene.First);
        second.Register("b2", Scene.First);

        await first.DisposeAsync();
        scene.Clock.Advance(TimeSpan.FromSeconds(11));

        await Eventually.TrueAsync(() => scene.PortOf("b1") == 0);
        scene.OwnersOn(Scene.First).Should().Equal("b2");
    }

    [Fact]
    public async Task Dispose_GraceZero_EndsAtOnce()
    {
        await using Scene scene = new(configure: options => options.DisconnectGrace = TimeSpan.Zero);
        PortSession session = scene.SessionOf(scene.StartChild());
        session.Register("b1", Scene.First);

        await session.DisposeAsync();

        scene.Clock.Advance(TimeSpan.FromMilliseconds(1));
        await Eventually.TrueAsync(() => scene.PortOf("b1") == 0);
    }

    [Fact]
    public async Task Dispose_UnknownProcess_StopsLookupsAndKeepsThePortForItsOwner()
    {
        await using Scene scene = MakeScene(ports: "20000");
        PortSession session = scene.Registry.OpenSession(null);
        session.Register("b1", Scene.First);
        scene.PortOf("b1").Should().Be(Scene.First);

        await session.DisposeAsync();

        scene.PortOf("b1").Should().Be(0);
        scene.AcquireRefused("b2").ShouldExplain(PortRefusalReason.Exhausted);
        scene.Registry.OpenSession(null).RegisterRefused("b2", Scene.First).ShouldExplain(PortRefusalReason.Conflict, Scene.First);
    }

    [Fact]
    public async Task Dispose_UnknownProcessSignsInAgain_IsServedAgain()
    {
        await using Scene scene = MakeScene();
        PortSession first = scene.Registry.OpenSession(null);
        first.Register("b1", Scene.First);
        await first.DisposeAsync();
        scene.Clock.Advance(TimeSpan.FromSeconds(5));

        scene.Registry.OpenSession(null).Register("b1", Scene.First);

        scene.PortOf("b1").Should().Be(Scene.First);
        scene.Clock.Advance(TimeSpan.FromMinutes(1));
        scene.PortOf("b1").Should().Be(Scene.First);
    }

    [Fact]
    public async Task Dispose_UnknownProcessStaysAway_EndsAfterTheGrace()
    {
        await using Scene scene = MakeScene();
        PortSession session = scene.Registry.OpenSession(null);
        session.Register("b1", Scene.First);
        await session.DisposeAsync();

        scene.Clock.Advance(s_grace + TimeSpan.FromSeconds(1));

        await Eventually.TrueAsync(() => scene.StateOf(Scene.First) == PortState.Cooling);
        scene.Registry.TryGetEntry("b1", out _).Should().BeFalse();
    }

    // The liveness pass is kept out of the way: what ends here ends by the disconnect rules.
    private static Scene MakeScene(string ports = Scene.TenPorts) => new(ports, options => options.LivenessInterval = TimeSpan.FromHours(1));
}
