using Portmap.Tests.Support;

namespace Portmap.Tests.Persistence;

/// <summary>A registration that comes to nothing above an acknowledged one of the same owner on the
/// same port: that one goes on, in memory and on disk.</summary>
public sealed class NothingCameOfItStoreTests
{
    private const int Port = 50_123;

    [Fact]
    public async Task RegisterAsync_ItsLeaseIsGivenBackMeanwhile_TheRegistrationBeforeItIsKept()
    {
        await using StoreScene scene = await RefusedAsync();
        await scene.KillAndOpenAsync();

        Found(scene).Should().Match<PortEntry>(entry => entry.State == PortState.Recovered && entry.ProcessId == Environment.ProcessId);
    }

    [Fact]
    public async Task RegisterAsync_ItsLeaseIsGivenBackMeanwhile_TheRegistrationBeforeItEndsAsEver()
    {
        await using StoreScene scene = await RefusedAsync();
        await scene.Here.ReleaseAsync(Udp()).AsTask().Within();
        await scene.KillAndOpenAsync();

        Found(scene).Should().Match<PortEntry>(entry => entry.State == PortState.Cooling);
    }

    [Fact]
    public async Task RegisterAsync_ItsLeaseIsGivenBackMeanwhile_TheProcessMayComeAgainAndRegisterAnew()
    {
        await using StoreScene scene = await RefusedAsync();
        PortLease lease = await scene.AcquireAsync(new PortRequest("a") { Protocol = PortProtocol.Udp });
        PortEntry entry = await scene.Here.RegisterAsync(Udp() with { Port = Port, Epoch = lease.Epoch }).AsTask().Within();
        await scene.KillAndOpenAsync();

        Found(scene).Should().Match<PortEntry>(found => found.State == PortState.Recovered && found.Epoch == entry.Epoch);
        (await scene.Here.RegisterAsync(Udp() with { Port = Port, Epoch = lease.Epoch }).AsTask().Within()).State.Should().Be(PortState.Bound);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task RegisterAsync_WithAHigherEpochThanItsLeaseWhileTheStoreFails_TheRegistrationBeforeItIsKept(bool isReleased)
    {
        await using StoreScene scene = await StoreScene.OpenAsync(options => options.Strategy = PortRegistryOptions.ProcessBinds);
        await scene.RegisterAsync("a", Port);
        PortLease lease = await scene.AcquireAsync("a");
        await scene.SeeAboveAsync(lease.Epoch, Port);
        scene.Store.Fail();
        await scene.Awaiting(one => one.RegisterAsync("a", Port, lease.Epoch)).Should().ThrowAsync<PortRefusedException>();
        scene.Store.Heal();
        scene.PortOf("a").Should().Be(Port);
        if (isReleased)
        {
            await scene.Here.ReleaseAsync("a").AsTask().Within();
        }

        await scene.Registry.FlushAsync().WaitAsync(Deadline.Default);
        await scene.KillAndOpenAsync();

        scene.StateOf(Port).Should().Be(isReleased ? PortState.Cooling : PortState.Recovered);
        scene.Registry.TryGetEntry("a", out PortEntry entry).Should().Be(true, "its lease is open in either case");
        entry.State.Should().Be(PortState.Reserved);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task RegisterAsync_WithTheEpochOfItsLeaseWhileTheStoreFails_IsNotWrittenAfterwards(bool isReleased)
    {
        await using StoreScene scene = await StoreScene.OpenAsync(options => options.Strategy = PortRegistryOptions.ProcessBinds);
        await scene.RegisterAsync("a", Port);
        PortLease lease = await scene.AcquireAsync("a");
        Child child = scene.StartChild();
        PortSession next = isReleased ? scene.Here : scene.Registry.OpenSession(child.Id);
        scene.Store.Fail();
        (await next.RegisterAsync(new PortClaimRequest("a", Port) { Epoch = lease.Epoch }).AsTask().RefusalAsync()).Reason.Should().Be(PortRefusalReason.StoreFailed);
        scene.Store.Heal();
        if (isReleased)
        {
            await scene.Here.ReleaseAsync("a").AsTask().Within();
            await lease.ReleaseAsync().AsTask().Within();
        }

        await scene.Registry.FlushAsync().Within();
        child.Kill();
        await scene.KillAndOpenAsync();

        scene.StateOf(Port).Should().Be(isReleased ? PortState.Cooling : PortState.Recovered);
        scene.Registry.TryGetEntry(Port, out PortEntry entry);
        (entry.ProcessId ?? 0).Should().Be(isReleased ? 0 : Environment.ProcessId, "it was refused who came later");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task RegisterAsync_OnAnotherPortByALeaseAndDurableThoughItFailed_TheRegistrationBeforeItIsKept(bool isReleased)
    {
        await using StoreScene scene = await StoreScene.OpenAsync(options => options.Strategy = PortRegistryOptions.ProcessBinds);
        PortEntry served = await scene.RegisterAsync("a", Port);
        PortLease lease = await scene.AcquireAsync("a");
        Child next = scene.StartChild();
        scene.Store.Fail(writesAllTheSame: true);
        (await scene.Registry.OpenSession(next.Id).RegisterAsync(new PortClaimRequest("a", Port + 1) { Epoch = lease.Epoch }).AsTask().RefusalAsync()).Reason.Should().Be(PortRefusalReason.StoreFailed);
        scene.Store.Heal();
        if (isReleased)
        {
            await lease.ReleaseAsync().AsTask().Within();
        }

        await scene.Registry.FlushAsync().Within();
        next.Kill();
        await scene.KillAndOpenAsync();

        scene.StateOf(Port).Should().Be(PortState.Recovered, "it was acknowledged, and its process lives");
        scene.Registry.Snapshot().Entries.Where(entry => entry.State == PortState.Reserved).Should().HaveCount(isReleased ? 0 : 1);
        (await scene.RegisterAsync("a", Port, served.Epoch!.Value)).State.Should().Be(PortState.Bound);
    }

    [Fact]
    public async Task RegisterAsync_OnAnotherPortByALeaseAndDurableThoughItFailed_TheNextTryTakesItsPlace()
    {
        await using StoreScene scene = await StoreScene.OpenAsync(options => options.Strategy = PortRegistryOptions.ProcessBinds);
        await scene.RegisterAsync("a", Port);
        PortLease lease = await scene.AcquireAsync("a");
        PortSession next = scene.Registry.OpenSession(scene.StartChild().Id);
        scene.Store.Fail(writesAllTheSame: true);
        await scene.Awaiting(one => one.RegisterAsync("a", Port + 1, lease.Epoch, next)).Should().ThrowAsync<PortRefusedException>();
        scene.Store.Heal();

        await scene.RegisterAsync("a", Port + 1, lease.Epoch, next);

        scene.PortOf("a").Should().Be(Port + 1);
        await scene.KillAndOpenAsync();
        scene.StateOf(Port + 1).Should().Be(PortState.Recovered);
        scene.StateOf(Port).Should().Be(PortState.Cooling);
    }

    /// <summary>A scene in which "a" is registered on UDP, and a second registration there was
    /// refused: while it came to the disk its lease, of both protocols, was given back.</summary>
    private static async Task<StoreScene> RefusedAsync()
    {
        StoreScene scene = await StoreScene.OpenAsync(options => options.Strategy = PortRegistryOptions.ProcessBinds);
        await scene.Here.RegisterAsync(Udp() with { Port = Port }).AsTask().Within();
        PortLease lease = await scene.AcquireAsync(new PortRequest("a") { Protocol = PortProtocol.TcpAndUdp });
        scene.Store.Hold();
        Task<PortEntry> again = scene.Here.RegisterAsync(Udp() with { Port = Port, Epoch = lease.Epoch }).AsTask();
        await scene.Store.ArrivedAsync().Within();
        Task release = lease.ReleaseAsync().AsTask();
        scene.Store.Release();
        await release.Within();
        await again.Awaiting(task => task.Within()).Should().ThrowAsync<PortRefusedException>();
        scene.Registry.TryGetPort("a", out int port, PortProtocol.Udp).Should().BeTrue();
        port.Should().Be(Port);
        return scene;
    }

    private static PortEntry Found(StoreScene scene) => scene.Registry.TryGetEntry(Port, out PortEntry entry, PortProtocol.Udp) ? entry : default;

    private static PortClaimRequest Udp() => new("a") { Protocol = PortProtocol.Udp };
}
