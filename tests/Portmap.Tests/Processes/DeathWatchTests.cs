using Microsoft.Win32.SafeHandles;
using Portmap.Native;
using Portmap.Operations;
using Portmap.Processes;
using Portmap.Tests.Persistence;
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
    public void HasPlace_OneWasGivenBack_IsTrueAgain()
    {
        DeathWatch watch = new(places: 1);
        Observer first = new();
        int place = watch.TakePlace(first);
        watch.HasPlace.Should().BeFalse();

        watch.LeavePlace(place, first);

        watch.HasPlace.Should().BeTrue();
        GC.KeepAlive(first);
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
        await Eventually.TrueAsync(() => Array.TrueForAll(sessions, session => !session.Holder.Watched.IsHeld));   // a session is over a moment before
        Array.ForEach(children, child => child.Dispose());
    }

    [Fact]
    public void ReadBook_ProcessHasEnded_NotesItUntilItsPlaceIsAnothers()
    {
        DeathWatch watch = new(places: 2);
        Observer observer = new();
        using Child lives = Child.Start(), dies = Child.Start();
        (SafeFileHandle its, int place) = Enter(watch, dies, observer);
        (SafeFileHandle other, int otherPlace) = Enter(watch, lives, observer);
        using (its)
        using (other)
        {
            watch.ReadBook();
            (watch.HasNote(place), watch.HasNote(otherPlace)).Should().Be((false, false));

            dies.Kill();

            watch.ReadBook();
            watch.ReadBook();
            (watch.HasNote(place), watch.HasNote(otherPlace)).Should().Be((true, false), "two passes at once both see it");
        }

        watch.LeavePlace(place, observer);
        watch.TakePlace(observer).Should().Be(place);
        watch.ReadBook();
        watch.HasNote(place).Should().BeFalse("the descriptor is closed, and the place is another's");
        GC.KeepAlive(observer);
    }

    [Fact]
    public void ReadBook_MoreHaveEndedThanOneAnswerHolds_NotesEach()
    {
        const int Many = 200;
        DeathWatch watch = new(Many + 1);
        Observer observer = new();
        using Child child = Child.Start();
        (SafeFileHandle Descriptor, int Place)[] entered = [.. Enumerable.Range(0, Many).Select(_ => Enter(watch, child, observer))];

        child.Kill();
        watch.ReadBook();

        entered.Should().OnlyContain(one => watch.HasNote(one.Place));
        Array.ForEach(entered, one => one.Descriptor.Dispose());
        GC.KeepAlive(observer);
    }

    [Fact]
    public async Task Pass_ProcessIsInTheBook_IsLookedAtOnlyWhenItHasEnded()
    {
        await using Scene scene = new();
        using Child child = Child.Start();
        PortSession session = scene.SessionOf(child);
        session.Register("b1", Scene.First);
        scene.Clock.Advance(TimeSpan.FromSeconds(1));
        session.Holder.Watched.NeedsLook.Should().BeFalse();

        child.Kill();

        DeathWatch.Shared.ReadBook();
        session.Holder.Watched.NeedsLook.Should().BeTrue();
        scene.Clock.Advance(TimeSpan.FromSeconds(1));
        await Eventually.TrueAsync(() => scene.PortOf("b1") == 0);
    }

    [Fact]
    public async Task Pass_ProcessFromTheStore_GetsADescriptorWithItsFirstLook()
    {
        await using StoreScene scene = await StoreScene.OpenAsync(options => options.Probe = true);
        Child child = scene.StartChild();
        await scene.RegisterAsync("a", 20003, session: scene.Registry.OpenSession(child.Id));
        await scene.KillAndOpenAsync();
        SessionHolder session = SessionHolder.Of(scene.Registry.Parts.Table.FindServed(PortProtocol.Tcp, "a"))!;
        session.Watched.IsHeld.Should().BeFalse("the opening has looked at it, that was enough");

        scene.Clock.Advance(TimeSpan.FromSeconds(1));
        await Eventually.TrueAsync(() => session.Watched.IsHeld);
        session.Watched.NeedsLook.Should().BeFalse();

        child.Kill();
        await session.Ended.Within();   // no pass tells that, the clock stands
    }

    [Fact]
    public void TellWhenItEnds_ItsSessionIsOverMeanwhile_DoesNothing()
    {
        using Child child = Child.Start();
        Observer observer = new();
        WatchedProcess watched = WatchedProcess.Open(child.Id, observer, out _);
        watched.IsHeld.Should().BeTrue();
        watched.Dispose();

        watched.Invoking(it => it.TellWhenItEnds()).Should().NotThrow();
        GC.KeepAlive(observer);
    }

    [Fact]
    public void TryHold_AnotherProcessHasTheNumber_IsNull()
    {
        using Child child = Child.Start();
        ProcessIdentity its = ProcessIdentity.Of(child.Id, out _);
        Observer observer = new();

        WatchedProcess.Of(its with { StartTime = its.StartTime + 1 }, host: null).TryHold(observer).Should().BeNull();

        using WatchedProcess? held = WatchedProcess.Of(its, host: null).TryHold(observer);
        held!.IsHeld.Should().BeTrue();
        GC.KeepAlive(observer);
    }

    private static (SafeFileHandle Descriptor, int Place) Enter(DeathWatch watch, Child child, Observer observer)
    {
        int place = watch.TakePlace(observer);
        SafeFileHandle descriptor = Posix.OpenProcess(child.Id, out _)!;
        watch.TryEnter(place, descriptor).Should().BeTrue();
        return (descriptor, place);
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
