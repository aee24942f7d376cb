using Portmap.TestKit.Processes;
using Portmap.Tests.Support;

namespace Portmap.Rpc.Tests.Programs;

/// <summary>Owners that exist once in a fleet, asked for over the wire.</summary>
public class AcquireFleetTests
{
    [Fact]
    public async Task AcquireFleet_OwnerToBeHad_GivesTheLeaseAndTheEpochInTheFleet()
    {
        await using Harness harness = new();
        using IDisposable joined = harness.Registry.UseFleet(_ => Task.FromResult<(long, Func<bool>, CancellationToken, IAsyncDisposable)>((81_234, () => true, CancellationToken.None, Stream.Null)));
        await using PortmapClient client = harness.OpenClient();

        (PortEntry lease, long fleetEpoch) = await client.AcquireFleetAsync("b1").Within();

        lease.Should().BeEquivalentTo(new { Owner = "b1", State = PortState.Reserved });
        fleetEpoch.Should().Be(81_234);
    }

    [Fact]
    public async Task AcquireFleet_AnotherHostHasIt_NamesTheHost()
    {
        await using Harness harness = new();
        using IDisposable joined = harness.Registry.UseFleet(owner =>
            throw new PortRefusedException(new PortRefusal(PortRefusalReason.Conflict, "Host 'node7' holds it.") { Owner = owner, Holder = "node7", HolderEpoch = 7 }));
        await using PortmapClient client = harness.OpenClient();

        (await client.AcquireFleetAsync("b1").RefusalAsync()).Should().BeEquivalentTo(new { Reason = PortRefusalReason.Conflict, Owner = "b1", Holder = "node7", HolderEpoch = 7L });
    }

    [Fact]
    public async Task AcquireFleet_DaemonOfNoFleet_IsRefusedByItsReason()
    {
        await using Harness harness = new();
        await using PortmapClient client = harness.OpenClient();

        (await client.AcquireFleetAsync("b1").RefusalAsync()).Reason.Should().Be(PortRefusalReason.NoFleet);
    }

    /// <summary>A worker that took long to start must not serve an owner that another host may have by
    /// now; one of a host's own would register as if nobody had acquired.</summary>
    [Fact]
    public async Task Listen_ClaimLostBeforeTheWorkerWasThere_IsRefusedAndNobodyIsServed()
    {
        using TempFolder folder = new();
        using CancellationTokenSource lost = new();
        await using PortRegistry registry = new(new PortRegistryOptions { Ports = PortBlock.Take(4).ToString() });
        using IDisposable joined = registry.UseFleet(_ => Task.FromResult<(long, Func<bool>, CancellationToken, IAsyncDisposable)>((81_234, () => !lost.IsCancellationRequested, lost.Token, Stream.Null)));
        await using PortmapServer server = new(registry, new PortmapServerOptions { Endpoints = { $"unix:{folder["portmap.sock"]}" } });
        await server.StartAsync().Within();
        PortLease lease = await registry.AcquireAsync(new PortRequest("b1") { Scope = PortScope.Fleet }).AsTask().Within();
        await lost.CancelAsync();
        WorkerPortOptions options = new() { Owner = "b1", Endpoint = server.Endpoints[0].ToString(), Epoch = lease.Epoch, Ports = registry.Bounds.Ports[0].ToString() };

        (await WorkerPort.ListenAsync(options).RefusalAsync()).Reason.Should().Be(PortRefusalReason.Stale);

        registry.TryGetPort("b1", out _).Should().BeFalse();
    }

    [Fact]
    public async Task Acquire_ScopeOfAFleet_IsMisuseOfTheCallsThatDoNotCarryIt()
    {
        await using Harness harness = new();
        await using PortmapClient client = harness.OpenClient();
        PortRequest request = new("b1") { Scope = PortScope.Fleet };

        Action one = () => _ = client.AcquireAsync(request);
        one.Should().Throw<ArgumentException>().WithMessage("*AcquireFleetAsync*");
        Action all = () => _ = client.AcquireAllAsync([request]);
        all.Should().Throw<ArgumentException>().WithMessage("*AcquireFleetAsync*");
    }
}
