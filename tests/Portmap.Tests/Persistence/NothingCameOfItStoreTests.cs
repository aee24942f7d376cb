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

    /// <summary>A registration by a lease without a port, in the place of another one, has an epoch
    /// of its own. So has one that fails in its place, and after a restart the first one has
    /// that.</summary>
    [Theory]
    [InlineData("register", PortProtocol.Tcp, true)]
    [InlineData("register", PortProtocol.Udp, true)]
    [InlineData("register", PortProtocol.Tcp, false)]
    [InlineData("elsewhere", PortProtocol.Tcp, true)]
    [InlineData("release", PortProtocol.Tcp, true)]
    [InlineData("release", PortProtocol.Udp, true)]
    [InlineData("release", PortProtocol.Tcp, false)]
    public async Task AnyVerb_ByTheEpochThatItsProcessWasToldBeforeItWasToldAgain_IsOfThatProcess(string verb, PortProtocol protocol, bool isLeaseOpen)
    {
        await using StoreScene scene = await StoreScene.OpenAsync(options => options.Strategy = PortRegistryOptions.ProcessBinds);
        PortRequest request = new("a") { Protocol = protocol };
        PortClaimRequest claim = new("a", Port) { Protocol = protocol };
        await scene.Here.RegisterAsync(claim with { Port = Port + 1 }).AsTask().Within();
        PortLease first = await scene.AcquireAsync(request);
        PortEntry told = await scene.Here.RegisterAsync(claim with { Epoch = first.Epoch }).AsTask().Within();
        PortLease lease = await scene.AcquireAsync(request);
        Child other = scene.StartChild();
        scene.Store.Fail();
        (await scene.Registry.OpenSession(other.Id).RegisterAsync(claim with { Epoch = lease.Epoch }).AsTask().RefusalAsync()).Reason.Should().Be(PortRefusalReason.StoreFailed);
        scene.Store.Heal();
        await scene.Registry.FlushAsync().Within();
        if (!isLeaseOpen)
        {
            await lease.ReleaseAsync().AsTask().Within();
        }

        await scene.KillAndOpenAsync();
        scene.Registry.TryGetEntry(Port, out PortEntry back, protocol).Should().BeTrue();
        back.Epoch.Should().BeGreaterThan(told.Epoch!.Value);
        claim = claim with { Epoch = told.Epoch };
        if (isLeaseOpen)
        {
            PortSession another = scene.Registry.OpenSession(other.Id);
            (await another.RegisterAsync(claim).AsTask().RefusalAsync()).Reason.Should().Be(PortRefusalReason.Stale, "it was never told that");
            await another.Awaiting(one => one.ReleaseAsync(claim).AsTask().Within()).Should().ThrowAsync<PortRefusedException>();
        }

        if (verb == "release")
        {
            await scene.Here.ReleaseAsync(claim).AsTask().Within();
            scene.Registry.TryGetPort("a", out _, protocol).Should().BeFalse();
        }
        else
        {
            claim = verb == "elsewhere" ? claim with { Port = Port + 2 } : claim;
            PortEntry again = await scene.Here.RegisterAsync(claim).AsTask().Within();
            (again.State, again.Port).Should().Be((PortState.Bound, claim.Port!.Value));
            again.Epoch.Should().BeGreaterThanOrEqualTo(back.Epoch!.Value);
        }

        scene.Registry.Snapshot().Entries.Where(entry => entry.State == PortState.Reserved).Should().HaveCount(isLeaseOpen ? 1 : 0);
        scene.Registry.AssertInvariants();
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
