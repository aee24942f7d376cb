using Portmap.Tests.Support;

namespace Portmap.Tests.Persistence;

/// <summary>Confirmed means confirmed: nothing is acknowledged or shown before its fact is on disk,
/// and no number is reusable before its release is.</summary>
public sealed class ConfirmedTests
{
    [Fact]
    public async Task AcquireAsync_FactNotOnDisk_IsNotCompleteAndHoldsThePort()
    {
        await using StoreScene scene = await StoreScene.OpenAsync(options => options.Ports = "20000-20001");
        scene.Store.Hold();
        Task<PortLease> acquiring = scene.Registry.AcquireAsync("a").AsTask();
        await scene.Store.ArrivedAsync().Within();

        acquiring.IsCompleted.Should().BeFalse();
        scene.Registry.TryGetEntry("a", out _).Should().BeFalse("lookups never show what is not confirmed");
        Task<PortLease> other = scene.Registry.AcquireAsync("b").AsTask();
        scene.Store.Facts.Should().BeEmpty();

        scene.Store.Release();
        PortLease lease = await acquiring.Within();
        (await other.Within()).Port.Should().NotBe(lease.Port);
        scene.Store.Facts.Should().Contain(fact => fact.Owner == "a" && fact.Port == lease.Port && fact.Epoch == lease.Epoch && fact.State == PortState.Reserved);
        scene.Registry.AssertInvariants();
    }

    [Fact]
    public async Task AcquireAsync_PortWhoseEndIsOnItsWayToDisk_IsGivenWhenItIsThere()
    {
        await using StoreScene scene = await StoreScene.OpenAsync(options =>
        {
            options.Ports = "20000";
            options.ReuseDelay = TimeSpan.Zero;
        });
        await scene.AcquireAsync("a");
        scene.Store.Hold();
        scene.Clock.Advance(scene.Options.LeaseTimeout);   // it runs out: nobody waits for that end
        await scene.Store.ArrivedAsync().Within();
        Task<PortLease> acquiring = scene.Registry.AcquireAsync(new PortRequest("b") { Previous = 20000, Reuse = PortReuse.Require }).AsTask();

        acquiring.IsCompleted.Should().BeFalse("its number is a's until the end is on disk");

        scene.Store.Release();
        (await acquiring.Within()).Port.Should().Be(20000);
    }

    [Fact]
    public async Task RegisterAsync_FactNotOnDisk_LookupsDoNotShowIt()
    {
        await using StoreScene scene = await StoreScene.OpenAsync();
        scene.Store.Hold();
        Task<PortEntry> registering = scene.Here.RegisterAsync(new PortClaimRequest("a", 20000)).AsTask();
        await scene.Store.ArrivedAsync().Within();

        registering.IsCompleted.Should().BeFalse();
        scene.PortOf("a").Should().Be(0);
        scene.Registry.EnumerateOwners(20000).Should().BeEmpty();
        scene.Registry.Snapshot().Entries.Should().BeEmpty();

        scene.Store.Release();
        (await registering.Within()).Port.Should().Be(20000);
        scene.PortOf("a").Should().Be(20000);
        scene.Store.Facts.Should().ContainSingle(fact => fact.State == PortState.Bound && fact.ProcessId == Environment.ProcessId && fact.ProcessStart != 0);
    }

    [Fact]
    public async Task RegisterAsync_ReplacementNotOnDisk_LookupsShowTheOldPort()
    {
        await using StoreScene scene = await StoreScene.OpenAsync();
        await scene.RegisterAsync("a", 20000);
        scene.Store.Hold();
        Task<PortEntry> registering = scene.Here.RegisterAsync(new PortClaimRequest("a", 20001)).AsTask();
        await scene.Store.ArrivedAsync().Within();
        scene.PortOf("a").Should().Be(20000);

        scene.Store.Release();
        await registering.Within();
        scene.PortOf("a").Should().Be(20001);
        await scene.Registry.FlushAsync().Within();
        scene.Store.Facts.Should().Contain(fact => fact.Port == 20000 && fact.State == PortState.Cooling);
    }

    [Fact]
    public async Task RegisterAsync_SamePortAndOwnerAsOneNotOnDisk_WaitsForIt()
    {
        await using StoreScene scene = await StoreScene.OpenAsync();
        using Child stranger = Child.Start();
        scene.Store.Hold();
        Task<PortEntry> first = scene.Here.RegisterAsync(new PortClaimRequest("a", 20000)).AsTask();
        await scene.Store.ArrivedAsync().Within();
        Task<PortEntry> sameOwner = scene.Registry.OpenSession(stranger.Id).RegisterAsync(new PortClaimRequest("a", 20001)).AsTask();
        Task<PortEntry> samePort = scene.Registry.OpenSession(stranger.Id).RegisterAsync(new PortClaimRequest("b", 20000)).AsTask();
        Task<PortEntry> shares = scene.Here.RegisterAsync(new PortClaimRequest("c", 20000)).AsTask();
        Task<PortLease> acquires = scene.Registry.AcquireAsync("a").AsTask();
        (sameOwner.IsCompleted || samePort.IsCompleted || shares.IsCompleted || acquires.IsCompleted).Should().BeFalse();

        scene.Store.Release();
        await first.Within();
        (await sameOwner.RefusalAsync()).Reason.Should().Be(PortRefusalReason.Conflict);
        (await samePort.RefusalAsync()).Reason.Should().Be(PortRefusalReason.Conflict);
        (await shares.Within()).OwnerCount.Should().Be(2);
        (await acquires.Within()).Port.Should().NotBe(20000);
        scene.Registry.AssertInvariants();
    }

    [Fact]
    public async Task AcquireAsync_SameOwnerTwiceBeforeTheDisk_OneLease()
    {
        await using StoreScene scene = await StoreScene.OpenAsync();
        scene.Store.Hold();
        Task<PortLease> first = scene.Registry.AcquireAsync("a").AsTask();
        await scene.Store.ArrivedAsync().Within();
        Task<PortLease> second = scene.Registry.AcquireAsync("a").AsTask();
        second.IsCompleted.Should().BeFalse();

        scene.Store.Release();
        PortLease lease = await first.Within();
        (await second.RefusalAsync()).ShouldExplain(PortRefusalReason.AlreadyReserved, lease.Epoch);
    }

    [Fact]
    public async Task RegisterAsync_ProcessListensOnAPortWhoseLeaseIsNotOnDisk_WinsAndTheOwnerGetsAnother()
    {
        await using StoreScene scene = await StoreScene.OpenAsync(options => options.Ports = "20000-20001");
        scene.Store.Hold();
        Task<PortLease> acquiring = scene.Registry.AcquireAsync(new PortRequest("a") { Previous = 20000, Reuse = PortReuse.Prefer }).AsTask();
        await scene.Store.ArrivedAsync().Within();
        Task<PortEntry> registering = scene.Here.RegisterAsync(new PortClaimRequest("b", 20000)).AsTask();

        scene.Store.Release();
        (await registering.Within()).Port.Should().Be(20000);
        (await acquiring.Within()).Port.Should().Be(20001);
        await scene.Registry.FlushAsync().Within();
        scene.Store.Facts.Should().Contain(fact => fact.Owner == "a" && fact.Port == 20000 && fact.State == PortState.Cooling);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task ReleaseAsync_EndNotOnDisk_LookupsStopAtOnceAndThePortIsNobodys(bool insists)
    {
        await using StoreScene scene = await StoreScene.OpenAsync(options =>
        {
            options.Ports = "20000-20000";
            options.ReuseDelay = TimeSpan.Zero;
        });
        PortLease lease = await scene.AcquireAsync("a");
        await scene.RegisterAsync("a", lease.Port, lease.Epoch);
        scene.Store.Hold();
        Task releasing = lease.ReleaseAsync().AsTask();
        await scene.Store.ArrivedAsync().Within();

        releasing.IsCompleted.Should().BeFalse();
        scene.PortOf("a").Should().Be(0);
        scene.StateOf(20000).Should().Be(PortState.Cooling);
        Task again = lease.ReleaseAsync().AsTask();
        Task<PortLease> acquiring = insists
            ? scene.Registry.AcquireAsync(new PortRequest("b") { Previous = 20000, Reuse = PortReuse.Require }).AsTask()
            : scene.Registry.AcquireAsync("b").AsTask();
        (again.IsCompleted || acquiring.IsCompleted).Should().BeFalse("the end is not on disk yet");

        scene.Store.Release();
        await releasing.Within();
        await again.Within();
        (await acquiring.Within()).Port.Should().Be(20000);
    }

    [Fact]
    public async Task AcquireAsync_CallerGivesUp_TheLeaseTakesEffectAllTheSame()
    {
        await using StoreScene scene = await StoreScene.OpenAsync();
        scene.Store.Hold();
        using CancellationTokenSource giveUp = new();
        Task<PortLease> acquiring = scene.Registry.AcquireAsync("a", giveUp.Token).AsTask();
        await scene.Store.ArrivedAsync().Within();
        await giveUp.CancelAsync();
        await FluentActions.Awaiting(() => acquiring.Within()).Should().ThrowAsync<OperationCanceledException>();

        scene.Store.Release();
        (await scene.Registry.AcquireAsync("a").RefusalAsync()).Reason.Should().Be(PortRefusalReason.AlreadyReserved);
    }

    [Fact]
    public async Task AcquireAsync_BothProtocols_IsOneBatchAndOneLease()
    {
        await using StoreScene scene = await StoreScene.OpenAsync();
        PortLease lease = await scene.AcquireAsync(new PortRequest("a") { Protocol = PortProtocol.TcpAndUdp });
        scene.Store.Facts.Should().OnlyContain(fact => fact.Port == lease.Port && fact.Epoch == lease.Epoch && fact.State == PortState.Reserved).And.HaveCount(2);
        await lease.ReleaseAsync().AsTask().Within();
        scene.Store.Facts.Should().OnlyContain(fact => fact.State == PortState.Cooling).And.HaveCount(2);
    }

    [Fact]
    public async Task AcquireAsync_ManyAtOnce_ShareABatch()
    {
        await using StoreScene scene = await StoreScene.OpenAsync(options => options.Ports = "20000-20099");
        scene.Store.Hold();
        Task<PortLease> first = scene.Registry.AcquireAsync("first").AsTask();
        await scene.Store.ArrivedAsync().Within();
        Task<PortLease>[] rest = [.. Enumerable.Range(0, 64).Select(i => scene.Registry.AcquireAsync($"a{i}").AsTask())];
        int before = scene.Store.Batches.Count;
        scene.Store.Release();
        await first.Within();
        await Task.WhenAll(rest).Within();
        (scene.Store.Batches.Count - before).Should().BeLessThanOrEqualTo(2, "all 64 came together while the disk was busy with the first");
    }

    [Fact]
    public async Task TryForms_ConfirmedRegistry_ThrowNamingTheOthers()
    {
        await using StoreScene scene = await StoreScene.OpenAsync();
        PortLease lease = await scene.AcquireAsync("a");
        FluentActions.Invoking(() => scene.Registry.TryAcquire("b", out _, out _)).Should().Throw<InvalidOperationException>().WithMessage("*AcquireAsync*");
        FluentActions.Invoking(() => scene.Here.TryRegister(new PortClaimRequest("b", 20000), out _, out _)).Should().Throw<InvalidOperationException>().WithMessage("*RegisterAsync*");
        FluentActions.Invoking(() => scene.Here.TryRelease("b", out _)).Should().Throw<InvalidOperationException>().WithMessage("*ReleaseAsync*");
        FluentActions.Invoking(() => lease.TryRelease(out _)).Should().Throw<InvalidOperationException>().WithMessage("*ReleaseAsync*");
    }

    [Fact]
    public async Task DisposeAsync_ClaimsOnTheWay_AreWrittenAndTheStoreIsGivenUp()
    {
        StoreScene scene = await StoreScene.OpenAsync();
        scene.Store.Hold();
        Task<PortLease> acquiring = scene.Registry.AcquireAsync("a").AsTask();
        await scene.Store.ArrivedAsync().Within();
        Task disposing = scene.Registry.DisposeAsync().AsTask();
        scene.Store.WhenDisposed.IsCompleted.Should().BeFalse();
        scene.Store.Release();
        await disposing.Within();
        scene.Store.WhenDisposed.IsCompleted.Should().BeTrue();
        scene.Store.Facts.Should().ContainSingle(fact => fact.Owner == "a");
        await FluentActions.Awaiting(() => acquiring.Within()).Should().ThrowAsync<ObjectDisposedException>();
    }
}
