using Portmap.Processes;
using Portmap.Tests.Support;

namespace Portmap.Tests.Processes;

/// <summary>A death is told by the kernel: no pass helps here, the interval between two is an
/// hour.</summary>
public sealed class DeathWatchTests
{
    [Fact]
    public async Task Kill_SessionStaysConnected_EndsItsEntriesAndTheSession()
    {
        // A child of the dead process may hold the connection open.
        using PortRegistry registry = Make();
        using Child child = Child.Start();
        PortSession session = registry.OpenSession(child.Id);
        int port = PortBlock.TakeOne();
        session.Register("b1", port);
        session.Register("b2", port);
        session.Ended.IsCompleted.Should().BeFalse();
        await using WatchReader changes = WatchReader.FromNow(registry);

        child.Kill();

        await session.Ended.Within();
        (await changes.NextAsync()).Kind.Should().Be(PortChangeKind.Died);
        (await changes.NextAsync()).Kind.Should().Be(PortChangeKind.Died);
        registry.TryGetPort("b1", out _).Should().BeFalse();
        registry.TryGetPort("b2", out _).Should().BeFalse();
    }

    [Fact]
    public async Task Ended_ProcessWasDeadBefore_IsCompleted()
    {
        using PortRegistry registry = Make();
        using Child child = Child.Start();
        child.Kill();

        await registry.OpenSession(child.Id).Ended.Within();
    }

    [Fact]
    public async Task Ended_SessionIsDisposed_CompletesAfterTheGrace()
    {
        await using Scene scene = new();
        PortSession session = scene.SessionOf(scene.StartChild());
        await session.DisposeAsync();
        session.Ended.IsCompleted.Should().BeFalse();

        scene.Clock.Advance(scene.Options.DisconnectGrace + TimeSpan.FromSeconds(1));

        await session.Ended.Within();
    }

    [Fact]
    public void TakePlace_AllAreTaken_IsRefusedUntilOneIsGivenBack()
    {
        DeathWatch watch = new(places: 2);
        Observer first = new(), second = new(), third = new();
        int place = watch.TakePlace(first);
        watch.TakePlace(second).Should().NotBe(place).And.BeGreaterThanOrEqualTo(0);
        watch.TakePlace(third).Should().Be(-1);
        watch.LeavePlace(place, third);
        watch.TakePlace(third).Should().Be(-1, "it was not his to give back");

        watch.LeavePlace(place, first);

        watch.TakePlace(third).Should().Be(place);
        GC.KeepAlive(first);
        GC.KeepAlive(second);
    }

    [Fact]
    public async Task Session_ThatIsOver_GivesItsDescriptorBack()
    {
        using PortRegistry registry = Make();
        Child[] children = [.. Enumerable.Range(0, 8).Select(_ => Child.Start())];
        PortSession[] sessions = [.. children.Select(child => registry.OpenSession(child.Id))];
        sessions.Should().OnlyContain(session => session.Holder.Watched.IsHeld);

        Array.ForEach(children, child => child.Kill());

        await Task.WhenAll(sessions.Select(session => session.Ended)).Within();
        sessions.Should().OnlyContain(session => !session.Holder.Watched.IsHeld);
        Array.ForEach(children, child => child.Dispose());
    }

    private static PortRegistry Make() => new(new PortRegistryOptions
    {
        Ports = PortBlock.Take(1).ToString(),
        LivenessInterval = TimeSpan.FromHours(1),
        ReconcileInterval = TimeSpan.FromHours(1),
    });

    private sealed class Observer : IDeathObserver
    {
        public void OnProcessExited()
        {
        }
    }
}
