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
        NotingStore store = new();
        PortRegistryOptions options = new() { Ports = "20000", Strategy = PortRegistryOptions.AllocatorPicks, Probe = false, ReuseDelay = TimeSpan.Zero };
        await using PortRegistry registry = await PortRegistry.OpenAsync(options, store);
        PortSession session = registry.OpenSession(Environment.ProcessId);
        await session.RegisterAsync(new PortClaimRequest("a", 20_000)).AsTask().WaitAsync(Deadline.Default);
        PortLease? lease = null;
        bool isEnding = false;
        Hook.Reached = step =>
        {
            if (isEnding && step != Step.EndClaim)
            {
                Hook.Reached = null;   // it has ended, and is told nobody yet
                lease = Task.Run(() => registry.AcquireAsync(new PortRequest("b") { Previous = 20_000, Reuse = PortReuse.Require }).AsTask())
                    .WaitAsync(Deadline.Default).GetAwaiter().GetResult();
            }

            isEnding |= step == Step.EndClaim;
        };

        await session.ReleaseAsync("a").AsTask().WaitAsync(Deadline.Default);

        lease!.Port.Should().Be(20_000);
        store.Facts.Where(fact => !fact.IsMark).Select(fact => $"{fact.Owner} {fact.State}").Distinct()
            .Should().Equal(["a Bound", "a Cooling", "b Reserved"], "after a crash in between the port must not be of two");
    }

    /// <summary>Two give the same port back at once, and the first is suspended before it has told
    /// the store.</summary>
    [Theory]
    [InlineData("registration", "by its name")]
    [InlineData("registration", "by its epoch")]
    [InlineData("lease", "by its name")]
    [InlineData("lease", "by the lease")]
    public async Task ReleaseAsync_AnotherEndedItAndHasToldNobody_IsConfirmedWhenTheEndIsOnDisk(string what, string how)
    {
        int ended = 0;
        bool isReached = true;
        for (int number = 1; isReached; number++)
        {
            NotingStore store = new();
            PortRegistryOptions options = new() { Ports = "20000", Strategy = PortRegistryOptions.AllocatorPicks, Probe = false, MaxOwners = 64 };
            await using PortRegistry registry = await PortRegistry.OpenAsync(options, store);
            PortSession session = registry.OpenSession(Environment.ProcessId);
            PortLease lease = await registry.AcquireAsync("a").AsTask().WaitAsync(Deadline.Default);
            PortClaimRequest its = new("a", 20_000) { Epoch = lease.Epoch };
            if (what == "registration")
            {
                await session.RegisterAsync(its).AsTask().WaitAsync(Deadline.Default);
            }

            PortFact[] facts = [];
            int steps = 0, at = number;
            isReached = false;
            Hook.Reached = _ =>
            {
                if (++steps == at)
                {
                    Hook.Reached = null;
                    isReached = true;
                    registry.Parts.Table.Parts.Index.RetireIdle();   // as whoever needs a place may
                    Task.Run(() => how switch
                    {
                        "by its name" => registry.ReleaseAsync("a").AsTask(),
                        "by its epoch" => registry.ReleaseAsync(its).AsTask(),
                        _ => lease.ReleaseAsync().AsTask(),
                    }).WaitAsync(Deadline.Default).GetAwaiter().GetResult();
                    facts = store.Facts;
                }
            };
            Task releasing = what == "registration" ? session.ReleaseAsync("a").AsTask() : lease.ReleaseAsync().AsTask();
            Hook.Reached = null;
            await releasing.WaitAsync(Deadline.Default);

            if (isReached)
            {
                ended++;
                facts.Should().Contain(fact => fact.Owner == "a" && fact.State == PortState.Cooling, "step {0}: the second release was confirmed", at);
            }
        }

        ended.Should().BeGreaterThan(3);
    }

    /// <summary>Two give the same port back at once, and the registry ends before the first has told
    /// the store.</summary>
    [Theory]
    [InlineData("by its name")]
    [InlineData("by its epoch")]
    [InlineData("by the lease")]
    public async Task ReleaseAsync_EndOfAnotherCameTooLateForTheStore_IsNotConfirmed(string how)
    {
        int late = 0;
        bool isReached = true;
        for (int number = 1; isReached; number++)
        {
            NotingStore store = new();
            PortRegistryOptions options = new() { Ports = "20000", Strategy = PortRegistryOptions.AllocatorPicks, Probe = false, MaxOwners = 64 };
            PortRegistry registry = await PortRegistry.OpenAsync(options, store);
            PortSession session = registry.OpenSession(Environment.ProcessId);
            PortLease lease = await registry.AcquireAsync("a").AsTask().WaitAsync(Deadline.Default);
            PortClaimRequest its = new("a", 20_000) { Epoch = lease.Epoch };
            await session.RegisterAsync(its).AsTask().WaitAsync(Deadline.Default);
            bool isLate = false, isEnding = false;
            int steps = 0, at = number;
            isReached = false;
            Hook.Reached = _ =>
            {
                if (++steps != at)
                {
                    return;
                }

                isReached = true;
                Hook.Reached = null;
                Task first = Task.Run(() =>
                {
                    Hook.Reached = step =>
                    {
                        if (isEnding && step != Step.EndClaim)
                        {
                            Hook.Reached = null;   // it has ended, and is told nobody yet
                            isLate = true;
                            registry.DisposeAsync().AsTask().WaitAsync(Deadline.Default).GetAwaiter().GetResult();
                        }

                        isEnding |= step == Step.EndClaim;
                    };
                    Task releasing = session.ReleaseAsync("a").AsTask();
                    Hook.Reached = null;
                    return releasing;
                });
                Task.WhenAny(first).WaitAsync(Deadline.Default).GetAwaiter().GetResult();
                first.IsFaulted.Should().Be(isLate, "step {0}: its end is not in the state", at);
            };
            Task second = how switch
            {
                "by its name" => session.ReleaseAsync("a").AsTask(),
                "by its epoch" => session.ReleaseAsync(its).AsTask(),
                _ => lease.ReleaseAsync().AsTask(),
            };
            Hook.Reached = null;
            await Task.WhenAny(second).WaitAsync(Deadline.Default);
            await registry.DisposeAsync().AsTask().WaitAsync(Deadline.Default);

            late += isLate ? 1 : 0;
            bool isOnDisk = store.Facts.Any(fact => fact.Owner == "a" && fact.State == PortState.Cooling);
            (second.IsCompletedSuccessfully && !isOnDisk).Should().BeFalse("step {0}: it was confirmed, and is not on disk", at);
            _ = second.Exception;
        }

        late.Should().BeGreaterThan(0);
    }

    [Fact]
    public async Task TryGetEntry_WriteOfALeaseFailsBetweenTwoLooks_AnswersNoLeaseThatNeverWas()
    {
        NotingStore store = new();
        PortRegistryOptions options = new() { Ports = "20000", Strategy = PortRegistryOptions.AllocatorPicks, Probe = false };
        await using PortRegistry registry = await PortRegistry.OpenAsync(options, store);
        TaskCompletionSource failure = store.Hold(fails: true);
        Task<PortLease> acquiring = registry.AcquireAsync("a").AsTask();
        await store.Arrived.WaitAsync(Deadline.Default);
        int looks = 0;
        Hook.Reached = step =>
        {
            if (step == Step.ReadSlot && ++looks == 3)   // the first is that of the lookup that is nearly always enough, the second begins the one that is
            {
                Hook.Reached = null;
                failure.SetResult();
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
        NotingStore store = new();
        PortRegistryOptions options = new() { Ports = "20000", Strategy = PortRegistryOptions.AllocatorPicks, Probe = false, ReuseDelay = TimeSpan.Zero };
        await using PortRegistry registry = await PortRegistry.OpenAsync(options, store);
        PortLease lease = await registry.AcquireAsync("a").AsTask().WaitAsync(Deadline.Default);
        TaskCompletionSource letGo = store.Hold(fails: false);
        Task releasing = lease.ReleaseAsync().AsTask();
        await store.Arrived.WaitAsync(Deadline.Default);
        bool isReached = false;
        Hook.Reached = step =>
        {
            if (step == Step.AskWriter)
            {
                Hook.Reached = null;
                isReached = true;
                letGo.SetResult();
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
    public async Task AcquireAsync_RegistryEndsBetweenAnyTwoSteps_IsGivenAndOnDiskOrNeither(PortProtocol protocol)
    {
        bool isReached = true;
        for (int at = 1; isReached; at++)
        {
            TurnByTurn store = new();
            PortRegistryOptions options = new() { Ports = "20000-20003", Strategy = PortRegistryOptions.AllocatorPicks, Probe = false, MaxOwners = 64 };
            PortRegistry registry = await PortRegistry.OpenAsync(options, store);
            store.Holds = true;
            Task<PortLease> other = registry.AcquireAsync("other").AsTask();
            TaskCompletionSource turn = await store.Turns.Reader.ReadAsync().AsTask().WaitAsync(Deadline.Default);
            Task disposing = Task.CompletedTask;
            TaskCompletionSource? last = null;
            int steps = 0;
            isReached = false;
            Hook.Reached = step =>
            {
                if (++steps == at)
                {
                    Hook.Reached = null;
                    isReached = true;
                    disposing = registry.DisposeAsync().AsTask();
                    turn.SetResult();
                    SpinWait.SpinUntil(() => store.Turns.Reader.TryRead(out last) || disposing.IsCompleted, Deadline.Default).Should().BeTrue("step {0}", at);
                }
            };
            Task<PortLease> acquiring = registry.AcquireAsync(new PortRequest("a") { Protocol = protocol }).AsTask();
            Hook.Reached = null;
            store.Holds = false;
            turn.TrySetResult();
            last?.SetResult();
            bool isGiven = await Task.WhenAny(acquiring).WaitAsync(Deadline.Default) is { IsCompletedSuccessfully: true };
            await disposing.WaitAsync(Deadline.Default);
            await registry.DisposeAsync().AsTask().WaitAsync(Deadline.Default);

            PortFactSet standing = new();
            store.Facts.ForEach(standing.Apply);
            standing.Claims.Any(fact => fact.Owner == "a" && fact.State == PortState.Reserved).Should().Be(isGiven, "step {0}", at);
            _ = other.Exception;
        }
    }

    /// <summary>Half of a lease for both protocols is on disk, and the other half is on its way when
    /// the registry ends.</summary>
    [Fact]
    public async Task AcquireAsync_RegistryEndsWhileTheOtherHalfIsOnItsWay_IsGivenAndOnDiskOrNeither()
    {
        int halves = 0;
        bool isReached = true;
        for (int at = 1; isReached; at++)
        {
            TurnByTurn store = new();
            PortRegistryOptions options = new() { Ports = "20000-20003", Strategy = PortRegistryOptions.AllocatorPicks, Probe = false, MaxOwners = 64 };
            PortRegistry registry = await PortRegistry.OpenAsync(options, store);
            int steps = 0;
            isReached = false;
            Hook.Reached = step =>
            {
                if (++steps == at)
                {
                    Hook.Reached = null;
                    isReached = true;
                    registry.FlushAsync().WaitAsync(Deadline.Default).GetAwaiter().GetResult();
                    halves += store.Facts.Count(fact => fact.Owner == "a");
                    store.Holds = true;
                }
            };
            Task<PortLease> acquiring = registry.AcquireAsync(new PortRequest("a") { Protocol = PortProtocol.TcpAndUdp }).AsTask();
            Hook.Reached = null;
            TaskCompletionSource? turn = null;
            SpinWait.SpinUntil(() => store.Turns.Reader.TryRead(out turn) || acquiring.IsCompleted, Deadline.Default).Should().BeTrue("step {0}", at);
            Task disposing = registry.DisposeAsync().AsTask();
            store.Holds = false;
            turn?.SetResult();
            bool isGiven = await Task.WhenAny(acquiring).WaitAsync(Deadline.Default) is { IsCompletedSuccessfully: true };
            await disposing.WaitAsync(Deadline.Default);

            PortFactSet standing = new();
            store.Facts.ForEach(standing.Apply);
            standing.Claims.Count(fact => fact.Owner == "a" && fact.State == PortState.Reserved).Should().Be(isGiven ? 2 : 0, "step {0}", at);
        }

        halves.Should().BeGreaterThan(0, "else no half was on disk alone");
    }

    /// <summary>The registry ends, with all that was told it on disk, while the thread stands between
    /// any two steps: half of its lease may be there, and the other half comes too late.</summary>
    [Fact]
    public async Task AcquireAsync_RegistryHasEndedBetweenAnyTwoSteps_IsGivenAndOnDiskOrNeither()
    {
        int halves = 0;
        bool isReached = true;
        for (int at = 1; isReached; at++)
        {
            TurnByTurn store = new();
            PortRegistryOptions options = new() { Ports = "20000-20003", Strategy = PortRegistryOptions.AllocatorPicks, Probe = false, MaxOwners = 64 };
            PortRegistry registry = await PortRegistry.OpenAsync(options, store);
            int steps = 0;
            isReached = false;
            Hook.Reached = step =>
            {
                if (++steps == at)
                {
                    Hook.Reached = null;
                    isReached = true;
                    registry.FlushAsync().WaitAsync(Deadline.Default).GetAwaiter().GetResult();
                    halves += store.Facts.Count(fact => fact.Owner == "a") == 1 ? 1 : 0;
                    registry.DisposeAsync().AsTask().WaitAsync(Deadline.Default).GetAwaiter().GetResult();
                }
            };
            Task<PortLease> acquiring = registry.AcquireAsync(new PortRequest("a") { Protocol = PortProtocol.TcpAndUdp }).AsTask();
            Hook.Reached = null;
            bool isGiven = await Task.WhenAny(acquiring).WaitAsync(Deadline.Default) is { IsCompletedSuccessfully: true };
            await registry.DisposeAsync().AsTask().WaitAsync(Deadline.Default);

            PortFactSet standing = new();
            store.Facts.ForEach(standing.Apply);
            standing.Claims.Count(fact => fact.Owner == "a" && fact.State == PortState.Reserved).Should().Be(isGiven ? 2 : 0, "step {0}: {1}", at, string.Join(", ", store.Facts.Select(fact => $"{fact.Owner} {fact.Protocol} {fact.State}")));
        }

        halves.Should().BeGreaterThan(0, "else no half was on disk alone");
    }

    [Theory]
    [InlineData(PortProtocol.Tcp)]
    [InlineData(PortProtocol.TcpAndUdp)]
    public async Task AcquireAsync_AProcessTakesThePortBetweenAnyTwoLooks_IsGivenAnother(PortProtocol protocol)
    {
        bool isReached = true;
        for (int look = 1; isReached; look++)
        {
            NotingStore store = new();
            PortRegistryOptions options = new() { Ports = "20000-20001", Strategy = PortRegistryOptions.AllocatorPicks, Order = PortOrder.LowestFree, Probe = false };
            await using PortRegistry registry = await PortRegistry.OpenAsync(options, store);
            PortSession session = registry.OpenSession(Environment.ProcessId);
            TaskCompletionSource letGo = store.Hold(fails: false);
            PortSlots slots = registry.Parts.Table.Parts.Space(PortProtocol.Tcp).Slots;
            Task? registering = null;
            int looks = 0, at = look;
            isReached = false;
            Hook.Reached = step =>
            {
                if (step == Step.ReadWord && slots[20_000] is PortClaim { IsLease: true } && ++looks == at)
                {
                    Hook.Reached = null;
                    isReached = true;
                    registering = Task.Run(() => session.RegisterAsync(new PortClaimRequest("process", 20_000)).AsTask());
                    SpinWait.SpinUntil(() => slots[20_000] is PortClaim { IsLease: false }, Deadline.Default).Should().BeTrue("it listens there, and nothing is on disk");
                }
            };
            Task<PortLease> acquiring = registry.AcquireAsync(new PortRequest("a") { Protocol = protocol }).AsTask();
            Hook.Reached = null;
            letGo.SetResult();
            store.Heal();

            PortLease lease = await acquiring.WaitAsync(Deadline.Default);

            await (registering ?? Task.CompletedTask).WaitAsync(Deadline.Default);
            lease.Port.Should().Be(isReached ? 20_001 : 20_000, "look {0}", look);
            lease.IsOpen.Should().BeTrue("look {0}", look);
            registry.AssertInvariants();
        }
    }

    [Theory]
    [InlineData("acquires")]
    [InlineData("acquires in a group")]
    [InlineData("acquires in a group, in the background")]
    [InlineData("acquires, in the background")]
    [InlineData("extends")]
    public async Task RegisterAsync_BetweenAnyTwoStepsOfTheLeasesThread_IsThereAfterARestart(string what)
    {
        bool isReached = true;
        for (int number = 1; isReached; number++)
        {
            NotingStore store = new();
            PortDurability durability = what.EndsWith("background", StringComparison.Ordinal) ? PortDurability.Background : PortDurability.Confirmed;
            PortRegistryOptions options = new() { Ports = "20000-20001", Strategy = PortRegistryOptions.AllocatorPicks, Order = PortOrder.LowestFree, Probe = false, Durability = durability };
            await using PortRegistry registry = await PortRegistry.OpenAsync(options, store);
            PortSession session = registry.OpenSession(Environment.ProcessId);
            PortSlots slots = registry.Parts.Table.Parts.Space(PortProtocol.Tcp).Slots;
            PortLease? open = what == "extends" ? await registry.AcquireAsync("a").AsTask().WaitAsync(Deadline.Default) : null;
            Task<PortEntry>? registering = null;
            int steps = 0, at = number, thread = Environment.CurrentManagedThreadId;
            bool isLooking = false;   // a look at the slot is a step as well
            isReached = false;
            Hook.Reached = _ =>
            {
                if (isLooking || Environment.CurrentManagedThreadId != thread)
                {
                    return;
                }

                isLooking = true;
                PortClaim? lease = slots[20_000] is PortClaim { IsLease: true, Cell: not null } claim && ++steps == at ? claim : null;
                isLooking = false;
                if (lease is not null)
                {
                    Hook.Reached = null;
                    isReached = true;
                    registering = Task.Run(() => session.RegisterAsync(new PortClaimRequest("a", 20_000) { Epoch = lease.Epoch }).AsTask());
                    ((IAsyncResult)registering).AsyncWaitHandle.WaitOne(Deadline.Default).Should().BeTrue("nobody waits for the thread that stands here");
                }
            };
            Task changing = what switch
            {
                "extends" => open!.ExtendAsync(TimeSpan.FromHours(1)).AsTask(),
                "acquires" or "acquires, in the background" => registry.AcquireAsync("a").AsTask(),
                _ => registry.AcquireAllAsync(["a", "b"]).AsTask(),
            };
            Hook.Reached = null;
            await Task.WhenAny(changing).WaitAsync(Deadline.Default);
            if (registering is { IsCompletedSuccessfully: true } && registry.TryGetPort("a", out int port))
            {
                await registry.FlushAsync().WaitAsync(Deadline.Default);
                PortFactSet facts = new();
                Array.ForEach(store.Facts, facts.Apply);

                PortFact standing = facts.Claims.Single(fact => fact.Owner == "a" && fact.Port == port);
                standing.State.Should().Be(PortState.Bound, "step {0} of a thread that {1}: {2}", at, what, string.Join(", ", store.Facts.Select(fact => $"{fact.Owner} {fact.Port} {fact.Epoch} {fact.State}")));
            }
        }
    }

    private sealed class NotingStore : IPortStore
    {
        private readonly List<PortFact> _facts = [];
        private readonly TaskCompletionSource _arrived = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private volatile TaskCompletionSource? _held;
        private bool _fails;

        /// <summary>Completes when a batch is held.</summary>
        public Task Arrived => _arrived.Task;

        public PortFact[] Facts
        {
            get
            {
                lock (_facts)
                {
                    return [.. _facts];
                }
            }
        }

        /// <summary>The next batch waits for what this returns, and fails if it is to.</summary>
        public TaskCompletionSource Hold(bool fails)
        {
            _fails = fails;
            return _held = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }

        public void Heal() => _held = null;

        public ValueTask LoadAsync(Action<PortFact> onFact, Action<string> onUnreadable, CancellationToken cancellationToken) => ValueTask.CompletedTask;

        public async ValueTask AppendAsync(IReadOnlyList<PortFact> batch, CancellationToken cancellationToken)
        {
            if (_held is { } held)
            {
                _arrived.TrySetResult();
                await held.Task;
                if (_fails)
                {
                    throw new IOException("No space left on device");
                }
            }

            lock (_facts)
            {
                _facts.AddRange(batch);
            }
        }

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
