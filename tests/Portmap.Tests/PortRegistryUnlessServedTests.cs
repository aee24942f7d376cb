using Portmap.Tests.Persistence;
using Portmap.Tests.Support;

namespace Portmap.Tests;

/// <summary>A host that starts what does not run: an owner that is served is left alone and named,
/// and the moment is known from which on nothing is in doubt.</summary>
public class PortRegistryUnlessServedTests
{
    private static readonly PortRequest s_request = new("b1") { UnlessServed = true };

    [Theory]
    [InlineData(PortProtocol.Tcp)]
    [InlineData(PortProtocol.TcpAndUdp)]
    public async Task Acquire_OwnerIsServed_AnswersWithItsEntry(PortProtocol protocol)
    {
        await using Scene scene = new();
        Child worker = scene.StartChild();
        PortEntry entry = scene.SessionOf(worker).Register("b1", 20_003);

        PortRefusal refusal = scene.AcquireRefused(s_request with { Protocol = protocol })
            .ShouldExplain(PortRefusalReason.AlreadyServed, "b1", 20_003, worker.Id, entry.Epoch!.Value, "UnlessServed");

        refusal.Entry.Should().BeEquivalentTo(entry);
        refusal.Should().BeEquivalentTo(new { Owner = "b1", Port = 20_003, Holder = "b1", HolderProcessId = worker.Id, HolderEpoch = entry.Epoch });
        scene.Registry.TryGetEntry("b1", out PortEntry now).Should().BeTrue();
        now.Should().Be(entry, "nothing was changed");
        scene.Registry.Snapshot().Entries.Should().ContainSingle();
    }

    [Fact]
    public async Task Acquire_OwnerHasAnOpenLeaseOrADeadProcessOrNothing_IsAsWithoutIt()
    {
        await using Scene scene = new();
        PortLease lease = scene.Acquire(s_request);
        scene.AcquireRefused(s_request).ShouldExplain(PortRefusalReason.AlreadyReserved).Entry.Should().BeNull();
        lease.TryRelease(out _).Should().BeTrue();
        Child worker = scene.StartChild();
        scene.SessionOf(worker).Register("b1", 20_003);
        worker.Kill();

        scene.Acquire(s_request).Port.Should().NotBe(20_003);
        scene.PortOf("b1").Should().Be(0);
    }

    [Fact]
    public async Task Acquire_WithoutIt_StillReplaces()
    {
        await using Scene scene = new();
        scene.Here.Register("b1", 20_003);

        scene.Acquire("b1");
        scene.PortOf("b1").Should().Be(20_003);
    }

    [Fact]
    public async Task Acquire_RacesWithSignIns_NeverGrantsALeaseToAnOwnerThatIsServed()
    {
        await using Scene scene = new(configure: options => options.ReuseDelay = TimeSpan.Zero);
        for (int round = 0; round < 300; round++)
        {
            using Barrier start = new(2);
            Task<PortEntry> signIn = Task.Run(() =>
            {
                start.SignalAndWait(Deadline.Default);
                return scene.Here.RegisterAsync(new PortClaimRequest("b1", 20_009)).AsTask();
            });
            start.SignalAndWait(Deadline.Default);
            bool granted = scene.Registry.TryAcquire(s_request, out PortLease? lease, out PortRefusal? refusal);
            PortEntry entry = await signIn.Within();
            if (granted)
            {
                // Then the lease was first: the process that signed in without it ranks below.
                entry.Epoch.Should().BeLessThanOrEqualTo(lease!.Epoch);
                entry.Epoch.Should().BeGreaterThan(lease.Epoch - 16, "it signed in beside the lease, so the lease was there");
                lease.TryRelease(out _).Should().BeTrue();
            }
            else
            {
                refusal!.Reason.Should().Be(PortRefusalReason.AlreadyServed);
            }

            scene.Here.Release("b1");
        }
    }

    [Fact]
    public async Task Acquire_AfterARestart_NamesTheRecoveredProcessAndLetsTheDeadBeStarted()
    {
        await using StoreScene scene = await StoreScene.OpenAsync();
        Child dead = scene.StartChild(), living = scene.StartChild();
        await scene.RegisterAsync("dead", 20_001, session: scene.Registry.OpenSession(dead.Id));
        await scene.RegisterAsync("living", 20_002, session: scene.Registry.OpenSession(living.Id));
        dead.Kill();
        await scene.KillAndOpenAsync();

        PortRefusal refusal = (await scene.Registry.AcquireAsync(new PortRequest("living") { UnlessServed = true }).RefusalAsync())
            .ShouldExplain(PortRefusalReason.AlreadyServed, "living is recovered already", 20_002, living.Id);
        refusal.Entry.Should().BeEquivalentTo(new { State = PortState.Recovered, ProcessId = living.Id, Port = 20_002 });
        (await scene.AcquireAsync(new PortRequest("dead") { UnlessServed = true })).Owner.Should().Be("dead");
    }

    [Fact]
    public async Task WhenSettled_NothingWasThere_IsOverAtOnce()
    {
        await using Scene memory = new();
        memory.Registry.WhenSettled.IsCompletedSuccessfully.Should().BeTrue();
        await using StoreScene scene = await StoreScene.OpenAsync();
        scene.Registry.WhenSettled.IsCompletedSuccessfully.Should().BeTrue();
        await scene.AcquireAsync("only leased");
        await scene.KillAndOpenAsync();
        scene.Registry.WhenSettled.IsCompletedSuccessfully.Should().BeTrue("a lease has no process that could sign in again");
    }

    [Fact]
    public async Task WhenSettled_SomeSignInAndSomeDie_CompletesWithTheLast()
    {
        await using StoreScene scene = await StoreScene.OpenAsync();
        Child dies = scene.StartChild();
        await scene.RegisterAsync("back", 20_001);
        await scene.RegisterAsync("dies", 20_002, session: scene.Registry.OpenSession(dies.Id));
        await scene.KillAndOpenAsync();
        scene.Registry.WhenSettled.IsCompleted.Should().BeFalse();

        await scene.RegisterAsync("back", 20_001);
        scene.Clock.Advance(TimeSpan.FromSeconds(2));
        scene.Registry.WhenSettled.IsCompleted.Should().BeFalse("one is left");
        dies.Kill();
        scene.Clock.Advance(TimeSpan.FromSeconds(2));

        await scene.Registry.WhenSettled.Within();
        scene.Registry.Snapshot().Entries.Should().NotContain(entry => entry.State == PortState.Recovered);
    }

    [Fact]
    public async Task WhenSettled_SomebodyNeverSignsIn_IsOverAfterTheGrace()
    {
        await using StoreScene scene = await StoreScene.OpenAsync();
        Child silent = scene.StartChild(), dies = scene.StartChild();
        await scene.RegisterAsync("silent", 20_001, session: scene.Registry.OpenSession(silent.Id));
        await scene.RegisterAsync("dies", 20_002, session: scene.Registry.OpenSession(dies.Id));
        await scene.KillAndOpenAsync();
        scene.Clock.Advance(scene.Options.DisconnectGrace - TimeSpan.FromSeconds(1));
        scene.Registry.WhenSettled.IsCompleted.Should().BeFalse();
        dies.Kill();
        scene.Clock.Advance(TimeSpan.FromSeconds(1));

        await scene.Registry.WhenSettled.Within();
        scene.Registry.Snapshot().Entries.Where(entry => entry.State == PortState.Recovered).Should().ContainSingle().Which.Owner.Should().Be("silent");
    }

    [Fact]
    public async Task WhenSettled_RegistryIsDisposed_Faults()
    {
        await using StoreScene scene = await StoreScene.OpenAsync();
        await scene.RegisterAsync("back", 20_001);
        await scene.KillAndOpenAsync();
        Task settled = scene.Registry.WhenSettled;
        await scene.Registry.DisposeAsync().AsTask().Within();

        Func<Task> wait = () => settled.Within();
        await wait.Should().ThrowAsync<ObjectDisposedException>();
    }
}
