using Portmap.Processes;
using Portmap.Tests.Support;

namespace Portmap.Tests.Processes;

/// <summary>A session that is opened while this process has no descriptor left to look at the other
/// one.</summary>
[Collection(AloneCollection.Name)]
public class SessionWithoutDescriptorsTests
{
    private static readonly TimeSpan s_pass = TimeSpan.FromSeconds(1);

    [Fact]
    public async Task Kill_WhileNobodyHasLookedAgain_IsSeenByTheNextPass()
    {
        await using Scene scene = new();
        Child child = scene.StartChild();
        PortSession session = Opened(scene, child);
        session.Register("b1", 20000);

        child.Kill();
        scene.Clock.Advance(2 * s_pass);

        scene.PortOf("b1").Should().Be(0);
        session.Holder.IsOver.Should().BeTrue();
    }

    [Fact]
    public async Task Kill_WhileThereAreNoDescriptorsStill_IsSeenByTheNumber()
    {
        await using Scene scene = new();
        Child child = scene.StartChild();
        PortSession session = Opened(scene, child);

        bool lived = IsAlive(session);
        child.Kill();

        bool lives = IsAlive(session);

        (lived, lives).Should().Be((true, false), "no number, no process");
    }

    [Fact]
    public async Task Pass_ThereAreDescriptorsAgain_KnowsTheProcess()
    {
        await using Scene scene = new();
        Child child = scene.StartChild();
        PortSession session = Opened(scene, child);
        session.Register("b1", 20000);
        session.Holder.Process.IsKnown.Should().BeFalse();

        scene.Clock.Advance(2 * s_pass);

        session.Holder.Process.IsKnown.Should().BeTrue();
        session.Holder.Watched.NeedsLook.Should().BeFalse("its death is told");
        scene.SessionOf(child).Register("b2", 20000).Port.Should().Be(20000, "it is the same process");
        scene.OwnersOn(20000).Should().Equal("b1", "b2");
    }

    [Fact]
    public async Task Dispose_ProcessLives_IsServedForTheGrace()
    {
        await using Scene scene = new();
        Child child = scene.StartChild();
        PortSession session = Opened(scene, child);
        session.Register("b1", 20000);

        await session.DisposeAsync();

        scene.PortOf("b1").Should().Be(20000);
        scene.Clock.Advance(scene.Options.DisconnectGrace + s_pass);
        scene.PortOf("b1").Should().Be(0);
    }

    [Fact]
    public async Task OpenSession_OfAProcess_KnowsItsUser()
    {
        await using Scene scene = new();

        PortSession session = Opened(scene, scene.StartChild());

        session.Holder.UserId.Should().Be(ProcessUser.Own).And.NotBeNull("that takes no descriptor");
    }

    [Fact]
    public async Task OpenSession_OfThisProcess_KnowsIt()
    {
        await using Scene scene = new();
        PortSession session;
        using (FewDescriptors few = new(more: 8))
        {
            few.TakeAll();
            session = scene.Registry.OpenSession(Environment.ProcessId);
        }

        session.Holder.Process.Should().Be(scene.Here.Holder.Process);
    }

    private static PortSession Opened(Scene scene, Child child)
    {
        Child first = scene.StartChild();
        PortSession session = scene.SessionOf(first);
        first.Kill();
        session.Holder.CheckAlive().Should().BeFalse("all code is loaded then");
        using FewDescriptors few = new(more: 8);
        few.TakeAll();
        return scene.SessionOf(child);
    }

    private static bool IsAlive(PortSession session)
    {
        using FewDescriptors few = new(more: 8);
        few.TakeAll();
        return session.Holder.CheckAlive();
    }
}
