using System.Diagnostics;
using Portmap.Tests.Support;

namespace Portmap.Tests.Persistence;

/// <summary>What is written again of a claim in force, more time for a lease and another process of
/// a program, is on disk as surely as the claim itself.</summary>
public sealed class WrittenAgainTests
{
    private static readonly TimeSpan s_tenMinutes = TimeSpan.FromMinutes(10);

    [Theory]
    [InlineData(PortProtocol.Tcp)]
    [InlineData(PortProtocol.TcpAndUdp)]
    public async Task ExtendAsync_CouldNotBeWritten_TheNextTurnThatSucceedsHasWrittenIt(PortProtocol protocol)
    {
        await using StoreScene scene = await StoreScene.OpenAsync();
        PortLease lease = await scene.AcquireAsync(new PortRequest("a") { Protocol = protocol });
        scene.Store.Fail();
        (await lease.ExtendAsync(s_tenMinutes).RefusalAsync()).Reason.Should().Be(PortRefusalReason.StoreFailed);
        scene.Store.Heal();

        await scene.Registry.FlushAsync().Within();

        scene.Store.Facts.Should().OnlyContain(fact => fact.Until == lease.ExpiresAt, "who waits for the disk is told that all before is there");
        await scene.KillAndOpenAsync(TimeSpan.FromMinutes(2));
        scene.Clock.Advance(TimeSpan.FromMinutes(6));
        scene.StateOf(lease.Port).Should().Be(PortState.Reserved, "it was given ten minutes");
    }

    /// <summary>The fact of the lease and that of its registration have one epoch.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task RegisterAsync_WhileAnExtensionOfItsLeaseIsOnItsWay_CountsWhenItsOwnFactIsOnDisk(bool fails)
    {
        TurnByTurn store = new();
        PortRegistryOptions options = new() { Ports = Scene.TenPorts, Strategy = PortRegistryOptions.AllocatorPicks, Probe = false };
        await using PortRegistry registry = await PortRegistry.OpenOnAsync(options, store, Guid.NewGuid(), logger: null, new FakeTimeProvider(), CancellationToken.None).Within();
        PortSession here = registry.OpenSession(Environment.ProcessId);
        PortLease lease = await registry.AcquireAsync("a").AsTask().Within();
        PortClaimRequest its = new("a", lease.Port) { Epoch = lease.Epoch };
        store.Hold();
        Task extending = lease.ExtendAsync(s_tenMinutes).AsTask();
        TaskCompletionSource turn = await store.Turns.Reader.ReadAsync().AsTask().Within();
        Task<PortEntry> registering = here.RegisterAsync(its).AsTask();   // into the turn after that one
        turn.SetResult();
        turn = await store.Turns.Reader.ReadAsync().AsTask().Within();
        await extending.Within();
        Task<PortEntry> again = here.RegisterAsync(its).AsTask();
        (bool, bool, bool) counts = (registering.IsCompleted, again.IsCompleted, registry.TryGetPort("a", out _));
        store.Release();
        if (fails)
        {
            turn.SetException(new IOException("No space left on device"));
            counts.Should().Be((false, false, false), "the fact of it is not on disk");
            (await registering.RefusalAsync()).Reason.Should().Be(PortRefusalReason.StoreFailed);
            bool isGiven = await Task.WhenAny(again).Within() is { IsCompletedSuccessfully: true };   // it may have tried once more
            store.Facts.Any(fact => fact.State == PortState.Bound).Should().Be(isGiven);
            return;
        }

        turn.SetResult();
        counts.Should().Be((false, false, false), "the fact of it is not on disk");
        (await registering.Within()).State.Should().Be(PortState.Bound);
        await again.Within();
        store.Facts.Should().Contain(fact => fact.State == PortState.Bound);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task ExtendAsync_CouldNotBeWrittenAndTheLeaseIsOver_BringsNothingBack(bool isUsed)
    {
        await using StoreScene scene = await StoreScene.OpenAsync();
        PortLease lease = await scene.AcquireAsync("a");
        scene.Store.Fail();
        (await lease.ExtendAsync(s_tenMinutes).RefusalAsync()).Reason.Should().Be(PortRefusalReason.StoreFailed);
        scene.Store.Heal();
        if (isUsed)
        {
            await scene.RegisterAsync("a", lease.Port, lease.Epoch);
        }
        else
        {
            await lease.ReleaseAsync().AsTask().Within();
        }

        await scene.Registry.FlushAsync().Within();

        scene.Store.Facts.Should().ContainSingle().Which.State.Should().Be(isUsed ? PortState.Bound : PortState.Cooling);
        await scene.KillAndOpenAsync();
        scene.StateOf(lease.Port).Should().Be(isUsed ? PortState.Recovered : PortState.Cooling);
    }

    [Fact]
    public async Task ExtendAsync_WallClockWasSetBackBetweenTwoRuns_IsThereAfterTheNextAndLivesNoLonger()
    {
        await using StoreScene scene = await StoreScene.OpenAsync();
        await scene.AcquireAsync("a");
        FakeTimeProvider back = new(scene.Clock.GetUtcNow().AddHours(-10));
        FakePortStore second = scene.Store.AfterKill();
        await using PortRegistry extends = await PortRegistry.OpenOnAsync(scene.Options, second, scene.BootId, null, back, CancellationToken.None).Within();
        await extends.OpenSession(Environment.ProcessId).ExtendAsync("a", s_tenMinutes).AsTask().Within();
        back.Advance(TimeSpan.FromMinutes(1));
        await using PortRegistry next = await PortRegistry.OpenOnAsync(scene.Options, second.AfterKill(), scene.BootId, null, back, CancellationToken.None).Within();

        back.Advance(TimeSpan.FromMinutes(8));
        next.TryGetEntry("a", out _).Should().BeTrue("it was given ten minutes");

        back.Advance(TimeSpan.FromMinutes(3));
        next.TryGetEntry("a", out _).Should().BeFalse();
    }

    [NeedsTheory("python3")]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Death_EntryIsPassedOn_IsOfTheNextProcessAfterARestart(bool failsMeanwhile)
    {
        using Programs programs = new();
        FakePortStore store = new();
        PortRegistryOptions options = new()
        {
            Ports = PortBlock.Take(3).ToString(),
            Strategy = PortRegistryOptions.AllocatorPicks,
            LivenessInterval = TimeSpan.FromHours(1),   // no pass helps
            ReconcileInterval = TimeSpan.FromHours(1),
        };
        await using PortRegistry registry = await PortRegistry.OpenAsync(options, store).Within();
        PortLease lease = await registry.AcquireAsync("many").AsTask().Within();
        lease.OpenGate();
        Process program = programs.Start(Programs.Prefork, ports: lease.Port);
        await programs.AllAsync(program, 4);
        PortEntry entry = await lease.RegisterAsync(program).Within();
        await using WatchReader changes = WatchReader.FromNow(registry);
        if (failsMeanwhile)
        {
            store.Fail();
        }

        Programs.Kill(entry.ProcessId!.Value);

        (await changes.NextAsync()).Kind.Should().Be(PortChangeKind.Registered, "a worker goes on");
        registry.TryGetEntry("many", out PortEntry passedOn).Should().BeTrue();
        passedOn.ProcessId.Should().NotBe(entry.ProcessId);
        await registry.FlushAsync().Within();
        store.Heal();
        await registry.FlushAsync().Within();
        await using PortRegistry next = await PortRegistry.OpenAsync(options, store.AfterKill()).Within();
        next.TryGetEntry(lease.Port, out PortEntry recovered).Should().BeTrue();
        (recovered.State, recovered.ProcessId, recovered.Epoch).Should().Be((PortState.Recovered, passedOn.ProcessId, entry.Epoch));
    }
}
