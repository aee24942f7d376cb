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
        await using PortRegistry registry = Make("20000-20009");
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
        await EachStep.PlayAsync(async step =>
        {
            await using PortRegistry registry = Make("20000-20001", options => options.ReuseCooling = false);
            registry.TryAcquire(new PortRequest("a") { Protocol = protocol }, out PortLease? lease, out _).Should().BeTrue();
            Task? other = null;
            bool isShownWhenRefused = false;
            Task reporting = step.Interrupt(
                () => lease!.ReportBindFailureAsync().AsTask(),
                _ =>
                {
                    other = Task.Run(() => lease!.ReportBindFailureAsync().AsTask());
                    Task.WhenAny(other).WaitAsync(Deadline.Default).GetAwaiter().GetResult();
                    isShownWhenRefused = other.IsFaulted && HasAnything(registry);
                });
            await Task.WhenAny(reporting).WaitAsync(Deadline.Default);   // whoever finds no port is refused
            isShownWhenRefused.Should().BeFalse("step {0}: the lease was over when that was said", step.Number);

            over += lease!.IsOpen ? 0 : 1;
            (lease.IsOpen && (reporting.IsFaulted || other is { IsFaulted: true })).Should().BeFalse("step {0}: who is refused is told that the lease is over", step.Number);
            registry.TryGetEntry("a", out PortEntry _).Should().Be(lease.IsOpen, "step {0}", step.Number);
            registry.TryGetEntry("a", out PortEntry _, PortProtocol.Udp).Should().Be(lease.IsOpen && protocol == PortProtocol.TcpAndUdp, "step {0}", step.Number);
            registry.AssertInvariants();
        });

        over.Should().BeGreaterThan(0, "else each found a port");
    }

    /// <summary>A process registers by a lease that is ended meanwhile, as no other port is left for
    /// it: what is told over is shown no more, however long that thread stands.</summary>
    [Theory]
    [InlineData(2)]
    [InlineData(1)]
    public async Task ReportBindFailureAsync_FindsNoPortWhileAProcessRegistersByTheLease_TheLeaseIsShownNoMore(int bindAttempts)
    {
        int over = 0;
        await EachStep.PlayAsync(async step =>
        {
            await using PortRegistry registry = new(new PortRegistryOptions { Ports = "20000", Strategy = PortRegistryOptions.AllocatorPicks, Probe = false, BindAttempts = bindAttempts });
            PortSession session = registry.OpenSession(Environment.ProcessId);
            registry.TryAcquire("a", out PortLease? lease, out _).Should().BeTrue();
            bool isOver = false, isShown = false;
            step.Interrupt(
                () => session.TryRegister(new PortClaimRequest("a", 20_000) { Epoch = lease!.Epoch }, out _, out _),
                _ =>
                {
                    Task reporting = Task.Run(() => lease!.ReportBindFailureAsync().AsTask());
                    Task.WhenAny(reporting).WaitAsync(Deadline.Default).GetAwaiter().GetResult();
                    isOver = reporting.Exception?.InnerException is PortRefusedException { Refusal.Reason: PortRefusalReason.Exhausted or PortRefusalReason.AttemptsExhausted };
                    isShown = isOver && HasAnything(registry);
                });

            over += isOver ? 1 : 0;
            isShown.Should().BeFalse("step {0}", step.Number);
            (isOver && HasAnything(registry)).Should().BeFalse("step {0}: nothing can be registered by it any more", step.Number);
            registry.AssertInvariants();
        });

        over.Should().BeGreaterThan(3);
    }

    /// <summary>The same while the registration is on its way to the disk.</summary>
    [Fact]
    public async Task ReportBindFailureAsync_FindsNoPortWhileARegistrationIsWritten_TheLeaseIsShownNoMore()
    {
        FakePortStore store = new();
        await using PortRegistry registry = await PortRegistry.OpenAsync(
            new PortRegistryOptions { Ports = "20000", Strategy = PortRegistryOptions.AllocatorPicks, Probe = false, BindAttempts = 1 }, store).WaitAsync(Deadline.Default);
        PortSession session = registry.OpenSession(Environment.ProcessId);
        PortLease lease = await registry.AcquireAsync("a").AsTask().WaitAsync(Deadline.Default);
        store.Hold();
        Task registering = session.RegisterAsync(new PortClaimRequest("a", 20_000) { Epoch = lease.Epoch }).AsTask();
        await store.ArrivedAsync().WaitAsync(Deadline.Default);

        Task reporting = lease.ReportBindFailureAsync().AsTask();
        await Task.WhenAny(reporting).WaitAsync(Deadline.Default);
        bool isShown = HasAnything(registry);
        store.Release();

        (await reporting.Awaiting(task => task.WaitAsync(Deadline.Default)).Should().ThrowAsync<PortRefusedException>()).Which.Refusal.Reason.Should().Be(PortRefusalReason.AttemptsExhausted);
        isShown.Should().BeFalse();
        await registering.Awaiting(task => task.WaitAsync(Deadline.Default)).Should().ThrowAsync<PortRefusedException>();
        registry.AssertInvariants();
    }

    /// <summary>Another one reports the same failure and gives the lease back: it is over, and who
    /// stood in between does not bring it back.</summary>
    [Theory]
    [InlineData(PortProtocol.Tcp, false)]
    [InlineData(PortProtocol.Tcp, true)]
    [InlineData(PortProtocol.TcpAndUdp, false)]
    [InlineData(PortProtocol.TcpAndUdp, true)]
    public Task ReportBindFailureAsync_AnotherReportsAndReleasesBetweenAnyTwoSteps_TheLeaseIsOver(PortProtocol protocol, bool isForgotten) => EachStep.PlayAsync(async step =>
    {
        await using PortRegistry registry = Make("20000-20009");
        registry.TryAcquire(new PortRequest("a") { Protocol = protocol }, out PortLease? lease, out _).Should().BeTrue();
        Task reporting = step.Interrupt(
            () => lease!.ReportBindFailureAsync().AsTask(),
            _ => Task.Run(async () =>
            {
                await lease!.ReportBindFailureAsync();
                await lease.ReleaseAsync();
                if (isForgotten)
                {
                    registry.Parts.Table.Parts.Index.RetireIdle();   // as whoever needs a place may
                }
            }).WaitAsync(Deadline.Default).GetAwaiter().GetResult());
        await Task.WhenAny(reporting).WaitAsync(Deadline.Default);

        lease!.IsOpen.Should().Be(!step.IsReached, "step {0}", step.Number);
        HasAnything(registry).Should().Be(!step.IsReached, "step {0}", step.Number);
        registry.AssertInvariants();
    });

    /// <summary>A process registers one half of a lease for both protocols while the lease is to move:
    /// it moved before, or it stays with both halves where it is.</summary>
    [Theory]
    [InlineData(PortProtocol.Tcp)]
    [InlineData(PortProtocol.Udp)]
    public async Task ReportBindFailureAsync_AProcessRegistersOneHalfBetweenAnyTwoSteps_BothAreOnOnePort(PortProtocol half)
    {
        int stayed = 0;
        await EachStep.PlayAsync(async step =>
        {
            await using PortRegistry registry = Make("20000-20009");
            PortSession session = registry.OpenSession(Environment.ProcessId);
            registry.TryAcquire(new PortRequest("a") { Protocol = PortProtocol.TcpAndUdp }, out PortLease? lease, out _).Should().BeTrue();
            PortClaimRequest its = new("a", 20_000) { Epoch = lease!.Epoch, Protocol = half };
            bool isRegistered = false;
            Task reporting = step.Interrupt(
                () => lease.ReportBindFailureAsync().AsTask(),
                _ => isRegistered = Task.Run(() => session.TryRegister(its, out PortEntry _, out PortRefusal? _)).WaitAsync(Deadline.Default).GetAwaiter().GetResult());
            await Task.WhenAny(reporting).WaitAsync(Deadline.Default);
            long epoch = lease.Epoch;

            stayed += isRegistered ? 1 : 0;
            reporting.IsFaulted.Should().Be(isRegistered, "step {0}", step.Number);
            lease.IsOpen.Should().BeTrue("step {0}: half of it at least waits for its process", step.Number);
            (lease.Port == 20_000).Should().Be(isRegistered, "step {0}", step.Number);
            foreach (PortProtocol protocol in (PortProtocol[])[PortProtocol.Tcp, PortProtocol.Udp])
            {
                registry.TryGetEntry("a", out PortEntry entry, protocol).Should().BeTrue("step {0}, {1}", step.Number, protocol);
                entry.Port.Should().Be(lease.Port, "step {0}, {1}", step.Number, protocol);
                session.TryRegister(new PortClaimRequest("a", lease.Port) { Epoch = epoch, Protocol = protocol }, out _, out PortRefusal? refusal).Should().BeTrue("step {0}, {1}: {2}", step.Number, protocol, refusal);
            }

            await lease.WhenBound.WaitAsync(Deadline.Default);
            registry.AssertInvariants();
        });

        stayed.Should().BeGreaterThan(3);
    }

    /// <summary>A process tries both halves of a lease while it is to move: a lease that is open waits
    /// for a process somewhere, and one that does not is told so.</summary>
    [Theory]
    [InlineData(PortProtocol.Tcp)]
    [InlineData(PortProtocol.Udp)]
    public async Task ReportBindFailureAsync_AProcessRegistersBothHalvesBetweenAnyTwoSteps_TheLeaseIsSomewhereOrOver(PortProtocol first)
    {
        int over = 0;
        await EachStep.PlayAsync(async step =>
        {
            await using PortRegistry registry = Make("20000-20009");
            PortSession session = registry.OpenSession(Environment.ProcessId);
            registry.TryAcquire(new PortRequest("a") { Protocol = PortProtocol.TcpAndUdp }, out PortLease? lease, out _).Should().BeTrue();
            long epoch = lease!.Epoch;
            PortProtocol[] protocols = first == PortProtocol.Tcp ? [PortProtocol.Tcp, PortProtocol.Udp] : [PortProtocol.Udp, PortProtocol.Tcp];
            Task reporting = step.Interrupt(
                () => lease.ReportBindFailureAsync().AsTask(),
                _ => Task.Run(() =>
                {
                    foreach (PortProtocol protocol in protocols)
                    {
                        session.TryRegister(new PortClaimRequest("a", 20_000) { Epoch = epoch, Protocol = protocol }, out PortEntry _, out PortRefusal? _);
                    }
                }).WaitAsync(Deadline.Default).GetAwaiter().GetResult());
            await Task.WhenAny(reporting).WaitAsync(Deadline.Default);

            bool waits = protocols.Any(protocol => registry.TryGetEntry("a", out PortEntry entry, protocol) && entry.State == PortState.Reserved);
            lease.IsOpen.Should().Be(waits, "step {0}", step.Number);
            over += waits ? 0 : 1;
            registry.AssertInvariants();
        });

        over.Should().BeGreaterThan(0);
    }

    /// <summary>The port of a lease that moves is nobody else's before it has.</summary>
    [Fact]
    public async Task ReportBindFailureAsync_AnotherAcquiresThePortBetweenAnyTwoSteps_ItIsNotOfTwo()
    {
        int acquired = 0;
        await EachStep.PlayAsync(async step =>
        {
            await using PortRegistry registry = Make("20000-20001", options => options.ReuseDelay = TimeSpan.Zero);
            registry.TryAcquire("a", out PortLease? lease, out _).Should().BeTrue();
            int ofOne = 0, ofOther = 0;
            Task reporting = step.Interrupt(
                () => lease!.ReportBindFailureAsync().AsTask(),
                _ => Task.Run(() =>
                {
                    ofOther = registry.TryAcquire(new PortRequest("b") { Previous = 20_000, Reuse = PortReuse.Require }, out PortLease? other, out PortRefusal? _) ? other.Port : 0;
                    ofOne = registry.TryGetEntry("a", out PortEntry entry) ? entry.Port : 0;
                }).WaitAsync(Deadline.Default).GetAwaiter().GetResult());
            await Task.WhenAny(reporting).WaitAsync(Deadline.Default);

            acquired += ofOther != 0 ? 1 : 0;
            (ofOther != 0 && ofOne == ofOther).Should().BeFalse("step {0}: lookups show it there", step.Number);
            registry.AssertInvariants();
        });

        acquired.Should().BeGreaterThan(0);
    }

    /// <summary>Who is told that the lease has another port finds it there: also when a process has
    /// registered by it, or it was ended, and nobody has told the lease.</summary>
    [Theory]
    [InlineData("registers", "20000-20009")]
    [InlineData("reports", "20000-20001")]
    public Task ReportBindFailureAsync_WhoUsesTheLeaseStandsBeforeItIsTold_IsNotToldThatItMoved(string what, string ports) => EachStep.PlayAsync(async step =>
    {
        await using PortRegistry registry = Make(ports);
        PortSession session = registry.OpenSession(Environment.ProcessId);
        registry.TryAcquire("a", out PortLease? lease, out _).Should().BeTrue();
        PortClaimRequest its = new("a", 20_000) { Epoch = lease!.Epoch };
        StandingThread? other = null;
        bool isSame = false;
        Task reporting = step.Interrupt(
            () => lease.ReportBindFailureAsync().AsTask(),
            _ =>
            {
                isSame = lease.Port == 20_000;   // else it reports the next failure
                other = new StandingThread(
                    () => what == "registers" ? session.RegisterAsync(its).AsTask() : lease.ReportBindFailureAsync().AsTask(),
                    at => at is Step.RegisterLease or Step.SetOutcome);
            });
        await Task.WhenAny(reporting).WaitAsync(Deadline.Default);
        int told = lease.Port;
        bool isShown = registry.TryGetEntry("a", out PortEntry entry);
        await Task.WhenAny(other?.GoOn() ?? Task.CompletedTask).WaitAsync(Deadline.Default);

        if (reporting.IsCompletedSuccessfully && isSame && other!.Stood)
        {
            isShown.Should().BeTrue("step {0}", step.Number);
            (entry.State, entry.Port).Should().Be((PortState.Reserved, told), "step {0}", step.Number);
            told.Should().NotBe(20_000, "step {0}", step.Number);
        }

        registry.AssertInvariants();
    });

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
            await using PortRegistry registry = Make("20000-20009");
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
        await using PortRegistry registry = Make("20000-20009");
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

    /// <summary>Whether any lookup shows a lease or a registration.</summary>
    private static bool HasAnything(PortRegistry registry) =>
        ((PortProtocol[])[PortProtocol.Tcp, PortProtocol.Udp]).Any(protocol => registry.TryGetEntry("a", out PortEntry _, protocol)
            || (registry.TryGetEntry(20_000, out PortEntry shown, protocol) && shown.State is PortState.Reserved or PortState.Bound))
        || registry.Snapshot().Entries.Any(entry => entry.State is PortState.Reserved or PortState.Bound);

    private static PortRegistry Make(string ports, Action<PortRegistryOptions>? configure = null)
    {
        PortRegistryOptions options = new() { Ports = ports, Strategy = PortRegistryOptions.AllocatorPicks, Order = PortOrder.LowestFree, Probe = false };
        configure?.Invoke(options);
        return new PortRegistry(options);
    }
}
