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

    /// <summary>A worker that was started again registers by the epoch of the last one, just as the
    /// owner is given back because that one is over: from then on nobody is answered.</summary>
    [Theory]
    [InlineData("port of the owner")]
    [InlineData("entry of the owner")]
    [InlineData("entry of the port")]
    [InlineData("owners of the port")]
    public async Task RegisterAsync_OwnerIsGivenBackBetweenAnyTwoSteps_IsAnsweredToNobody(string what)
    {
        int givenBack = 0;
        await EachStep.PlayAsync(async step =>
        {
            await using PortRegistry registry = new(new PortRegistryOptions { Ports = "20000-20009", Strategy = PortRegistryOptions.AllocatorPicks, Probe = false });
            GivenBack claim = new();
            using IDisposable joined = registry.UseFleet(_ => Task.FromResult<(long, Func<bool>, CancellationToken, IAsyncDisposable)>((7, () => true, CancellationToken.None, claim)));
            PortLease lease = await registry.AcquireAsync(new PortRequest("a") { Scope = PortScope.Fleet }).AsTask().WaitAsync(Deadline.Default);
            PortSession first = registry.OpenSession(Environment.ProcessId), second = registry.OpenSession(Environment.ProcessId);
            PortClaimRequest its = new("a", lease.Port) { Epoch = lease.Epoch };
            first.TryRegister(its, out _, out _).Should().BeTrue();
            StandingThread releasing = new(() => first.ReleaseAsync("a").AsTask(), StandingThread.AfterAnEnd());
            releasing.Stood.Should().BeTrue("it has ended, and the owner is not given back");
            bool isAnswered = false;
            step.Interrupt(
                () => second.TryRegister(its, out _, out _),
                _ =>
                {
                    releasing.GoOn().WaitAsync(Deadline.Default).GetAwaiter().GetResult();
                    givenBack += claim.IsGivenBack ? 1 : 0;
                    Action<Step> look = null!;
                    look = _ =>
                    {
                        Hook.Reached = null;   // a look makes steps too
                        isAnswered |= claim.IsGivenBack && what switch
                        {
                            "port of the owner" => registry.TryGetPort("a", out int _),
                            "entry of the port" => registry.TryGetEntry(lease.Port, out PortEntry entry) && entry.State is PortState.Bound,
                            "owners of the port" => registry.EnumerateOwners(lease.Port).Count != 0,
                            _ => registry.TryGetEntry("a", out PortEntry _),
                        };
                        Hook.Reached = look;
                    };
                    Hook.Reached = look;
                });
            await releasing.GoOn().WaitAsync(Deadline.Default);

            isAnswered.Should().BeFalse("step {0}", step.Number);
            (claim.IsGivenBack && registry.TryGetPort("a", out int _)).Should().BeFalse("step {0}", step.Number);
            registry.AssertInvariants();
        });

        givenBack.Should().BeGreaterThan(3);
    }
}
