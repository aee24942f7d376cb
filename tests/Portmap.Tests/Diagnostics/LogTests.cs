using Microsoft.Extensions.Logging;
using Portmap.Tests.Persistence;
using Portmap.Tests.Support;

namespace Portmap.Tests.Diagnostics;

/// <summary>A line for each change, where somebody reads it.</summary>
public class LogTests
{
    [Fact]
    public async Task Changes_EachThatSomebodyAskedFor_IsALine()
    {
        await using Scene scene = new();

        PortLease lease = scene.Acquire("b1");
        scene.Here.Register("b1", lease.Port, lease.Epoch);
        scene.Here.Register("b1", Scene.First + 7);
        scene.Here.Release("b1");
        PortLease mine = scene.Acquire(new PortRequest("b2") { Strategy = PortRegistryOptions.ProcessBinds });
        mine.TryRelease(out _).Should().BeTrue();

        scene.Log.Of("Acquired").Should().Equal(
            $"The lease {lease.Epoch} of b1 is open: {lease.Port}/Tcp by AllocatorPicks (0: its process picks the port)",
            $"The lease {mine.Epoch} of b2 is open: 0/Tcp by ProcessBinds (0: its process picks the port)");
        scene.Log.Of("Registered").Should().SatisfyRespectively(
            first => first.Should().Be($"Process {Environment.ProcessId} of b1 serves {lease.Port}/Tcp ({lease.Epoch})"),
            second => second.Should().Match($"Process {Environment.ProcessId} of b1 serves {Scene.First + 7}/Tcp (*)"));
        scene.Log.Of("Replaced").Should().Equal($"b1 on {lease.Port}/Tcp ({lease.Epoch}) gave way to what it registered or acquired later");
        scene.Log.Of("Released").Should().SatisfyRespectively(
            first => first.Should().Match($"b1 gave {Scene.First + 7}/Tcp back (*)"),
            second => second.Should().Be($"b2 gave 0/Tcp back ({mine.Epoch})"));
    }

    [Fact]
    public async Task Ends_ThatNobodyAskedFor_AreALineWithTheirReason()
    {
        await using Scene scene = new();
        PortLease failing = scene.Acquire("b1");
        (int port, long epoch) = (failing.Port, failing.Epoch);   // the lease has others once it is healed
        PortSession leaving = scene.SessionOf(scene.StartChild());
        PortEntry left = leaving.Register("b2", Scene.First + 7);

        await failing.ReportBindFailureAsync().Within();
        await leaving.DisposeAsync();
        scene.Clock.Advance(scene.Options.DisconnectGrace + scene.Options.LivenessInterval);

        await Eventually.TrueAsync(() => scene.PortOf("b2") == 0);
        scene.Log.Of("BindFailed").Should().Equal($"b1 could not bind {port}/Tcp (lease {epoch})");
        scene.Log.Of("Disconnected").Should().Equal($"Process {left.ProcessId} of b2 on {left.Port}/Tcp did not sign in again within 00:00:10; the entry ends");
    }

    [Fact]
    public async Task Opening_StateWithSomethingInIt_SaysHowMuch()
    {
        FakePortStore store = new();
        PortRegistryOptions options = new() { Ports = Scene.TenPorts, Probe = false, Strategy = PortRegistryOptions.AllocatorPicks };
        await using (PortRegistry first = await PortRegistry.OpenAsync(options, store).Within())
        {
            await first.AcquireAsync("b1").Within();
            await first.AcquireAsync("b2").Within();
            await first.OpenSession(Environment.ProcessId).RegisterAsync(new PortClaimRequest("b3", Scene.First + 7)).Within();
            store = store.AfterKill();
        }

        LogLines log = new();
        await using PortRegistry next = await PortRegistry.OpenAsync(options, store, log).Within();

        log.Of("Opened").Should().Equal("The stored state was read: 1 entries wait for their process, 2 leases are open, 0 entries ended");
    }

    [Theory]
    [InlineData("EvenPorts", 1)]
    [InlineData("AllocatorPicks", 0)]
    [InlineData("", 0)]
    public async Task Opening_StateByAStrategyThatIsGone_SaysWhichCountsInItsPlace(string strategy, int lines)
    {
        FakePortStore store = new();
        FakeTimeProvider clock = new(new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero));
        Guid boot = Guid.NewGuid();
        await store.LoadAsync(_ => { }, _ => { }, CancellationToken.None).AsTask().Within();
        await store.AppendAsync([.. Enumerable.Range(0, 3).Select(Lease)], CancellationToken.None).AsTask().Within();
        LogLines log = new();

        await using PortRegistry registry = await PortRegistry.OpenOnAsync(new PortRegistryOptions { Ports = Scene.TenPorts, Probe = false }, store.AfterKill(), boot, log, clock, CancellationToken.None).Within();

        log.Of("StrategyUnknown").Should().Equal(Enumerable.Repeat($"The stored state has entries by the strategy {strategy}, which is not added any more; they count as entries by ProcessBinds", lines));

        PortFact Lease(int i) => new()
        {
            Protocol = PortProtocol.Tcp,
            Port = Scene.First + i,
            Owner = $"b{i}",
            Epoch = 16 * (i + 1),
            State = PortState.Reserved,
            BootId = boot,
            At = clock.GetUtcNow(),
            Until = clock.GetUtcNow().AddMinutes(1),
            Strategy = strategy,
        };
    }

    [Fact]
    public async Task Store_CannotBeClosed_IsALine()
    {
        LogLines log = new();
        WatchedStore store = new(new FakePortStore()) { Before = member => member == "Dispose" ? throw new IOException("as asked") : Task.CompletedTask };
        PortRegistry registry = await PortRegistry.OpenAsync(new PortRegistryOptions { Ports = Scene.TenPorts, Probe = false }, store, log).Within();

        await registry.DisposeAsync().AsTask().Within();

        log.Of("StoreNotClosed").Should().ContainSingle();
    }

    /// <summary>What a pass throws would end the process: it is a callback of a timer.</summary>
    [Theory]
    [InlineData("over the processes")]
    [InlineData("over the sockets")]
    [InlineData("over those who wait for their process")]
    public async Task Pass_TheHostCannotBeAsked_IsALineAndTheNextPassDoesItsWork(string pass)
    {
        bool fails = false, lives = true;
        TimeSpan never = TimeSpan.FromHours(1);
        PortRegistryOptions options = new() { Ports = Scene.TenPorts, VerifyListening = false, LeaseTimeout = 24 * never, LivenessInterval = never, ReconcileInterval = never };
        options.SimulateHost((_, _) => fails ? throw new IOException("as asked") : [], _ => fails ? throw new IOException("as asked") : lives ? 1 : null);
        FakeTimeProvider clock = new(new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero));
        FakePortStore store = new();
        LogLines log = new();
        PortRegistry registry = await PortRegistry.OpenAsync(options, store, log, clock).Within();
        await registry.OpenSession(1).RegisterAsync(new PortClaimRequest("b1", Scene.First)).Within();
        if (pass == "over those who wait for their process")
        {
            store = store.AfterKill();
            await registry.DisposeAsync();
            registry = await PortRegistry.OpenAsync(options, store, log, clock).Within();
        }

        await using PortRegistry ends = registry;
        Action run = pass switch
        {
            "over the processes" => registry.Maintain,
            "over the sockets" => registry.Reconcile,
            _ => () => clock.Advance(options.DisconnectGrace),
        };

        fails = true;
        run();

        log.Of("PassFailed").Should().ContainSingle();
        (fails, lives) = (false, false);
        (pass == "over the sockets" ? registry.Reconcile : (Action)registry.Maintain)();
        registry.TryGetEntry("b1", out _).Should().BeFalse("its process is dead");
    }

    [Fact]
    public async Task Changes_OfOneOwnerInAFlood_AreEachALine()
    {
        await using Scene scene = new();

        for (int i = 0; i < 50; i++)
        {
            scene.Acquire("flapper").TryRelease(out _).Should().BeTrue();
        }

        scene.Log.Of("Acquired").Should().HaveCount(50, "who turns Debug on wants each");
        scene.Log.Of("Released").Should().HaveCount(50);
        scene.Log.Of("LinesLeftOut").Should().BeEmpty();
    }

    [Fact]
    public void Changes_NobodyReadsThem_AreAskedForOnceAndCostNothing()
    {
        Closed closed = new();
        using PortRegistry silent = Registry(null), logging = Registry(closed);
        RoundTrip(silent);
        RoundTrip(logging);
        closed.Asked = 0;

        long without = Allocated(silent);
        long with = Allocated(logging);

        with.Should().Be(without);
        closed.Asked.Should().Be(2 * Rounds, "once for the lease and once for its end");
        closed.Written.Should().Be(0);
    }

    private const int Rounds = 200;

    private static PortRegistry Registry(ILogger<PortRegistry>? logger) => new(
        new PortRegistryOptions { Ports = Scene.TenPorts, Probe = false, Strategy = PortRegistryOptions.AllocatorPicks }, logger, new FakeTimeProvider());

    private static long Allocated(PortRegistry registry)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < Rounds; i++)
        {
            RoundTrip(registry);
        }

        return GC.GetAllocatedBytesForCurrentThread() - before;
    }

    private static void RoundTrip(PortRegistry registry)
    {
        if (!registry.TryAcquire("b1", out PortLease? lease, out _) || !lease.TryRelease(out _))
        {
            throw new InvalidOperationException("Refused.");
        }
    }

    /// <summary>A logger of the level Information.</summary>
    private sealed class Closed : ILogger<PortRegistry>
    {
        public int Asked { get; set; }

        public int Written { get; private set; }

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel)
        {
            Asked++;
            return logLevel >= LogLevel.Information;
        }

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) => Written++;
    }
}
