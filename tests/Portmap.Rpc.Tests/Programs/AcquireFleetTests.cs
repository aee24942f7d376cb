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

        (await RefusalOf(client.AcquireFleetAsync("b1"))).Should().BeEquivalentTo(new { Reason = PortRefusalReason.Conflict, Owner = "b1", Holder = "node7", HolderEpoch = 7L });
    }

    [Fact]
    public async Task AcquireFleet_DaemonOfNoFleet_IsRefusedByItsReason()
    {
        await using Harness harness = new();
        await using PortmapClient client = harness.OpenClient();

        (await RefusalOf(client.AcquireFleetAsync("b1"))).Reason.Should().Be(PortRefusalReason.NoFleet);
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

    private static async Task<PortRefusal> RefusalOf(Task task) =>
        (await FluentActions.Awaiting(() => task.Within()).Should().ThrowAsync<PortRefusedException>()).Which.Refusal;
}
