using Portmap.Interleaving.Tests.Scheduling;
using Portmap.Table;

namespace Portmap.Interleaving.Tests;

/// <summary>A lease that moves to another port, because one could not be bound, is open all the
/// time: whoever uses it meanwhile is not told that it has ended.</summary>
public sealed class MovingLeaseTests : IDisposable
{
    public void Dispose() => Hook.Reached = null;

    [Theory]
    [InlineData("extends", PortProtocol.Tcp)]
    [InlineData("extends", PortProtocol.TcpAndUdp)]
    [InlineData("reports", PortProtocol.Tcp)]
    [InlineData("reports", PortProtocol.TcpAndUdp)]
    [InlineData("reports over a session", PortProtocol.Tcp)]
    [InlineData("reports over a session", PortProtocol.TcpAndUdp)]
    public Task ReportBindFailureAsync_AnotherUsesTheLeaseBetweenAnyTwoSteps_IsNotToldThatItHasEnded(string what, PortProtocol protocol) => EachStep.PlayAsync(async step =>
    {
        await using PortRegistry registry = new(new PortRegistryOptions { Ports = "20000-20009", Strategy = PortRegistryOptions.AllocatorPicks, Order = PortOrder.LowestFree, Probe = false });
        PortSession session = registry.OpenSession(Environment.ProcessId);
        registry.TryAcquire(new PortRequest("a") { Protocol = protocol }, out PortLease? lease, out _).Should().BeTrue();
        (int port, long epoch) = (lease!.Port, lease.Epoch);
        int told = 0;
        Task reporting = step.Interrupt(
            () => lease.ReportBindFailureAsync().AsTask(),
            at => Task.Run(async () =>
            {
                switch (what)
                {
                    case "extends":
                        await lease.ExtendAsync(TimeSpan.FromMinutes(5));
                        break;
                    case "reports":
                        await lease.ReportBindFailureAsync();
                        break;
                    default:
                        PortLease answer = await session.ReportBindFailureAsync(new PortClaimRequest("a", port) { Epoch = epoch, Protocol = protocol });
                        told = answer.Port;
                        break;
                }
            }).WaitAsync(Deadline.Default).Awaiting(task => task).Should().NotThrowAsync("step {0}, {1}: the lease is open", step.Number, at).GetAwaiter().GetResult());
        await reporting.WaitAsync(Deadline.Default);

        lease.IsOpen.Should().BeTrue("step {0}", step.Number);
        lease.Port.Should().NotBe(port, "step {0}", step.Number);
        if (step.IsReached && what == "reports over a session")
        {
            told.Should().NotBe(port, "step {0}: that is the port that could not be bound", step.Number);
        }

        registry.AssertInvariants();
    });

    /// <summary>One of two who report gets the only other port, and the other one finds none: the owner
    /// has what the lease says.</summary>
    [Theory]
    [InlineData(PortProtocol.Tcp)]
    [InlineData(PortProtocol.TcpAndUdp)]
    public async Task ReportBindFailureAsync_AnotherReportsBetweenAnyTwoStepsAndOnePortIsLeft_NothingIsHeldForALeaseThatIsOver(PortProtocol protocol)
    {
        int over = 0;
        bool isReached = true;
        for (int number = 1; isReached; number++)
        {
            await using PortRegistry registry = new(new PortRegistryOptions { Ports = "20000-20001", Strategy = PortRegistryOptions.AllocatorPicks, Order = PortOrder.LowestFree, Probe = false, ReuseCooling = false });
            registry.TryAcquire(new PortRequest("a") { Protocol = protocol }, out PortLease? lease, out _).Should().BeTrue();
            int steps = 0, at = number;
            Task? other = null;
            isReached = false;
            Hook.Reached = _ =>
            {
                if (++steps == at)
                {
                    Hook.Reached = null;
                    isReached = true;
                    other = Task.Run(() => lease!.ReportBindFailureAsync().AsTask());
                    Task.WhenAny(other).WaitAsync(Deadline.Default).GetAwaiter().GetResult();
                }
            };
            Task reporting = lease!.ReportBindFailureAsync().AsTask();
            Hook.Reached = null;
            await Task.WhenAny(reporting).WaitAsync(Deadline.Default);   // whoever finds no port is refused

            over += lease.IsOpen ? 0 : 1;
            (other is { IsCompletedSuccessfully: true } && !lease.IsOpen).Should().BeFalse("step {0}: it has got a port", at);
            registry.TryGetEntry("a", out PortEntry _).Should().Be(lease.IsOpen, "step {0}", at);
            registry.TryGetEntry("a", out PortEntry _, PortProtocol.Udp).Should().Be(lease.IsOpen && protocol == PortProtocol.TcpAndUdp, "step {0}", at);
            registry.AssertInvariants();
        }

        over.Should().BeGreaterThan(0, "else each found a port");
    }

    /// <summary>Nobody is answered an owner that another host may have by then, and no process may
    /// register by the lease.</summary>
    [Theory]
    [InlineData(PortProtocol.Tcp)]
    [InlineData(PortProtocol.TcpAndUdp)]
    public async Task ReportBindFailureAsync_OwnerIsLostInTheFleetBetweenAnyTwoSteps_NothingOfTheLeaseIsLeft(PortProtocol protocol)
    {
        PortProtocol[] halves = protocol == PortProtocol.TcpAndUdp ? [PortProtocol.Tcp, PortProtocol.Udp] : [protocol];
        bool isReached = true;
        for (int number = 1; isReached; number++)
        {
            await using PortRegistry registry = new(new PortRegistryOptions { Ports = "20000-20009", Strategy = PortRegistryOptions.AllocatorPicks, Order = PortOrder.LowestFree, Probe = false });
            using CancellationTokenSource lost = new();
            GivenBack claim = new();
            using IDisposable joined = registry.UseFleet(_ => Task.FromResult<(long, Func<bool>, CancellationToken, IAsyncDisposable)>((7, () => !lost.IsCancellationRequested, lost.Token, claim)));
            PortSession session = registry.OpenSession(Environment.ProcessId);
            PortLease lease = await registry.AcquireAsync(new PortRequest("a") { Scope = PortScope.Fleet, Protocol = protocol }).AsTask().WaitAsync(Deadline.Default);
            int steps = 0, at = number;
            bool isAnswered = false;
            isReached = false;
            Action<Step> hook = null!;
            hook = _ =>
            {
                Hook.Reached = null;   // what is done here makes steps too
                if (++steps == at)
                {
                    isReached = true;
                    lost.Cancel();
                }
                else if (isReached)
                {
                    isAnswered |= halves.Any(one => registry.TryGetEntry("a", out PortEntry _, one));
                }

                Hook.Reached = hook;
            };
            Hook.Reached = hook;
            Task reporting = lease.ReportBindFailureAsync().AsTask();
            Hook.Reached = null;
            await Task.WhenAny(reporting).WaitAsync(Deadline.Default);   // it may be told that the lease is over
            if (!isReached)
            {
                number.Should().BeGreaterThan(3, "otherwise the steps are not seen");
                break;
            }

            isAnswered.Should().BeFalse("step {0}", at);
            lease.IsOpen.Should().BeFalse("step {0}", at);
            claim.IsGivenBack.Should().BeTrue("step {0}", at);
            foreach (PortProtocol one in halves)
            {
                registry.TryGetEntry("a", out PortEntry _, one).Should().BeFalse("step {0}", at);
                session.TryRegister(new PortClaimRequest("a", lease.Port) { Epoch = lease.Epoch, Protocol = one }, out _, out PortRefusal? refusal).Should().BeFalse("step {0}", at);
                refusal!.HolderEpoch.Should().NotBeNull("step {0}: a worker registers without its epoch otherwise", at);
            }

            registry.AssertInvariants();
        }
    }

    /// <summary>Whoever made it take effect stands before it tells the lease, and the process is faster
    /// than he.</summary>
    [Fact]
    public async Task Register_ByALeaseThatHasMovedAndOwnerIsLostBeforeItIsTold_IsNeverAnswered()
    {
        await using PortRegistry registry = new(new PortRegistryOptions { Ports = "20000-20009", Strategy = PortRegistryOptions.AllocatorPicks, Order = PortOrder.LowestFree, Probe = false });
        using CancellationTokenSource lost = new();
        GivenBack claim = new();
        using IDisposable joined = registry.UseFleet(_ => Task.FromResult<(long, Func<bool>, CancellationToken, IAsyncDisposable)>((7, () => !lost.IsCancellationRequested, lost.Token, claim)));
        PortSession session = registry.OpenSession(Environment.ProcessId);
        PortLease lease = await registry.AcquireAsync(new PortRequest("a") { Scope = PortScope.Fleet }).AsTask().WaitAsync(Deadline.Default);
        bool isReached = false, isAnswered = false, wasGivenBack = false;
        Hook.Reached = step =>
        {
            if (step == Step.HealLease && registry.Parts.Table.Find(PortProtocol.Tcp, "a") is { IsNone: false } moved)
            {
                Hook.Reached = null;
                isReached = true;
                lost.Cancel();
                isAnswered = registry.TryGetEntry("a", out PortEntry _);
                wasGivenBack = claim.IsGivenBack;
                session.TryRegister(new PortClaimRequest("a", moved.Port) { Epoch = moved.Epoch }, out _, out _);
                isAnswered |= registry.TryGetPort("a", out int _);
            }
        };

        await Task.WhenAny(lease.ReportBindFailureAsync().AsTask()).WaitAsync(Deadline.Default);

        Hook.Reached = null;
        isReached.Should().BeTrue();
        isAnswered.Should().BeFalse();
        wasGivenBack.Should().BeFalse("it had a claim here still");
        registry.TryGetPort("a", out int _).Should().BeFalse();
        registry.Snapshot().Entries.Should().NotContain(entry => entry.State == PortState.Bound || entry.State == PortState.Reserved);
        claim.IsGivenBack.Should().BeTrue();
        registry.AssertInvariants();
    }

    /// <summary>A claim in the fleet that notes whether it was given back.</summary>
    private sealed class GivenBack : IAsyncDisposable
    {
        public bool IsGivenBack { get; private set; }

        public ValueTask DisposeAsync()
        {
            IsGivenBack = true;
            return ValueTask.CompletedTask;
        }
    }
}
