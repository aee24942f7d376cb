using System.Collections.Concurrent;
using System.Globalization;
using Portmap.Tests.Support;

namespace Portmap.Tests.Persistence;

/// <summary>A change that races the end of its registry succeeds and is on disk, or throws
/// ObjectDisposedException and is not: never both, never neither.</summary>
public sealed class DisposeRaceTests
{
    private const int Rounds = 60;

    private static readonly TimeSpan s_more = TimeSpan.FromMinutes(10);

    /// <summary>One change of each kind: what is done before, the change, and the owner it is
    /// about.</summary>
    private static readonly Dictionary<string, (Action<Run> Before, Action<Run> Change, bool IsRelease)> s_changes = new()
    {
        ["acquires"] = (_ => { }, run => run.Acquire("a"), false),
        ["acquires the right to bring a port"] = (_ => { }, run => run.Acquire(new PortRequest("a") { Strategy = PortRegistryOptions.ProcessBinds }), false),
        ["registers"] = (_ => { }, run => run.Register("a", 20005), false),
        ["registers its lease"] = (run => run.Acquire("a"), run => run.Register("a", run.Lease!.Port, run.Lease.Epoch), false),
        ["moves"] = (run => run.Register("a", 20005), run => run.Register("a", 20006), false),
        ["releases"] = (run => run.Register("a", 20005), run => run.Release("a"), true),
        ["releases a lease"] = (run => run.Acquire("a"), run => run.Lease!.TryRelease(out _), true),
        ["extends"] = (run => run.Acquire("a"), run => run.Lease!.ExtendAsync(s_more).AsTask().Within().GetAwaiter().GetResult(), false),
        ["could not bind"] = (run => run.Acquire("a"), run => run.Lease!.ReportBindFailureAsync().AsTask().Within().GetAwaiter().GetResult(), false),
    };

    public static TheoryData<string> Changes { get; } = [.. s_changes.Keys];

    [Theory]
    [MemberData(nameof(Changes))]
    public async Task Background_RegistryEndsAtAnyLookAtTheClock_SucceedsAndIsOnDiskOrNeither(string change)
    {
        (Action<Run> before, Action<Run> act, bool isRelease) = s_changes[change];
        bool isReached = true;
        int ends = 0;
        for (int at = 1; isReached; at++)
        {
            await using Run run = await Run.OpenAsync();
            before(run);
            await run.Registry.FlushAsync().Within();
            PortFact? earlier = run.InForce("a");
            run.Clock.EndAt(at, run.Registry.Dispose);
            bool isDone = true;
            try
            {
                act(run);
            }
            catch (ObjectDisposedException)
            {
                isDone = false;
            }

            isReached = run.Clock.HasEnded;
            run.Clock.EndNoMore();
            ends += isReached ? 1 : 0;
            await run.Registry.DisposeAsync().AsTask().Within();
            Check(isDone, isRelease, earlier, run.InForce("a"), string.Create(CultureInfo.InvariantCulture, $"who {change}, look {at}"));
        }

        ends.Should().BePositive("the clock is looked at");
    }

    [Fact]
    public async Task Background_RegistryEndsWhileAStrategyPicks_SucceedsAndIsOnDiskOrNeither()
    {
        Ending strategy = new();
        await using Run run = await Run.OpenAsync(options => options.AddStrategy(strategy).Strategy = strategy.Name);
        strategy.Registry = run.Registry;
        bool isDone = true;
        try
        {
            run.Acquire("a");
        }
        catch (ObjectDisposedException)
        {
            isDone = false;
        }

        Check(isDone, isRelease: false, earlier: null, run.InForce("a"), "who picks");
    }

    /// <summary>A report of an owner that has nothing acquires for it.</summary>
    [Fact]
    public async Task ReportBindFailureAsync_RegistryEndsWhileAStrategyPicks_TheLeaseEndsWithIt()
    {
        Ending strategy = new();
        PortRegistryOptions options = new() { Ports = "20000-20009", Probe = false };
        options.AddStrategy(strategy).Strategy = strategy.Name;
        await using PortRegistry registry = new(options);
        PortSession session = registry.OpenSession(Environment.ProcessId);
        strategy.Registry = registry;

        PortLease lease = await session.ReportBindFailureAsync(new PortClaimRequest("a", 20_003)).AsTask().Within();

        lease.Ended.IsCancellationRequested.Should().BeTrue();
        (await ((Task)lease.WhenBound).RefusalAsync()).Reason.Should().Be(PortRefusalReason.LeaseEnded);
    }

    [Theory]
    [InlineData(PortDurability.Background)]
    [InlineData(PortDurability.Confirmed)]
    public async Task Any_RegistryEndsMeanwhile_SucceedsAndIsOnDiskOrNeither(PortDurability durability)
    {
        for (int round = 0; round < Rounds; round++)
        {
            await using Run run = await Run.OpenAsync(options => options.Durability = durability);
            PortLease[] leases = await Task.WhenAll(Enumerable.Range(0, 5).Select(i => run.Registry.AcquireAsync($"leased{i}").AsTask())).Within();
            PortLease[] extended = await Task.WhenAll(Enumerable.Range(0, 5).Select(i => run.Registry.AcquireAsync(new PortRequest($"extended{i}") { Protocol = PortProtocol.TcpAndUdp }).AsTask())).Within();
            await Task.WhenAll(Enumerable.Range(0, 5).Select(i => run.Here.RegisterAsync(new PortClaimRequest($"held{i}", 20_080 + i)).AsTask())).Within();
            await run.Registry.FlushAsync().Within();
            ConcurrentDictionary<string, bool> done = [];
            TaskCompletionSource begin = new(TaskCreationOptions.RunContinuationsAsynchronously);
            List<Task> changes = [];
            for (int i = 0; i < 5; i++)
            {
                string fresh = $"fresh{i}", brings = $"brings{i}", held = $"held{i}";
                PortLease lease = leases[i], extends = extended[i];
                int port = 20_090 + i;
                changes.Add(TryAsync(fresh, async () => await run.Registry.AcquireAsync(fresh)));
                changes.Add(TryAsync(brings, async () => await run.Here.RegisterAsync(new PortClaimRequest(brings, port))));
                changes.Add(TryAsync(extends.Owner, async () => await extends.ExtendAsync(s_more)));
                changes.Add(TryAsync(held, async () => await run.Here.ReleaseAsync(held)));
                changes.Add(TryAsync(lease.Owner, async () => await run.Here.RegisterAsync(new PortClaimRequest(lease.Owner, lease.Port) { Epoch = lease.Epoch })));
            }

            begin.SetResult();
            for (int i = 0; i < round * 20; i++)
            {
                Thread.SpinWait(20);
            }

            await run.Registry.DisposeAsync().AsTask().Within();
            await Task.WhenAll(changes).Within();
            foreach ((string owner, bool isDone) in done)
            {
                PortFact? fact = run.InForce(owner);
                string why = string.Create(CultureInfo.InvariantCulture, $"round {round}: {owner} was {(isDone ? "done" : "refused")}");
                bool expected = owner[0] == 'h' ? !isDone : owner[0] is 'l' or 'e' || isDone;
                (fact is not null).Should().Be(expected, why);
                if (owner[0] == 'l')
                {
                    (fact!.State == PortState.Bound).Should().Be(isDone, why);
                }
                else if (owner[0] == 'e')
                {
                    run.AllInForce(owner).Select(half => half.Until - half.At == s_more).Should().Equal([isDone, isDone], why);
                }
            }

            async Task TryAsync(string owner, Func<Task> change)
            {
                await begin.Task;
                try
                {
                    await change();
                    done[owner] = true;
                }
                catch (ObjectDisposedException)
                {
                    done[owner] = false;
                }
            }
        }
    }

    [Theory]
    [InlineData("acquires")]
    [InlineData("acquires for both protocols")]
    [InlineData("registers")]
    [InlineData("registers its lease")]
    [InlineData("extends")]
    [InlineData("releases")]
    public async Task Confirmed_BatchIsOnItsWayWhenTheRegistryEnds_SucceedsAndIsOnDiskOrNeither(string change)
    {
        await using StoreScene scene = await StoreScene.OpenAsync();
        PortLease lease = await scene.AcquireAsync("leased");
        await scene.RegisterAsync("held", 20009);
        scene.Store.Hold();
        Task changing = change switch
        {
            "acquires" => scene.Registry.AcquireAsync("a").AsTask(),
            "acquires for both protocols" => scene.Registry.AcquireAsync(new PortRequest("a") { Protocol = PortProtocol.TcpAndUdp }).AsTask(),
            "registers" => scene.Here.RegisterAsync(new PortClaimRequest("a", 20008)).AsTask(),
            "registers its lease" => scene.Here.RegisterAsync(new PortClaimRequest("leased", lease.Port) { Epoch = lease.Epoch }).AsTask(),
            "extends" => lease.ExtendAsync(s_more).AsTask(),
            _ => scene.Here.ReleaseAsync("held").AsTask(),
        };
        await scene.Store.ArrivedAsync().Within();
        Task late = scene.Registry.AcquireAsync("late").AsTask();
        Task disposing = scene.Registry.DisposeAsync().AsTask();
        scene.Store.Release();
        await disposing.Within();
        bool isDone = await IsDoneAsync(changing);
        scene.Store.Facts.Should().NotContain(fact => fact.Owner == "late" && fact.State != PortState.Cooling);
        (await IsDoneAsync(late)).Should().BeFalse("it came when nothing was given any more");
        if (change == "releases")
        {
            InForce(scene, "held").Should().Be(!isDone);
        }
        else if (change == "registers its lease")
        {
            scene.Store.Facts.Any(fact => fact.Owner == "leased" && fact.State == PortState.Bound).Should().Be(isDone);
        }
        else if (change == "extends")
        {
            scene.Store.Facts.Any(fact => fact.Owner == "leased" && fact.Until - fact.At == s_more).Should().Be(isDone);
        }
        else
        {
            InForce(scene, "a").Should().Be(isDone);
        }
    }

    [Theory]
    [InlineData(PortDurability.Background)]
    [InlineData(PortDurability.Confirmed)]
    public async Task Any_AfterTheEnd_IsRefusedAsDisposed(PortDurability durability)
    {
        await using Run run = await Run.OpenAsync(options => options.Durability = durability);
        PortLease lease = await run.Registry.AcquireAsync("leased").AsTask().Within();
        await run.Here.RegisterAsync(new PortClaimRequest("held", 20005)).AsTask().Within();
        await run.Registry.DisposeAsync().AsTask().Within();
        Func<Task>[] changes =
        [
            () => run.Registry.AcquireAsync("a").AsTask().Within(),
            () => run.Here.RegisterAsync(new PortClaimRequest("a", 20006)).AsTask().Within(),
            () => run.Here.RegisterAsync(new PortClaimRequest("leased", lease.Port) { Epoch = lease.Epoch }).AsTask().Within(),
            () => run.Here.ReleaseAsync("held").AsTask().Within(),
            () => lease.ExtendAsync(s_more).AsTask().Within(),
            () => run.Here.ExtendAsync("leased", s_more).AsTask().Within(),
            () => lease.ReleaseAsync().AsTask().Within(),
            () => run.Here.ReportBindFailureAsync(new PortClaimRequest("leased", lease.Port) { Epoch = lease.Epoch }).AsTask().Within(),
        ];
        foreach (Func<Task> change in changes)
        {
            await FluentActions.Awaiting(change).Should().ThrowAsync<ObjectDisposedException>();
        }

        run.InForce("leased")!.State.Should().Be(PortState.Reserved);
        run.InForce("held")!.State.Should().Be(PortState.Bound);
    }

    private static bool InForce(StoreScene scene, string owner) => scene.Store.Facts.Any(fact => fact.Owner == owner && fact.State != PortState.Cooling);

    private static async Task<bool> IsDoneAsync(Task change)
    {
        try
        {
            await change.Within();
            return true;
        }
        catch (ObjectDisposedException)
        {
            return false;
        }
    }

    private static void Check(bool isDone, bool isRelease, PortFact? earlier, PortFact? now, string who)
    {
        if (isRelease)
        {
            (now is null).Should().Be(isDone, "{0}: a release that succeeded is on disk, one that was refused is not", who);
        }
        else if (isDone)
        {
            now.Should().NotBeNull("{0}: it succeeded", who);
            (now!.Epoch, now.State, now.Port, now.Until).Should().NotBe((earlier?.Epoch ?? 0, earlier?.State ?? 0, earlier?.Port ?? 0, earlier?.Until ?? default), "{0}: what succeeded is on disk", who);
        }
        else
        {
            (now?.Epoch, now?.State, now?.Port, now?.Until).Should().Be((earlier?.Epoch, earlier?.State, earlier?.Port, earlier?.Until), "{0}: it was refused", who);
        }
    }

    /// <summary>A registry that writes in the background, on a store in memory.</summary>
    private sealed class Run : IAsyncDisposable
    {
        private readonly FakePortStore _store = new();

        public EndingClock Clock { get; } = new();

        public PortRegistry Registry { get; private set; } = null!;

        public PortSession Here { get; private set; } = null!;

        public PortLease? Lease { get; private set; }

        public static async Task<Run> OpenAsync(Action<PortRegistryOptions>? configure = null)
        {
            PortRegistryOptions options = new() { Ports = "20000-20099", Strategy = PortRegistryOptions.AllocatorPicks, Probe = false, Durability = PortDurability.Background };
            configure?.Invoke(options);
            Run run = new();
            run.Registry = await PortRegistry.OpenAsync(options, run._store, timeProvider: run.Clock).Within();
            run.Here = run.Registry.OpenSession(Environment.ProcessId);
            return run;
        }

        public void Acquire(PortRequest request)
        {
            Registry.TryAcquire(request, out PortLease? lease, out PortRefusal? refusal).Should().BeTrue("it was refused: {0}", refusal?.Message);
            Lease = lease;
        }

        public void Register(string owner, int port, long epoch = 0) =>
            Here.TryRegister(new PortClaimRequest(owner, port) { Epoch = epoch }, out _, out PortRefusal? refusal).Should().BeTrue("it was refused: {0}", refusal?.Message);

        public void Release(string owner) => Here.TryRelease(owner, out PortRefusal? refusal).Should().BeTrue("it was refused: {0}", refusal?.Message);

        /// <summary>What the next run would take for the owner's: the newest fact, unless it has
        /// ended.</summary>
        public PortFact? InForce(string owner) =>
            _store.Facts.Where(fact => fact.Owner == owner).OrderBy(fact => fact.Epoch).ThenBy(fact => fact.State).LastOrDefault() is { } newest && newest.State != PortState.Cooling ? newest : null;

        /// <summary>Of one that is never replaced: both protocols.</summary>
        public IReadOnlyList<PortFact> AllInForce(string owner) => [.. _store.Facts.Where(fact => fact.Owner == owner)];

        public async ValueTask DisposeAsync() => await Registry.DisposeAsync().AsTask().Within();
    }

    /// <summary>A clock that does something the so-and-so-manieth time this thread looks at
    /// it.</summary>
    private sealed class EndingClock : TimeProvider
    {
        private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero));
        private int _thread;
        private int _left;
        private Action? _end;

        public bool HasEnded { get; private set; }

        public override long TimestampFrequency => _time.TimestampFrequency;

        public void EndAt(int look, Action end) => (_thread, _left, _end) = (Environment.CurrentManagedThreadId, look, end);

        /// <summary>Forgets what was not reached. This thread is one of the pool's, and may be the
        /// writer's next: that one would wait for itself.</summary>
        public void EndNoMore() => _end = null;

        public override DateTimeOffset GetUtcNow() => _time.GetUtcNow();

        public override long GetTimestamp()
        {
            if (_end is { } end && Environment.CurrentManagedThreadId == _thread && --_left == 0)
            {
                _end = null;
                HasEnded = true;
                end();
            }

            return _time.GetTimestamp();
        }

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) => _time.CreateTimer(callback, state, dueTime, period);
    }

    private sealed class Ending : IPortAllocationStrategy
    {
        public string Name => "Ending";

        public PortRegistry? Registry { get; set; }

        public int Pick(PortSearch search)
        {
            Registry?.Dispose();
            return search.FindFree(20_000);
        }
    }
}
