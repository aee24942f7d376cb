using Portmap.Interleaving.Tests.Scheduling;
using Portmap.Table;

namespace Portmap.Interleaving.Tests;

/// <summary>An owner that this host has lost in the fleet is not answered, wherever in a lookup
/// another thread ends what it has here.</summary>
public sealed class LostOwnerTests : IDisposable
{
    public void Dispose() => Hook.Reached = null;

    [Theory]
    [InlineData("port of the owner")]
    [InlineData("entry of the owner")]
    [InlineData("entry of the port")]
    [InlineData("owners of the port")]
    [InlineData("lease of the owner")]
    public Task Lookup_AnotherEndsTheLostOwnerBetweenAnyTwoSteps_AnswersNobody(string what) => EachStep.PlayAsync(async step =>
    {
        await using PortRegistry registry = new(new PortRegistryOptions { Ports = "20000-20009", Strategy = PortRegistryOptions.AllocatorPicks, Probe = false, ReuseDelay = TimeSpan.Zero });
        bool isOver = false;
        using IDisposable joined = registry.UseFleet(_ => Task.FromResult<(long, Func<bool>, CancellationToken, IAsyncDisposable)>((7, () => !isOver, CancellationToken.None, Stream.Null)));
        PortLease lease = await registry.AcquireAsync(new PortRequest("a") { Scope = PortScope.Fleet }).AsTask().WaitAsync(Deadline.Default);
        if (what != "lease of the owner")
        {
            registry.OpenSession(Environment.ProcessId).TryRegister(new PortClaimRequest("a", lease.Port) { Epoch = lease.Epoch }, out _, out _).Should().BeTrue();
        }

        isOver = true;
        bool isAnswered = step.Interrupt(
            () => what switch
            {
                "port of the owner" => registry.TryGetPort("a", out int _),
                "entry of the port" => registry.TryGetEntry(lease.Port, out PortEntry _),
                "owners of the port" => registry.EnumerateOwners(lease.Port).Count != 0,
                _ => registry.TryGetEntry("a", out PortEntry _),
            },
            _ => registry.TryGetPort("a", out int _));

        isAnswered.Should().BeFalse("step {0}: it was lost before", step.Number);
    });
}
