using Portmap.Tests.Support;

namespace Portmap.Tests;

/// <summary>Release: only the owner signs out, and doing it twice does no harm.</summary>
public class PortSessionReleaseTests
{
    [Fact]
    public async Task Release_OwnEntry_StopsLookupsAtOnce()
    {
        await using Scene scene = new();
        scene.Here.Register("b1", Scene.First);

        await scene.Here.ReleaseAsync(new PortClaimRequest("b1", Scene.First)).Within();

        scene.PortOf("b1").Should().Be(0);
        scene.Registry.TryGetEntry("b1", out _).Should().BeFalse();
        scene.OwnersOn(Scene.First).Should().BeEmpty();
        scene.StateOf(Scene.First).Should().Be(PortState.Cooling);
    }

    [Fact]
    public async Task Release_TwiceOrUnknownOwner_IsNoError()
    {
        await using Scene scene = new();
        scene.Here.Register("b1", Scene.First);

        scene.Here.Release("b1");
        scene.Here.Release("b1");
        scene.Here.Release("never seen");
        await scene.Here.ReleaseAsync(new PortClaimRequest("b1", Scene.First)).Within();

        scene.StateOf(Scene.First).Should().Be(PortState.Cooling);
    }

    [Fact]
    public async Task Release_AnotherSessionOfTheSameProcess_MaySignOut()
    {
        await using Scene scene = new();
        scene.Here.Register("b1", Scene.First);

        scene.Registry.OpenSession(Environment.ProcessId).Release("b1");

        scene.PortOf("b1").Should().Be(0);
    }

    [Fact]
    public async Task Release_Stranger_IsNotOwnerWhileTheProcessLives()
    {
        // A stranger's SIGNOUT removed a live brick in glusterd.
        await using Scene scene = new();
        Child holder = scene.StartChild();
        scene.SessionOf(holder).Register("b1", Scene.First);

        PortRefusal refusal = scene.Here.ReleaseRefused("b1").ShouldExplain(PortRefusalReason.NotOwner, "b1", holder.Id);

        refusal.Message.Should().Contain($"Only a request that carries its epoch, {refusal.HolderEpoch}, may sign it out");
        refusal.HolderProcessId.Should().Be(holder.Id);
        (await scene.Here.ReleaseAsync(new PortClaimRequest("b1", Scene.First)).RefusalAsync()).Reason.Should().Be(PortRefusalReason.NotOwner);
        scene.PortOf("b1").Should().Be(Scene.First);
    }

    [Fact]
    public async Task Release_StrangerOfADeadProcess_IsAccepted()
    {
        await using Scene scene = new(configure: options => options.LivenessInterval = TimeSpan.FromHours(1));
        Child holder = scene.StartChild();
        scene.SessionOf(holder).Register("b1", Scene.First);
        holder.Kill();

        scene.Here.Release("b1");

        scene.PortOf("b1").Should().Be(0);
        scene.StateOf(Scene.First).Should().Be(PortState.Cooling);
    }

    [Fact]
    public async Task Release_UnknownProcesses_AreStrangersToEachOther()
    {
        await using Scene scene = new();
        PortSession session = scene.Registry.OpenSession(null);
        session.Register("b1", Scene.First);

        scene.Registry.OpenSession(null).ReleaseRefused("b1").ShouldExplain(PortRefusalReason.NotOwner, "b1");
        session.Release("b1");

        scene.PortOf("b1").Should().Be(0);
    }

    [Fact]
    public async Task Release_AnotherPortThanTheOwners_LeavesTheEntry()
    {
        await using Scene scene = new();
        scene.Here.Register("b1", Scene.First);

        scene.Here.TryRelease(new PortClaimRequest("b1", 20001), out _);

        scene.PortOf("b1").Should().Be(Scene.First);
    }

    [Fact]
    public async Task Release_OpenLeaseByAStranger_LeavesTheLease()
    {
        await using Scene scene = new();
        PortLease lease = scene.Acquire("b1");

        scene.SessionOf(scene.StartChild()).ReleaseRefused("b1")
            .ShouldExplain(PortRefusalReason.NotOwner, $"Only a request that carries its epoch, {lease.Epoch}, may end it.");

        scene.StateOf(lease.Port).Should().Be(PortState.Reserved, "a sign-out without epoch is of a registration, and there is none");
    }

    [Fact]
    public async Task Release_SessionHasEnded_IsStillOfTheSameProcess()
    {
        await using Scene scene = new();
        PortSession session = scene.Registry.OpenSession(Environment.ProcessId);
        session.Register("b1", Scene.First);
        await session.DisposeAsync();

        session.Release("b1");

        scene.PortOf("b1").Should().Be(0);
    }
}
