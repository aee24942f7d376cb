using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Portmap.Tests.Support;

namespace Portmap.Tests.Processes;

/// <summary><c>lease.RegisterAsync(Process)</c> with real programs: behind wrappers, that fork,
/// with workers. No pass helps: the interval between two is an hour.</summary>
public sealed class ProgramListenerTests : IDisposable
{
    private readonly Programs _programs = new();
    private readonly PortRegistry _registry;
    private readonly PortRange _range = PortBlock.Take(3);

    public ProgramListenerTests() => _registry = Make();

    public void Dispose()
    {
        _programs.Dispose();
        _registry.Dispose();
    }

    [NeedsTheory("python3", Also = ["setsid", "setpriv"])]
    [InlineData("exec @")]
    [InlineData("@; true")]
    [InlineData("(@; true); true")]
    [InlineData("setsid -f @; sleep 600")]
    [InlineData("(setsid @ &) ; sleep 600")]
    [InlineData("setpriv --inh-caps=-all @ & wait")]
    [InlineData("nohup @ & wait")]
    public async Task RegisterAsync_BehindAWrapper_IsBoundToTheProcessThatListens(string command)
    {
        foreach (bool isMarked in (bool[])[true, false])
        {
            PortLease lease = await _registry.AcquireAsync($"{command} {isMarked}").Within();
            lease.OpenGate();
            Process program = _programs.Start(Programs.Plain, command, isMarked ? lease : null, ports: lease.Port);

            PortEntry entry = await lease.RegisterAsync(program).Within();

            (_, int listener) = await _programs.NextAsync(program);
            (entry.Port, entry.State, entry.ProcessId).Should().Be((lease.Port, PortState.Bound, listener));
            Programs.Kill(listener);
            await Eventually.TrueAsync(() => !_registry.TryGetPort(lease.Owner, out _));
        }
    }

    [NeedsTheory("python3")]
    [InlineData(true, "0")]
    [InlineData(true, "1.5")]
    [InlineData(false, "0")]
    [InlineData(false, "1.5")]
    public async Task RegisterAsync_ProgramForksTwiceAndItsParentsLeave_IsBoundToTheGrandchild(bool isMarked, string later)
    {
        PortLease lease = await _registry.AcquireAsync("old school").Within();
        lease.OpenGate();
        Process program = _programs.Start(Programs.ForksTwice, lease: isMarked ? lease : null, configure: start => start.Environment["LATER"] = later, ports: lease.Port);

        PortEntry entry = await lease.RegisterAsync(program).Within();

        (_, int listener) = await _programs.NextAsync(program);
        entry.ProcessId.Should().Be(listener).And.NotBe(program.Id);
        Programs.Kill(listener);
        await Eventually.TrueAsync(() => !_registry.TryGetPort("old school", out _));
    }

    [NeedsTheory("python3")]
    [InlineData(Programs.Prefork, true)]
    [InlineData(Programs.ReusePort, false)]
    public async Task Death_OfOneThatListens_PassesTheEntryOnUntilNobodyIsLeft(string script, bool hasMaster)
    {
        PortLease lease = await _registry.AcquireAsync("many").Within();
        lease.OpenGate();
        Process program = _programs.Start(script, ports: lease.Port);
        ILookup<string, int> all = await _programs.AllAsync(program, hasMaster ? 4 : 3);
        PortEntry entry = await lease.RegisterAsync(program).Within();
        HashSet<int> left = [.. all.SelectMany(ids => ids)];
        left.Should().Contain(entry.ProcessId!.Value);
        (!hasMaster || entry.ProcessId == program.Id).Should().BeTrue("the master is the oldest");
        await using WatchReader changes = WatchReader.FromNow(_registry);

        for (int dying = entry.ProcessId!.Value; left.Count > 1; dying = entry.ProcessId!.Value)
        {
            left.Remove(dying);
            Programs.Kill(dying);
            PortChange change = await changes.NextAsync();
            change.Kind.Should().Be(PortChangeKind.Registered, "another one goes on, and nobody ever reads that there is none");
            _registry.TryGetEntry("many", out entry).Should().BeTrue();
            (entry.Port, entry.Epoch).Should().Be((lease.Port, lease.Epoch));
            left.Should().Contain(entry.ProcessId!.Value);
        }

        Programs.Kill(left.Single());
        (await changes.NextAsync()).Kind.Should().Be(PortChangeKind.Died);
        _registry.TryGetPort("many", out _).Should().BeFalse();
    }

    [NeedsFact("python3")]
    public async Task Death_StrangerListensAtOnce_IsNotTakenForASibling()
    {
        PortLease lease = await _registry.AcquireAsync("single").Within();
        lease.OpenGate();
        Process program = _programs.Start(Programs.Plain, ports: lease.Port);
        await lease.RegisterAsync(program).Within();
        await _programs.NextAsync(program);
        await using WatchReader changes = WatchReader.FromNow(_registry);

        // On another address of the port, so that it listens before the death.
        using Stranger stranger = Stranger.Listening(lease.Port, System.Net.IPAddress.Parse("127.0.0.2"));
        program.Kill();

        (await changes.NextAsync()).Kind.Should().Be(PortChangeKind.Died);
    }

    [NeedsTheory("python3")]
    [InlineData(true)]
    [InlineData(false)]
    public async Task RegisterAsync_SomebodyElseListensThere_IsRefusedAtOnceAndNamesHim(bool isOurselves)
    {
        PortLease lease = await _registry.AcquireAsync(new PortRequest("robbed") { Guard = PortGuardMode.None }).Within();
        using Stranger? here = isOurselves ? Stranger.Listening(lease.Port) : null;
        using Child? there = isOurselves ? null : await ListeningChild.StartAsync(lease.Port);
        int thief = there?.Id ?? Environment.ProcessId;
        using Child idle = Child.Start();

        PortRefusal refusal = await ((Task)lease.RegisterAsync(idle.Process)).RefusalAsync();

        refusal.ShouldExplain(PortRefusalReason.NotListening, "robbed", lease.Port, $"pid {thief}");
        refusal.HolderProcessId.Should().Be(thief);
    }

    [NeedsFact("python3")]
    public async Task RegisterAsync_LeaseWithoutANumber_TakesThePortInsideTheRangeAndNotTheDebuggers()
    {
        FakeTimeProvider clock = new();
        using PortRegistry registry = Make(clock: clock);
        LookByLook looks = new(registry, clock);
        int debugger = PortBlock.TakeOne();
        PortLease lease = await registry.AcquireAsync(new PortRequest("debugged") { Strategy = PortRegistryOptions.ProcessBinds }).Within();
        Process program = _programs.Start(Programs.DebuggerFirst, "@; true", ports: [_range.Last, debugger]);
        Task<PortEntry> registration = lease.RegisterAsync(program);
        (await _programs.NextAsync(program)).Name.Should().Be("debugger");
        await Eventually.TrueAsync(() => looks.Next() > 10);
        registration.IsCompleted.Should().BeFalse("a port outside the range is not it, as long as there may be one inside");

        await program.StandardInput.WriteLineAsync().Within();
        (await _programs.NextAsync(program)).Name.Should().Be("listener");

        await Eventually.TrueAsync(() => looks.Next() > 0 && registration.IsCompleted);
        (await registration.Within()).Port.Should().Be(_range.Last);
    }

    [NeedsFact("python3")]
    public async Task RegisterAsync_LeaseWithoutANumberAndNoPortInsideTheRange_TakesTheOneOutsideInTheEnd()
    {
        FakeTimeProvider clock = new();
        using PortRegistry registry = Make(options => options.LeaseTimeout = TimeSpan.FromHours(1), clock: clock);
        LookByLook looks = new(registry, clock);
        int outside = PortBlock.TakeOne();
        PortLease lease = await registry.AcquireAsync(new PortRequest("outside") { Strategy = PortRegistryOptions.ProcessBinds }).Within();

        Task<PortEntry> registration = lease.RegisterAsync(_programs.Start(Programs.Plain, ports: outside));

        await Eventually.TrueAsync(() => looks.Next() > 0 && registration.IsCompleted);
        (await registration.Within()).Port.Should().Be(outside);
    }

    [NeedsFact("python3")]
    public async Task RegisterAsync_LeaseIsGivenMoreTimeMeanwhile_WaitsThatLong()
    {
        FakeTimeProvider clock = new();
        using PortRegistry registry = Make(options => options.LeaseTimeout = TimeSpan.FromSeconds(1), clock: clock);
        PortLease lease = await registry.AcquireAsync("slow").Within();
        lease.OpenGate();
        Process program = _programs.Start(Programs.ListensAtALine, ports: lease.Port);
        (await _programs.NextAsync(program)).Name.Should().Be("idle");
        Task<PortEntry> registration = lease.RegisterAsync(program);
        await lease.ExtendAsync(TimeSpan.FromHours(1)).AsTask().Within();

        clock.Advance(TimeSpan.FromSeconds(2));
        int reads = registry.Listeners.Reads;
        await Eventually.TrueAsync(() => IsCompletedAfterATick() || registry.Listeners.Reads > reads + 3);

        registration.IsCompleted.Should().BeFalse("the lease has its time still");
        await program.StandardInput.WriteLineAsync().Within();
        await Eventually.TrueAsync(IsCompletedAfterATick);
        (await registration.Within()).Port.Should().Be(lease.Port);

        bool IsCompletedAfterATick()
        {
            clock.Advance(TimeSpan.FromMilliseconds(20));
            return registration.IsCompleted;
        }
    }

    [NeedsFact("node")]
    public async Task RegisterAsync_NodeWithWorkers_IsBound()
    {
        const string Server = "const c=require('cluster'),h=require('http');if(c.isPrimary){c.fork();c.fork()}else h.createServer((q,r)=>r.end()).listen(+process.argv[1],'127.0.0.1')";
        PortLease lease = await _registry.AcquireAsync("node").Within();
        lease.OpenGate();
        using Child node = Child.Start(new ProcessStartInfo("node", ["-e", Server, $"{lease.Port}"]));

        PortEntry entry = await lease.RegisterAsync(node.Process).Within();

        entry.Port.Should().Be(lease.Port);
        node.Process.Kill(entireProcessTree: true);
        await Eventually.TrueAsync(() => !_registry.TryGetPort("node", out _));
    }

    [Fact]
    public async Task RegisterAsync_ProcessHasExitedBefore_IsRefusedAndNotLookedUpByItsNumber()
    {
        PortLease lease = await _registry.AcquireAsync("gone").Within();
        using Child child = Child.Start();
        child.Kill();
        int reads = _registry.Listeners.Reads;

        (await ((Task)lease.RegisterAsync(child.Process)).RefusalAsync()).ShouldExplain(PortRefusalReason.ProcessDead, "gone", child.Id).HolderProcessId.Should().BeNull("the dead hold nothing");

        _registry.Listeners.Reads.Should().Be(reads);
    }

    [NeedsNamespaceFact]
    public async Task RegisterAsync_ProgramHasANetworkOfItsOwn_IsFoundInIt()
    {
        PortLease lease = await _registry.AcquireAsync("own network").Within();
        lease.OpenGate();
        Process program = _programs.Start(Programs.Plain, "unshare -n @; true", configure: start => start.Environment["HOST"] = "0.0.0.0", ports: lease.Port);

        PortEntry entry = await lease.RegisterAsync(program).Within();

        (_, int listener) = await _programs.NextAsync(program);
        entry.ProcessId.Should().Be(listener);
        Programs.Kill(listener);
        await Eventually.TrueAsync(() => !_registry.TryGetPort("own network", out _));
    }

    [NeedsFact("python3")]
    public async Task Death_TheEntryPassesOn_TheStoreKnowsWhoHasItNow()
    {
        // The daemon that comes next looks at that process, and at no other.
        FakePortStore store = new();
        await using PortRegistry registry = await PortRegistry.OpenAsync(
            new PortRegistryOptions { Ports = _range.ToString(), Strategy = PortRegistryOptions.AllocatorPicks, LivenessInterval = TimeSpan.FromHours(1), ReconcileInterval = TimeSpan.FromHours(1) }, store).Within();
        PortLease lease = await registry.AcquireAsync("many").Within();
        lease.OpenGate();
        Process program = _programs.Start(Programs.ReusePort, ports: lease.Port);
        int[] workers = [.. (await _programs.AllAsync(program, 3))["worker"]];
        int first = (await lease.RegisterAsync(program).Within()).ProcessId!.Value;

        Programs.Kill(first);

        await Eventually.TrueAsync(() => registry.TryGetEntry("many", out PortEntry entry) && entry.ProcessId != first);
        await Eventually.TrueAsync(() => store.Facts.Any(fact => fact.Owner == "many" && fact.ProcessId != first && workers.Contains(fact.ProcessId)));
    }

    [NeedsFact("python3")]
    public async Task Death_TheEntryEndsWhileItIsPassedOn_NothingIsToldAfterTheEnd()
    {
        Releasing logger = new();
        using PortRegistry registry = Make(logger: logger);
        logger.Registry = registry;
        PortLease lease = await registry.AcquireAsync("many").Within();
        lease.OpenGate();
        Process program = _programs.Start(Programs.ReusePort, ports: lease.Port);
        await _programs.AllAsync(program, 3);
        PortEntry entry = await lease.RegisterAsync(program).Within();
        await using WatchReader changes = WatchReader.FromNow(registry);

        Programs.Kill(entry.ProcessId!.Value);

        (await changes.NextAsync()).Kind.Should().Be(PortChangeKind.Released);
        await logger.HasTold.Task.Within();
        registry.TryAcquire("after", out _, out _).Should().BeTrue();
        (await changes.NextAsync()).Entry.Owner.Should().Be("after", "a mirror would keep what is told of 'many' now for good");
    }

    /// <summary>Time that goes on by 100 ms after each look at who listens: however slowly programs
    /// start, little of it passes.</summary>
    private sealed class LookByLook(PortRegistry registry, FakeTimeProvider clock)
    {
        private int _seen = -1;

        /// <summary>Goes on when there was another look.</summary>
        /// <returns>How many looks there were.</returns>
        public int Next()
        {
            int looks = registry.Listeners.Reads;
            if (looks != _seen)
            {
                _seen = looks;
                clock.Advance(TimeSpan.FromMilliseconds(100));
            }

            return looks;
        }
    }

    /// <summary>Releases the entry when it is told that it passed on.</summary>
    private sealed class Releasing : ILogger<PortRegistry>
    {
        public PortRegistry? Registry { get; set; }

        public TaskCompletionSource HasTold { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (eventId.Name == "PassedOn" && Registry!.TryRelease("many", out _))
            {
                HasTold.SetResult();
            }
        }
    }

    private PortRegistry Make(Action<PortRegistryOptions>? configure = null, ILogger<PortRegistry>? logger = null, TimeProvider? clock = null)
    {
        PortRegistryOptions options = new() { Ports = _range.ToString(), Strategy = PortRegistryOptions.AllocatorPicks, LivenessInterval = TimeSpan.FromHours(1), ReconcileInterval = TimeSpan.FromHours(1), ReuseDelay = TimeSpan.Zero };
        configure?.Invoke(options);
        return new PortRegistry(options, logger, clock);
    }
}
