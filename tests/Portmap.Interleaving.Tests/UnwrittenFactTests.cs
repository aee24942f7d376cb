using System.Globalization;
using Portmap.Interleaving.Tests.Histories;
using Portmap.Interleaving.Tests.Scheduling;
using Portmap.Persistence;
using Portmap.Table;
using Portmap.Tests.Persistence;

namespace Portmap.Interleaving.Tests;

/// <summary>Threads that are suspended while a fact is on its way to the disk.</summary>
public sealed class UnwrittenFactTests : IDisposable
{
    public void Dispose() => Hook.Reached = null;

    [Fact]
    public async Task AcquireAsync_EndOfThePortIsInNoQueueYet_IsWrittenAfterIt()
    {
        FakePortStore store = new();
        await using PortRegistry registry = await OpenAsync(store, "20000", options => options.ReuseDelay = TimeSpan.Zero);
        PortSession session = registry.OpenSession(Environment.ProcessId);
        await session.RegisterAsync(new PortClaimRequest("a", 20_000)).AsTask().WaitAsync(Deadline.Default);
        PortLease? lease = null;
        Func<Step, bool> hasEnded = StandingThread.AfterAnEnd();
        Hook.Reached = step =>
        {
            if (hasEnded(step))
            {
                Hook.Reached = null;   // it has ended, and is told nobody yet
                lease = Task.Run(() => registry.AcquireAsync(new PortRequest("b") { Previous = 20_000, Reuse = PortReuse.Require }).AsTask())
                    .WaitAsync(Deadline.Default).GetAwaiter().GetResult();
            }
        };

        await session.ReleaseAsync("a").AsTask().WaitAsync(Deadline.Default);

        lease!.Port.Should().Be(20_000);
        Written(store).Where(fact => !fact.IsMark).Select(fact => $"{fact.Owner} {fact.State}").Distinct()
            .Should().Equal(["a Bound", "a Cooling", "b Reserved"], "after a crash in between the port must not be of two");
    }

    /// <summary>The thread that put the fact of a lease into the queue has yet to mark it so, when
    /// another one has ended the lease and has yet to queue that.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task ReleaseAsync_WhoAcquiredHasNotMarkedItsFactYet_IsOnDiskWhenItIsConfirmed(bool ofBoth)
    {
        FakePortStore store = new();
        await using PortRegistry registry = await OpenAsync(store, "20000", options => options.ReuseDelay = TimeSpan.Zero);
        StandingThread? releasing = null;
        PortFact[] confirmed = [];
        int reads = 0;
        Hook.Reached = step =>
        {
            if (releasing is null && step == Step.MarkFact)
            {
                Action<Step> hook = Hook.Reached!;
                Hook.Reached = null;
                registry.FlushAsync().WaitAsync(Deadline.Default).GetAwaiter().GetResult();
                releasing = new StandingThread(() => registry.ReleaseAsync("a").AsTask(), StandingThread.AfterAnEnd());
                Hook.Reached = hook;
            }
            else if (releasing is not null && step == Step.ReadWord && ++reads == 2)   // the mark failed, and it has looked why
            {
                Hook.Reached = null;
                releasing.GoOn().WaitAsync(Deadline.Default).GetAwaiter().GetResult();
                confirmed = Written(store);
            }
        };
        Task<PortLease> acquiring = registry.AcquireAsync(new PortRequest("a") { Protocol = ofBoth ? PortProtocol.TcpAndUdp : PortProtocol.Tcp }).AsTask();
        Hook.Reached = null;
        releasing!.Stood.Should().BeTrue();
        await Task.WhenAny(acquiring).WaitAsync(Deadline.Default);

        confirmed.Where(fact => fact.Owner == "a" && fact.Protocol == PortProtocol.Tcp).Select(fact => fact.State).Distinct().Should().Equal(PortState.Reserved, PortState.Cooling);
        await registry.ReleaseAsync(new PortClaimRequest("a") { Protocol = PortProtocol.Udp }).AsTask().WaitAsync(Deadline.Default);
        PortLease next = await registry.AcquireAsync(new PortRequest("b") { Previous = 20_000, Reuse = PortReuse.Require }).AsTask().WaitAsync(Deadline.Default);
        next.Port.Should().Be(20_000);
    }

    /// <summary>The store may forget the end of a lease without a number as soon as it is on
    /// disk.</summary>
    [Theory]
    [InlineData(PortRegistryOptions.ProcessBinds)]
    [InlineData(PortRegistryOptions.AllocatorPicks)]
    public async Task ExtendAsync_LeaseIsReleasedBetweenAnyTwoSteps_ItsEndIsTheLastThatIsTold(string strategy)
    {
        int released = 0;
        await EachStep.PlayAsync(async step =>
        {
            FakePortStore store = new();
            await using PortRegistry registry = await OpenAsync(store, "20000", options => options.Strategy = strategy);
            PortLease lease = await registry.AcquireAsync("a").AsTask().WaitAsync(Deadline.Default);
            Task extending = step.Interrupt(
                () => lease.ExtendAsync(TimeSpan.FromMinutes(10)).AsTask(),
                _ => Task.Run(() => lease.ReleaseAsync().AsTask()).WaitAsync(Deadline.Default).GetAwaiter().GetResult());
            await Task.WhenAny(extending).WaitAsync(Deadline.Default);
            await registry.FlushAsync().WaitAsync(Deadline.Default);

            released += step.IsReached ? 1 : 0;
            Written(store).Last(fact => fact.Owner == "a").State.Should().Be(step.IsReached ? PortState.Cooling : PortState.Reserved, "step {0}", step.Number);
        });

        released.Should().BeGreaterThan(3);
    }

    /// <summary>Two give the same port back at once, and the first is suspended before it has told
    /// the store.</summary>
    [Theory]
    [InlineData("registration", "by its name")]
    [InlineData("registration", "by its epoch")]
    [InlineData("lease", "by its name")]
    [InlineData("lease", "by the lease")]
    public Task ReleaseAsync_AnotherEndedItAndHasToldNobody_IsConfirmedWhenTheEndIsOnDisk(string what, string how) => EachStep.PlayAsync(
        async step =>
        {
            FakePortStore store = new();
            await using PortRegistry registry = await OpenAsync(store, "20000");
            PortSession session = registry.OpenSession(Environment.ProcessId);
            PortLease lease = await registry.AcquireAsync("a").AsTask().WaitAsync(Deadline.Default);
            PortClaimRequest its = new("a", 20_000) { Epoch = lease.Epoch };
            if (what == "registration")
            {
                await session.RegisterAsync(its).AsTask().WaitAsync(Deadline.Default);
            }

            PortFact[] facts = [];
            Task releasing = step.Interrupt(
                () => what == "registration" ? session.ReleaseAsync("a").AsTask() : lease.ReleaseAsync().AsTask(),
                _ =>
                {
                    registry.Parts.Table.Parts.Index.RetireIdle();   // as whoever needs a place may
                    Task.Run(() => how switch
                    {
                        "by its name" => registry.ReleaseAsync("a").AsTask(),
                        "by its epoch" => registry.ReleaseAsync(its).AsTask(),
                        _ => lease.ReleaseAsync().AsTask(),
                    }).WaitAsync(Deadline.Default).GetAwaiter().GetResult();
                    facts = Written(store);
                });
            await releasing.WaitAsync(Deadline.Default);

            if (step.IsReached)
            {
                facts.Should().Contain(fact => fact.Owner == "a" && fact.State == PortState.Cooling, "step {0}: the second release was confirmed", step.Number);
            }
        },
        least: 4);

    /// <summary>Two give the same port back at once, and the registry ends before the first has told
    /// the store.</summary>
    [Theory]
    [InlineData("by its name")]
    [InlineData("by its epoch")]
    [InlineData("by the lease")]
    public async Task ReleaseAsync_EndOfAnotherCameTooLateForTheStore_IsNotConfirmed(string how)
    {
        int late = 0;
        await EachStep.PlayAsync(async step =>
        {
            FakePortStore store = new();
            PortRegistry registry = await OpenAsync(store, "20000");
            PortSession session = registry.OpenSession(Environment.ProcessId);
            PortLease lease = await registry.AcquireAsync("a").AsTask().WaitAsync(Deadline.Default);
            PortClaimRequest its = new("a", 20_000) { Epoch = lease.Epoch };
            await session.RegisterAsync(its).AsTask().WaitAsync(Deadline.Default);
            bool isLate = false;
            Task second = step.Interrupt(
                () => how switch
                {
                    "by its name" => session.ReleaseAsync("a").AsTask(),
                    "by its epoch" => session.ReleaseAsync(its).AsTask(),
                    _ => lease.ReleaseAsync().AsTask(),
                },
                _ =>
                {
                    Task first = Task.Run(() =>
                    {
                        Func<Step, bool> hasEnded = StandingThread.AfterAnEnd();
                        Hook.Reached = at =>
                        {
                            if (hasEnded(at))
                            {
                                Hook.Reached = null;   // it has ended, and is told nobody yet
                                isLate = true;
                                registry.DisposeAsync().AsTask().WaitAsync(Deadline.Default).GetAwaiter().GetResult();
                            }
                        };
                        Task releasing = session.ReleaseAsync("a").AsTask();
                        Hook.Reached = null;
                        return releasing;
                    });
                    Task.WhenAny(first).WaitAsync(Deadline.Default).GetAwaiter().GetResult();
                    first.IsFaulted.Should().Be(isLate, "step {0}: its end is not in the state", step.Number);
                });
            await Task.WhenAny(second).WaitAsync(Deadline.Default);
            await registry.DisposeAsync().AsTask().WaitAsync(Deadline.Default);

            late += isLate ? 1 : 0;
            bool isOnDisk = Written(store).Any(fact => fact.Owner == "a" && fact.State == PortState.Cooling);
            (second.IsCompletedSuccessfully && !isOnDisk).Should().BeFalse("step {0}: it was confirmed, and is not on disk", step.Number);
            _ = second.Exception;
        });

        late.Should().BeGreaterThan(0);
    }

    [Fact]
    public async Task TryGetEntry_WriteOfALeaseFailsBetweenTwoLooks_AnswersNoLeaseThatNeverWas()
    {
        FakePortStore store = new();
        await using PortRegistry registry = await OpenAsync(store, "20000");
        store.Hold();
        store.Fail();
        Task<PortLease> acquiring = registry.AcquireAsync("a").AsTask();
        await store.ArrivedAsync().WaitAsync(Deadline.Default);
        int looks = 0;
        Hook.Reached = step =>
        {
            if (step == Step.ReadSlot && ++looks == 3)   // the first is that of the lookup that is nearly always enough, the second begins the one that is
            {
                Hook.Reached = null;
                store.Release();
                ((Func<Task>)(() => acquiring)).Should().ThrowAsync<PortRefusedException>().WaitAsync(Deadline.Default).GetAwaiter().GetResult();
            }
        };

        bool found = registry.TryGetEntry(20_000, out PortEntry entry);

        looks.Should().Be(3, "else it was not stopped");
        (found && entry.State == PortState.Reserved).Should().BeFalse("the lease was refused: {0}", entry);
        store.Heal();
    }

    [Fact]
    public async Task AcquireAsync_EndOfTheOnlyPortComesToTheDiskMeanwhile_IsGivenThePort()
    {
        FakePortStore store = new();
        await using PortRegistry registry = await OpenAsync(store, "20000", options => options.ReuseDelay = TimeSpan.Zero);
        PortLease lease = await registry.AcquireAsync("a").AsTask().WaitAsync(Deadline.Default);
        store.Hold();
        Task releasing = lease.ReleaseAsync().AsTask();
        await store.ArrivedAsync().WaitAsync(Deadline.Default);
        bool isReached = false;
        Hook.Reached = step =>
        {
            if (step == Step.AskWriter)
            {
                Hook.Reached = null;
                isReached = true;
                store.Release();
                releasing.WaitAsync(Deadline.Default).GetAwaiter().GetResult();
                registry.FlushAsync().WaitAsync(Deadline.Default).GetAwaiter().GetResult();
            }
        };

        PortLease next = await registry.AcquireAsync("b").AsTask().WaitAsync(Deadline.Default);

        next.Port.Should().Be(20_000, "it was given back before b asked");
        isReached.Should().BeTrue();
    }

    /// <summary>The last batch is on its way when an acquisition is taken back of which a part is in
    /// it: nothing is told the store any more.</summary>
    [Theory]
    [InlineData(PortProtocol.Tcp)]
    [InlineData(PortProtocol.TcpAndUdp)]
    public Task AcquireAsync_RegistryEndsBetweenAnyTwoSteps_IsGivenAndOnDiskOrNeither(PortProtocol protocol) => EachStep.PlayAsync(async step =>
    {
        TurnByTurn store = new();
        PortRegistry registry = await OpenAsync(store);
        store.Hold();
        Task<PortLease> other = registry.AcquireAsync("other").AsTask();
        TaskCompletionSource turn = await store.Turns.Reader.ReadAsync().AsTask().WaitAsync(Deadline.Default);
        Task disposing = Task.CompletedTask;
        TaskCompletionSource? last = null;
        Task<PortLease> acquiring = step.Interrupt(
            () => registry.AcquireAsync(new PortRequest("a") { Protocol = protocol }).AsTask(),
            _ =>
            {
                disposing = registry.DisposeAsync().AsTask();
                turn.SetResult();
                SpinWait.SpinUntil(() => store.Turns.Reader.TryRead(out last) || disposing.IsCompleted, Deadline.Default).Should().BeTrue("step {0}", step.Number);
            });
        store.Release();
        turn.TrySetResult();
        last?.SetResult();
        bool isGiven = await Task.WhenAny(acquiring).WaitAsync(Deadline.Default) is { IsCompletedSuccessfully: true };
        await disposing.WaitAsync(Deadline.Default);
        await registry.DisposeAsync().AsTask().WaitAsync(Deadline.Default);

        (HalvesOf(store) > 0).Should().Be(isGiven, "step {0}", step.Number);
        _ = other.Exception;
    });

    /// <summary>Half of a lease for both protocols is on disk, for somebody met it before the other one
    /// was there, and the other half is on its way when the registry ends.</summary>
    [Fact]
    public async Task AcquireAsync_RegistryEndsWhileTheOtherHalfIsOnItsWay_IsGivenAndOnDiskOrNeither()
    {
        int halves = 0;
        await EachStep.PlayAsync(async step =>
        {
            TurnByTurn store = new();
            PortRegistry registry = await OpenAsync(store);
            Task<PortLease> acquiring = step.Interrupt(
                () => registry.AcquireAsync(new PortRequest("a") { Protocol = PortProtocol.TcpAndUdp }).AsTask(),
                _ =>
                {
                    LookAndFlush(registry);
                    halves += store.Facts.Count(fact => fact.Owner == "a");
                    store.Hold();
                });
            TaskCompletionSource? turn = null;
            SpinWait.SpinUntil(() => store.Turns.Reader.TryRead(out turn) || acquiring.IsCompleted, Deadline.Default).Should().BeTrue("step {0}", step.Number);
            Task disposing = registry.DisposeAsync().AsTask();
            store.Release();
            turn?.SetResult();
            bool isGiven = await Task.WhenAny(acquiring).WaitAsync(Deadline.Default) is { IsCompletedSuccessfully: true };
            await disposing.WaitAsync(Deadline.Default);

            HalvesOf(store).Should().Be(isGiven ? 2 : 0, "step {0}", step.Number);
        });

        halves.Should().BeGreaterThan(0, "else no half was on disk alone");
    }

    /// <summary>The registry ends, with all that was told it on disk, while the thread stands between
    /// any two steps: half of its lease may be there, for somebody met it, and the other half comes
    /// too late.</summary>
    [Fact]
    public async Task AcquireAsync_RegistryHasEndedBetweenAnyTwoSteps_IsGivenAndOnDiskOrNeither()
    {
        int halves = 0;
        await EachStep.PlayAsync(async step =>
        {
            TurnByTurn store = new();
            PortRegistry registry = await OpenAsync(store);
            Task<PortLease> acquiring = step.Interrupt(
                () => registry.AcquireAsync(new PortRequest("a") { Protocol = PortProtocol.TcpAndUdp }).AsTask(),
                _ =>
                {
                    LookAndFlush(registry);
                    halves += store.Facts.Count(fact => fact.Owner == "a") == 1 ? 1 : 0;
                    registry.DisposeAsync().AsTask().WaitAsync(Deadline.Default).GetAwaiter().GetResult();
                });
            bool isGiven = await Task.WhenAny(acquiring).WaitAsync(Deadline.Default) is { IsCompletedSuccessfully: true };
            await registry.DisposeAsync().AsTask().WaitAsync(Deadline.Default);

            HalvesOf(store).Should().Be(isGiven ? 2 : 0, "step {0}: {1}", step.Number, string.Join(", ", store.Facts.Select(fact => $"{fact.Owner} {fact.Protocol} {fact.State}")));
        });

        halves.Should().BeGreaterThan(0, "else no half was on disk alone");
    }

    /// <summary>The same of a lease that gets another port: what a restart finds is one lease for both
    /// protocols, there or here, or none. Without others who look nothing is on disk by
    /// halves.</summary>
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public async Task ReportBindFailureAsync_RegistryHasEndedBetweenAnyTwoSteps_BothHalvesAreOnDiskOrNeither(int looks)
    {
        int halves = 0, moved = 0;
        bool isReached = true;
        for (int at = 1; isReached; at++)
        {
            TurnByTurn store = new();
            PortRegistryOptions options = new() { Ports = "20000-20003", Strategy = PortRegistryOptions.AllocatorPicks, Probe = false, MaxOwners = 64 };
            PortRegistry registry = await PortRegistry.OpenAsync(options, store);
            PortLease lease = await registry.AcquireAsync(new PortRequest("a") { Protocol = PortProtocol.TcpAndUdp }).AsTask().WaitAsync(Deadline.Default);
            long epoch = lease.Epoch;
            bool isOver = false;
            int steps = 0;
            isReached = false;
            Hook.Reached = step =>
            {
                if (++steps == at)
                {
                    Hook.Reached = null;
                    isReached = true;
                    registry.FlushAsync().WaitAsync(Deadline.Default).GetAwaiter().GetResult();
                    for (int look = 0; look < looks; look++)
                    {
                        LookAndFlush(registry);
                    }

                    halves += store.Facts.Count(fact => fact.Epoch > epoch && fact.State == PortState.Reserved) == 1 ? 1 : 0;
                    isOver = store.Facts.Any(fact => fact.Epoch == epoch && fact.State == PortState.Cooling);
                    registry.DisposeAsync().AsTask().WaitAsync(Deadline.Default).GetAwaiter().GetResult();
                }
            };
            Task reporting = lease.ReportBindFailureAsync().AsTask();
            Hook.Reached = null;
            bool isMoved = await Task.WhenAny(reporting).WaitAsync(Deadline.Default) is { IsCompletedSuccessfully: true };
            moved += isMoved ? 1 : 0;
            await registry.DisposeAsync().AsTask().WaitAsync(Deadline.Default);

            PortFactSet standing = new();
            store.Facts.ForEach(standing.Apply);
            string told = string.Join(", ", store.Facts.Where(fact => fact.Owner == "a").Select(fact => $"{fact.Protocol} {fact.Port} {fact.Epoch} {fact.State}"));
            long[] left = [.. ((PortProtocol[])[PortProtocol.Tcp, PortProtocol.Udp]).Select(protocol => standing.Claims.Where(fact => fact.Protocol == protocol && fact.State == PortState.Reserved).Max(fact => (long?)fact.Epoch) ?? 0)];
            left[0].Should().Be(left[1], "step {0}: {1}", at, told);
            (left[0] > epoch).Should().Be(isMoved, "step {0}: {1}; {2}", at, told, reporting.Exception);
            left[0].Should().BeGreaterThan(isOver && !isMoved ? -1 : 0, "step {0}: nothing of it is over on disk: {1}", at, told);
            store.Facts.Should().NotContain(fact => looks == 0 && fact.State == PortState.Reserved && fact.Group != fact.Epoch, "one line holds both");
        }

        moved.Should().BeGreaterThan(0);
        (halves > 0).Should().Be(looks > 0);
    }

    /// <summary>A process registers by half of a lease that is on disk, and the other half does not come
    /// there.</summary>
    [Fact]
    public async Task AcquireAsync_HalfIsRegisteredAndTheOtherOneFails_ItsPlaceholderStays()
    {
        int registered = 0, port = PortBlock.TakeOne();
        bool isReached = true;
        for (int at = 1; isReached; at++)
        {
            FakePortStore store = new();
            PortRegistryOptions options = new() { Ports = port.ToString(CultureInfo.InvariantCulture), Strategy = PortRegistryOptions.AllocatorPicks, Guard = PortGuardMode.WhileAlive, ReuseDelay = TimeSpan.Zero, MaxOwners = 64 };
            await using PortRegistry registry = await PortRegistry.OpenAsync(options, store);
            PortSession session = registry.OpenSession(Environment.ProcessId);
            int steps = 0;
            isReached = false;
            Hook.Reached = step =>
            {
                if (++steps == at)
                {
                    Hook.Reached = null;
                    isReached = true;
                    LookAndFlush(registry);
                    if (Written(store).Count(fact => fact.Owner == "a") == 1)
                    {
                        registered++;
                        Task.Run(() => session.RegisterAsync(new PortClaimRequest("a", port)).AsTask()).WaitAsync(Deadline.Default).GetAwaiter().GetResult();
                        store.Fail();
                    }
                }
            };
            Task<PortLease> acquiring = registry.AcquireAsync(new PortRequest("a") { Protocol = PortProtocol.TcpAndUdp }).AsTask();
            Hook.Reached = null;
            await Task.WhenAny(acquiring).WaitAsync(Deadline.Default);
            store.Heal();

            Audit.Lie(registry).Should().BeNull("step {0}: {1}", at, acquiring.Exception);
        }

        registered.Should().BeGreaterThan(0);
    }

    /// <summary>A process that asks for the owner brings what is pending there as far as it
    /// comes.</summary>
    private static void LookAndFlush(PortRegistry registry)
    {
        registry.Parts.Table.Look(registry.Parts.Table.Key(PortProtocol.Tcp, "a"), registry.Parts.NowMs);
        registry.FlushAsync().WaitAsync(Deadline.Default).GetAwaiter().GetResult();
    }

    [Theory]
    [InlineData(PortProtocol.Tcp)]
    [InlineData(PortProtocol.TcpAndUdp)]
    public Task AcquireAsync_AProcessTakesThePortBetweenAnyTwoLooks_IsGivenAnother(PortProtocol protocol) => EachStep.PlayAsync(async step =>
    {
        FakePortStore store = new();
        await using PortRegistry registry = await OpenAsync(store, "20000-20001", options => options.Order = PortOrder.LowestFree);
        PortSession session = registry.OpenSession(Environment.ProcessId);
        store.Hold();
        PortSlots slots = registry.Parts.Table.Parts.Space(PortProtocol.Tcp).Slots;
        Task? registering = null;
        Task<PortLease> acquiring = step.Interrupt(
            () => registry.AcquireAsync(new PortRequest("a") { Protocol = protocol }).AsTask(),
            _ =>
            {
                registering = Task.Run(() => session.RegisterAsync(new PortClaimRequest("process", 20_000)).AsTask());
                SpinWait.SpinUntil(() => slots[20_000] is PortClaim { IsLease: false }, Deadline.Default).Should().BeTrue("it listens there, and nothing is on disk");
            },
            counts: at => at == Step.ReadWord && slots[20_000] is PortClaim { IsLease: true });
        store.Release();

        PortLease lease = await acquiring.WaitAsync(Deadline.Default);

        await (registering ?? Task.CompletedTask).WaitAsync(Deadline.Default);
        lease.Port.Should().Be(step.IsReached ? 20_001 : 20_000, "look {0}", step.Number);
        lease.IsOpen.Should().BeTrue("look {0}", step.Number);
        registry.AssertInvariants();
    });

    [Theory]
    [InlineData("acquires")]
    [InlineData("acquires in a group")]
    [InlineData("acquires in a group, in the background")]
    [InlineData("acquires, in the background")]
    [InlineData("extends")]
    public async Task RegisterAsync_BetweenAnyTwoStepsOfTheLeasesThread_IsThereAfterARestart(string what)
    {
        int registered = 0;
        await EachStep.PlayAsync(async step =>
        {
            FakePortStore store = new();
            await using PortRegistry registry = await OpenAsync(
                store,
                "20000-20001",
                options => (options.Order, options.Durability) = (PortOrder.LowestFree, what.EndsWith("background", StringComparison.Ordinal) ? PortDurability.Background : PortDurability.Confirmed));
            PortSession session = registry.OpenSession(Environment.ProcessId);
            PortSlots slots = registry.Parts.Table.Parts.Space(PortProtocol.Tcp).Slots;
            PortLease? open = what == "extends" ? await registry.AcquireAsync("a").AsTask().WaitAsync(Deadline.Default) : null;
            Task<PortEntry>? registering = null;
            PortClaim? lease = null;
            bool isLooking = false;   // a look at the slot is a step as well
            Task changing = step.Interrupt<Task>(
                () => what switch
                {
                    "extends" => open!.ExtendAsync(TimeSpan.FromHours(1)).AsTask(),
                    "acquires" or "acquires, in the background" => registry.AcquireAsync("a").AsTask(),
                    _ => registry.AcquireAllAsync(["a", "b"]).AsTask(),
                },
                _ =>
                {
                    registering = Task.Run(() => session.RegisterAsync(new PortClaimRequest("a", 20_000) { Epoch = lease!.Epoch }).AsTask());
                    ((IAsyncResult)registering).AsyncWaitHandle.WaitOne(Deadline.Default).Should().BeTrue("nobody waits for the thread that stands here");
                },
                counts: _ =>
                {
                    if (isLooking)
                    {
                        return false;
                    }

                    isLooking = true;
                    lease = slots[20_000] is PortClaim { IsLease: true, Cell: not null } claim ? claim : null;
                    isLooking = false;
                    return lease is not null;
                });
            await Task.WhenAny(changing).WaitAsync(Deadline.Default);
            if (registering is { IsCompletedSuccessfully: true } && registry.TryGetPort("a", out int port))
            {
                registered++;
                await registry.FlushAsync().WaitAsync(Deadline.Default);
                PortFactSet facts = new();
                Array.ForEach(Written(store), facts.Apply);

                PortFact standing = facts.Claims.Single(fact => fact.Owner == "a" && fact.Port == port);
                standing.State.Should().Be(PortState.Bound, "step {0} of a thread that {1}: {2}", step.Number, what, string.Join(", ", Written(store).Select(fact => $"{fact.Owner} {fact.Port} {fact.Epoch} {fact.State}")));
            }
        });

        registered.Should().BeGreaterThan(0, "otherwise nothing was looked for after a restart");
    }

    /// <summary>The worker tries its lease over two connections. While the first try stands between any
    /// two steps the store fails, by which the second one is refused, and works again.</summary>
    [Theory]
    [InlineData(PortRegistryOptions.AllocatorPicks, false)]
    [InlineData(PortRegistryOptions.ProcessBinds, false)]
    [InlineData(PortRegistryOptions.ProcessBinds, true)]
    public async Task RegisterAsync_StoreFailsAnotherTryBetweenAnyTwoSteps_TheNextTryIsThereAfterARestart(string strategy, bool isServed)
    {
        int refused = 0;
        bool isReached = true;
        for (int number = 1; isReached; number++)
        {
            FakePortStore store = new();
            TurnedClock clock = new();
            PortRegistryOptions options = new() { Ports = "20000", Strategy = strategy, Probe = false, MaxOwners = 64 };
            await using PortRegistry registry = await PortRegistry.OpenAsync(options, store, timeProvider: clock);
            PortSession session = registry.OpenSession(Environment.ProcessId), other = registry.OpenSession(Environment.ProcessId);
            PortEntry served = isServed ? await session.RegisterAsync(new PortClaimRequest("a", 20_000)).AsTask().WaitAsync(Deadline.Default) : default;
            PortLease lease = await registry.AcquireAsync("a").AsTask().WaitAsync(Deadline.Default);
            PortClaimRequest its = new("a", 20_000) { Epoch = lease.Epoch };
            int steps = 0, at = number;
            isReached = false;
            Hook.Reached = _ =>
            {
                if (++steps == at)
                {
                    Hook.Reached = null;
                    isReached = true;
                    store.Fail();
                    Task second = Task.Run(() => other.RegisterAsync(its).AsTask());
                    ((IAsyncResult)second).AsyncWaitHandle.WaitOne(Deadline.Default).Should().BeTrue("nobody waits for the thread that stands here");
                    refused += second.Exception?.InnerException is PortRefusedException { Refusal.Reason: PortRefusalReason.StoreFailed } ? 1 : 0;
                    store.Heal();
                    registry.FlushAsync().WaitAsync(Deadline.Default).GetAwaiter().GetResult();
                    clock.NowMs += 10;
                }
            };
            Task<PortEntry> first = session.RegisterAsync(its).AsTask();
            Hook.Reached = null;
            await Task.WhenAny(first).WaitAsync(Deadline.Default);
            await registry.FlushAsync().WaitAsync(Deadline.Default);
            if (isServed && first.IsFaulted)
            {
                Standing().Fence.Should().Be(served.Epoch, "step {0}: what was there before goes on: {1}", at, Told());
            }

            PortEntry entry = await session.RegisterAsync(its).AsTask().WaitAsync(Deadline.Default);

            await registry.FlushAsync().WaitAsync(Deadline.Default);
            (Standing().State, Standing().Epoch).Should().Be((PortState.Bound, entry.Epoch!.Value), "step {0}: {1}", at, Told());

            PortFact Standing()
            {
                PortFactSet facts = new();
                Array.ForEach(Written(store), facts.Apply);
                return facts.Claims.Single(fact => fact.Owner == "a" && fact.Port == 20_000);
            }

            string Told() => string.Join(", ", Written(store).Select(fact => $"{fact.Port} {fact.Epoch} {fact.State} {fact.At:O}"));
        }

        refused.Should().BeGreaterThan(3);
    }

    /// <summary>A registry that confirms.</summary>
    private static Task<PortRegistry> OpenAsync(IPortStore store, string ports = "20000-20003", Action<PortRegistryOptions>? configure = null)
    {
        PortRegistryOptions options = new() { Ports = ports, Strategy = PortRegistryOptions.AllocatorPicks, Probe = false, MaxOwners = 64 };
        configure?.Invoke(options);
        return PortRegistry.OpenAsync(options, store).WaitAsync(Deadline.Default);
    }

    /// <summary>What was written, in its order.</summary>
    private static PortFact[] Written(FakePortStore store) => [.. store.Batches.SelectMany(batch => batch)];

    /// <summary>How many halves of the lease of "a" a restart would find.</summary>
    private static int HalvesOf(TurnByTurn store)
    {
        PortFactSet standing = new();
        store.Facts.ForEach(standing.Apply);
        return standing.Claims.Count(fact => fact.Owner == "a" && fact.State == PortState.Reserved);
    }

    /// <summary>A clock that stands until it is turned. A look at it is a step.</summary>
    private sealed class TurnedClock : TimeProvider
    {
        private long _nowMs;

        public long NowMs { get => Volatile.Read(ref _nowMs); set => Volatile.Write(ref _nowMs, value); }

        public override long TimestampFrequency => 1_000;

        public override long GetTimestamp()
        {
            Hook.Reached?.Invoke(default);
            return NowMs;
        }

        public override DateTimeOffset GetUtcNow() => new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero).AddMilliseconds(NowMs);
    }
}
