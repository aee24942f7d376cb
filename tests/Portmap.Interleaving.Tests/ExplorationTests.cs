using Portmap.Interleaving.Tests.Histories;
using Portmap.Interleaving.Tests.Scheduling;

namespace Portmap.Interleaving.Tests;

/// <summary>Tiny scenarios under every schedule with at most two forced switches; at every step
/// both ways to look must agree.</summary>
/// <remarks>A process that dies is a real thread that ends, and a pass of the registry takes many
/// steps and reads /proc: those scenarios have one forced switch here, and two with
/// PORTMAP_EXPLORE_ALL=1. Of the schedules with one number of switches at most
/// <see cref="Most"/> are played here, at even distances, or <see cref="MostSlow"/> where a play
/// takes long, or <see cref="MostStored"/> where it waits for a store, and all with PORTMAP_EXPLORE_ALL=1 (a quarter of an hour): they grow with the square of
/// the steps, and all of them took longer than the whole stage of tests may.</remarks>
public class ExplorationTests
{
    private const int Most = 2_000, MostSlow = 400, MostStored = 100;

    private static readonly Call s_acquire = new(CallKind.Acquire, 0), s_acquireB = new(CallKind.Acquire, 1), s_acquireOwn = new(CallKind.AcquireOwn, 0);
    private static readonly Call s_byOwner = new(CallKind.FindByOwner, 0), s_byPort = new(CallKind.FindByPort, Port: 1), s_findPort = new(CallKind.FindPort, 0), s_byPort2 = new(CallKind.FindByPort, Port: 2), s_pass = new(CallKind.Pass), s_die = new(CallKind.Die, Process: 2);
    private static readonly Call s_acquireBoth = new(CallKind.AcquireBoth, 0), s_bindFailed = new(CallKind.ReportBindFailure, 0), s_open = new(CallKind.OpenGate, 0), s_extend = new(CallKind.Extend, 0);

    /// <summary>Name, ports, what happened before, and what two or three threads do.</summary>
    private static readonly Dictionary<string, (int Ports, Call[] Before, Call[][] Threads)> s_scenarios = new()
    {
        ["one port for two owners"] = (1, [], [[s_acquire], [s_acquireB]]),
        ["one owner twice"] = (2, [], [[s_acquire], [s_acquire]]),
        ["a port of two processes"] = (1, [], [[Register(0, 1, 0)], [Register(1, 1, 1)]]),
        ["an owner of two processes"] = (2, [], [[Register(0, 1, 0)], [Register(0, 2, 1)]]),
        ["an owner moves while it is read"] = (2, [Register(0, 1, 0)], [[Register(0, 2, 0)], [s_byOwner, s_byPort, s_byOwner]]),
        ["an owner moves twice"] = (2, [Register(0, 1, 0)], [[Register(0, 2, 0)], [Register(0, 1, 0)]]),
        ["several owners on one port"] = (1, [Register(0, 1, 0)], [[Register(1, 1, 0), Release(1, 0)], [Release(0, 0), s_byPort]]),
        ["owners that take turns on a port"] = (1, [Register(0, 1, 0)], [[s_byPort], [Register(1, 1, 0), Release(0, 0)]]),
        ["a lease is registered twice"] = (1, [s_acquire], [[Lease(0, 1, 0)], [Lease(0, 1, 0)]]),
        ["a lease is registered by two processes"] = (1, [s_acquire], [[Lease(0, 1, 0)], [Lease(0, 1, 1)]]),
        ["a lease is registered and released"] = (1, [s_acquire], [[Lease(0, 1, 0)], [new Call(CallKind.ReleaseLease, 0)]]),
        ["a lease is registered and released by epoch"] = (1, [s_acquire], [[Lease(0, 1, 0)], [new Call(CallKind.ReleaseEpoch, 0, Process: 0)]]),
        ["a lease is registered and runs out"] = (1, [s_acquire], [[Lease(0, 1, 0)], [s_pass, s_byOwner]]),
        ["a lease takes the place of a registration"] = (2, [Register(0, 1, 0), s_acquire], [[Lease(0, 2, 1)], [Release(0, 0), s_byOwner]]),
        ["a lease comes as a registration goes"] = (2, [Register(0, 1, 0)], [[s_byOwner], [s_acquireOwn, Release(0, 0)]]),
        ["a process brings a port"] = (1, [s_acquireOwn], [[Lease(0, 1, 0)], [Register(1, 1, 1)]]),
        ["a leased port is taken by a process"] = (1, [s_acquire], [[Register(1, 1, 1)], [Lease(0, 1, 0)]]),
        ["a port is taken while it is acquired"] = (1, [], [[s_acquire], [Register(1, 1, 1)]]),
        ["a release while a newer one replaces"] = (2, [Register(0, 1, 0)], [[Release(0, 0)], [Register(0, 2, 0)]]),
        ["a port is met that is given back afterwards"] = (1, [], [[s_acquire], [s_acquireOwn], [s_acquireB]]),
        ["an owner leaves and comes back"] = (1, [Register(0, 1, 0)], [[Release(0, 0)], [Register(0, 1, 1), s_byOwner]]),
        ["a released port is acquired"] = (1, [Register(0, 1, 0)], [[Release(0, 0)], [s_acquireB]]),
        ["a lease is given back as another looks for its port"] = (1, [s_acquire], [[new Call(CallKind.ReleaseLease, 0)], [s_acquireB, s_acquireB]]),
        ["an owner comes back as its idle cell is retired"] = (2, [s_acquire, new Call(CallKind.ReleaseLease, 0)], [[s_acquire], [s_pass, s_acquire]]),
        ["a process dies while it is replaced"] = (2, [Register(0, 1, 2)], [[s_die], [Register(0, 2, 1)]]),
        ["a process dies while its port is taken"] = (1, [Register(0, 1, 2)], [[s_die, s_byPort], [Register(1, 1, 1)]]),
        ["a lookup as a lease replaces a process that dies"] = (2, [Register(0, 1, 2), s_acquireOwn], [[s_byOwner], [Lease(0, 2, 0), s_die]]),
        ["a lookup of the port as a lease replaces a process that dies"] = (1, [Register(0, 1, 2), s_acquireOwn], [[s_byPort], [Lease(0, 1, 0), s_die]]),
        ["a port is found as a lease replaces a process that dies"] = (2, [Register(0, 1, 2), s_acquireOwn], [[s_findPort, s_findPort, s_findPort], [Lease(0, 2, 0), s_die, s_findPort]]),
        ["lookups as one replaces another and a process dies"] = (2, [Register(0, 1, 2), s_acquireOwn], [[s_findPort, s_byOwner, s_byPort], [Lease(0, 1, 1), s_die], [Release(0, 1)]]),
        ["a lease comes as a process dies"] = (2, [Register(0, 1, 2)], [[s_acquire, s_byOwner], [s_die, s_findPort]]),
        ["a lease is registered as its owner's process dies"] = (2, [Register(0, 1, 2), s_acquireOwn], [[Lease(0, 2, 0)], [s_die, s_byOwner]]),
        ["a lease is given back as its owner's process dies"] = (2, [Register(0, 1, 2), s_acquire], [[new Call(CallKind.ReleaseLease, 0), s_byOwner], [s_die, s_acquire]]),
        ["a registration is released as its process dies"] = (1, [Register(0, 1, 2)], [[Release(0, 2), s_byPort], [s_die, s_byOwner]]),
        ["a lease's registration is released by epoch as its process dies"] = (1, [s_acquire, Lease(0, 1, 2)], [[new Call(CallKind.ReleaseEpoch, 0, Process: 0)], [s_die, s_byOwner]]),
        ["the same epoch again as its process dies"] = (2, [s_acquireOwn, Lease(0, 1, 2)], [[Lease(0, 2, 0), s_byOwner], [s_die, s_findPort]]),
        ["the same epoch again after its process died"] = (2, [s_acquireOwn, Lease(0, 1, 2)], [[s_die, Lease(0, 1, 0)], [s_pass, s_byOwner]]),
        ["the same epoch again as a newer lease comes"] = (2, [s_acquireOwn, Lease(0, 1, 0), Release(0, 0)], [[Lease(0, 2, 0)], [s_acquireOwn, s_byOwner]]),
        ["an old lease on a port that others have had"] = (1, [s_acquireOwn], [[Lease(0, 1, 0)], [Register(1, 1, 0), Release(1, 0)]]),
        ["an owner leaves and comes back with leases"] = (2, [s_acquireOwn, Lease(0, 1, 0)], [[Release(0, 0), s_acquireOwn], [new Call(CallKind.ReleaseLease, 0), s_acquireOwn]]),
        ["a sign-in beside a lease that is registered"] = (2, [Register(0, 1, 0), s_acquire], [[Register(0, 1, 0), Lease(0, 2, 1)], [Register(0, 2, 0), s_byOwner]]),
        ["a shared port as one of its owners goes on"] = (1, [Register(0, 1, 0), Register(1, 1, 0)], [[Register(0, 1, 3), Release(0, 0)], [Release(1, 0), s_acquireB]]),
        ["two blocks that overlap"] = (3, [], [[Block(0)], [Block(1)]]),
        ["two blocks of the same ports, one owner in both"] = (2, [], [[Block(0)], [Block(2)]]),
        ["a block and an acquisition"] = (2, [], [[Block(0)], [s_acquireB]]),
        ["a block and an acquisition of its port"] = (2, [], [[Block(0)], [new Call(CallKind.Acquire, 2)]]),
        ["a block while it is read"] = (2, [], [[Block(0)], [new Call(CallKind.FindByOwner, 1), s_byPort, s_byOwner]]),
        ["a block and a process on its port"] = (2, [], [[Block(0)], [Register(2, 2, 1), s_byPort]]),
        ["a block and a sign-in of its owner"] = (3, [Register(1, 1, 0)], [[Block(0)], [Register(1, 1, 0), s_byOwner]]),
        ["two at once and a lease that comes and goes"] = (3, [s_acquireB], [[new Call(CallKind.AcquireAll, 0)], [new Call(CallKind.ReleaseLease, 1), s_acquireB]]),
        ["a registration is released as its process signs in beside a lease"] = (2, [Register(0, 1, 0), s_acquireOwn], [[Release(0, 0), s_byOwner], [Register(0, 2, 0)]]),
        ["a registration is released by epoch as its process signs in beside a lease"] = (2, [s_acquireOwn, Lease(0, 1, 0), s_acquireOwn], [[new Call(CallKind.Release, 0, Process: 3), s_byOwner], [Register(0, 2, 0)]]),
        ["a registration is released as it is made again on another port beside a lease"] = (2, [s_acquireOwn, Lease(0, 1, 0), s_acquireOwn], [[Release(0, 0), s_byOwner], [Again(0, 2, 0)]]),
        ["a registration is released as its process signs in beside a lease, and another one too"] = (3, [Register(0, 1, 0), s_acquireOwn], [[Release(0, 0)], [Register(0, 2, 0)], [Register(0, 3, 0), s_byOwner]]),
        ["a lease is registered twice, on two ports"] = (2, [s_acquireOwn], [[Lease(0, 1, 0)], [Lease(0, 2, 0), s_byOwner]]),
        ["a lease is registered twice, on two ports, beside a registration that came after it"] = (3, [Register(0, 1, 0), s_acquireOwn, Register(0, 3, 0)], [[Lease(0, 2, 0)], [Lease(0, 3, 0)]]),
        ["a lease is registered twice, on two ports, beside one of another process"] = (3, [Register(0, 1, 1), s_acquireOwn, Register(0, 3, 1)], [[Lease(0, 2, 0)], [Lease(0, 1, 3), s_byOwner]]),
        ["a lease is registered twice, on two UDP ports, beside a registration that came after it"] = (3, [OnUdp(Register(0, 1, 0)), OnUdp(s_acquireOwn), OnUdp(Register(0, 3, 0))], [[OnUdp(Lease(0, 2, 0)), Register(0, 2, 1)], [OnUdp(Lease(0, 3, 0))]]),
        ["a lease is registered twice beside a registration that is released"] = (3, [Register(0, 1, 1), s_acquireOwn, Register(0, 3, 1)], [[Lease(0, 2, 0)], [Lease(0, 3, 0)], [Release(0, 1)]]),
        ["a lease is registered twice and released by epoch, beside a registration that came after it"] = (3, [Register(0, 1, 1), s_acquireOwn, Register(0, 3, 1)], [[Lease(0, 2, 0)], [Lease(0, 3, 0)], [new Call(CallKind.ReleaseEpoch, 0, Process: 0)]]),
        ["a lease beside a registration is found by port as it is registered"] = (3, [Register(0, 1, 0), s_acquire, Register(0, 3, 0)], [[Lease(0, 2, 1)], [s_byPort2, s_byPort2]]),
        ["a lease beside a registration is found as its process dies and the lease is registered"] = (3, [Register(0, 1, 2), s_acquireOwn, Register(0, 3, 2)], [[Lease(0, 2, 0)], [s_die, s_byOwner, s_byOwner]]),
        ["a lease is registered as its port could not be bound"] = (2, [s_acquire], [[Lease(0, 1, 0), s_byOwner], [s_bindFailed]]),
        ["a lease beside a registration is found by port as it moves"] = (3, [Register(0, 1, 0), s_acquire, Register(0, 3, 0)], [[s_byPort2, s_byPort2], [s_bindFailed]]),
        ["a lease is released by epoch as its port could not be bound"] = (2, [s_acquire], [[new Call(CallKind.ReleaseEpoch, 0, Process: 0), s_byOwner], [s_bindFailed]]),
        ["a release as a lease comes and goes"] = (2, [Register(0, 1, 0), s_acquireOwn], [[Lease(0, 2, 0), Release(0, 0)], [Release(0, 3)]]),
        ["a lease of both protocols and one of each"] = (2, [], [[s_acquireBoth, s_byPort], [s_acquire, OnUdp(s_acquireB)]]),
        ["a lease of both protocols while it is read"] = (1, [], [[s_acquireBoth], [s_byOwner, OnUdp(s_byOwner), OnUdp(s_byPort)]]),
        ["one half is registered as the other is given back"] = (1, [s_acquireBoth], [[Lease(0, 1, 0)], [OnUdp(new Call(CallKind.ReleaseEpoch, 0, Process: 0)), s_byOwner]]),
        ["one half is lost to a process as the other is registered"] = (1, [s_acquireBoth], [[OnUdp(Register(1, 1, 1))], [Lease(0, 1, 0), OnUdp(s_byPort)]]),
        ["both halves are registered"] = (1, [s_acquireBoth], [[Lease(0, 1, 0), OnUdp(s_byOwner)], [OnUdp(Lease(0, 1, 0)), s_byOwner]]),
        ["both halves run out"] = (1, [s_acquireBoth], [[s_pass, s_byOwner], [OnUdp(Lease(0, 1, 0)), OnUdp(s_byOwner)]]),
        ["a UDP port of two processes"] = (1, [], [[OnUdp(Register(0, 1, 0))], [OnUdp(Register(1, 1, 1)), s_byPort]]),
        ["a port could not be bound as its lease is registered"] = (2, [s_acquire], [[s_bindFailed, s_byOwner], [Lease(0, 1, 0)]]),
        ["a port could not be bound as its lease is given back"] = (2, [s_acquire], [[s_bindFailed, s_byOwner], [new Call(CallKind.ReleaseLease, 0), s_byPort]]),
        ["a port could not be bound, and a process of another owner listens there"] = (2, [s_acquire], [[s_bindFailed], [Register(1, 1, 1), s_byOwner]]),
        ["a port could not be bound, and there is no other"] = (1, [s_acquire], [[s_bindFailed, s_byPort], [s_acquireB, s_byOwner]]),
        ["a port could not be bound, there is no other, and its lease is registered"] = (1, [s_acquire], [[Lease(0, 1, 0)], [s_bindFailed, s_byPort, s_byOwner]]),
        ["a lease gets more time as it is registered"] = (1, [s_acquire], [[s_extend, s_byOwner], [Lease(0, 1, 0)]]),
        ["a lease gets more time as it runs out"] = (1, [s_acquire], [[s_extend, s_byOwner], [s_pass, s_byPort]]),
        ["a process dies while it registers"] = (1, [], [[s_die, s_byOwner], [Register(0, 1, 2), s_byOwner]]),
        ["owners that take turns on a shared port"] = (1, [Register(0, 1, 0), Register(1, 1, 0)], [[s_byPort], [Register(2, 1, 0), Release(0, 0), Release(1, 0)]]),
        ["a lease of both protocols as others have the UDP port"] = (1, [OnUdp(Register(1, 1, 0)), OnUdp(Release(1, 0))], [[s_acquireBoth], [OnUdp(Register(1, 1, 0)), OnUdp(Release(1, 0))]]),
        ["an owner is asked for its port as it moves"] = (2, [Register(0, 1, 0)], [[Register(0, 2, 0)], [s_findPort]]),
        ["half of a lease of both protocols is found before the other is refused"] = (2, [Register(1, 2, 1)], [[s_acquireBoth], [s_byOwner, OnUdp(Register(0, 1, 0)), s_byPort]]),
        ["half of a lease of both protocols runs out before the other is there"] = (1, [], [[s_acquireBoth, s_byPort], [s_pass, s_byPort, OnUdp(Register(0, 1, 0)), s_byPort]]),
    };

    /// <summary>Of gates: those are played with guards alone.</summary>
    private static readonly Dictionary<string, (int Ports, Call[] Before, Call[][] Threads)> s_gates = new()
    {
        ["a gate is opened as its lease is registered"] = (1, [s_acquire], [[s_open, s_byOwner], [Lease(0, 1, 0)]]),
        ["a gate is opened as its lease is given back"] = (1, [s_acquire], [[s_open], [new Call(CallKind.ReleaseLease, 0), s_acquireB]]),
        ["a gate is opened as its lease runs out"] = (1, [s_acquire], [[s_open], [s_pass, s_acquireB]]),
        ["a gate is opened as its port could not be bound"] = (2, [s_acquire], [[s_open, s_byOwner], [s_bindFailed]]),
        ["a lease is registered twice behind its open gate"] = (1, [s_acquire, s_open], [[Lease(0, 1, 0)], [Lease(0, 1, 3), s_byOwner]]),
        ["a lease is registered behind its open gate and released"] = (1, [s_acquire, s_open], [[Lease(0, 1, 0)], [new Call(CallKind.ReleaseEpoch, 0, Process: 0), s_acquireB]]),
        ["a lease is registered behind its open gate and its process dies"] = (1, [s_acquire, s_open], [[Lease(0, 1, 2)], [s_die, s_acquire]]),
        ["a registration behind its open gate is released and its port acquired"] = (1, [s_acquire, s_open, Lease(0, 1, 0)], [[Release(0, 0)], [s_acquireB], [s_byPort]]),
        ["an owner comes back to its kept port as that is let go"] = (1, [s_acquire, s_open, Lease(0, 1, 2), s_die], [[s_acquire, s_open], [s_pass]]),
        ["two come to a kept port"] = (1, [s_acquire, s_open, Lease(0, 1, 2), s_die], [[s_acquire], [s_acquireB], [s_pass]]),
    };

    /// <summary>Those that are played on a store too, which writes as the schedule says.</summary>
    private static readonly string[] s_stored =
    [
        "one port for two owners", "an owner of two processes", "an owner moves while it is read", "a lease is registered and released", "a lease is registered and runs out",
        "a leased port is taken by a process", "a released port is acquired", "a lease takes the place of a registration", "two blocks that overlap", "a lease of both protocols and one of each",
        "one half is registered as the other is given back", "a port could not be bound as its lease is registered",
    ];

    private static readonly string[] s_storedAndGuarded =
    [
        "one port for two owners", "a lease is registered and released", "a lease is registered and runs out", "a lease is given back as another looks for its port", "two blocks that overlap",
        "a gate is opened as its lease is registered", "a gate is opened as its lease is given back", "a lease is registered behind its open gate and released",
        "a lease is registered behind its open gate and its process dies", "an owner comes back to its kept port as that is let go",
    ];

    private static readonly bool s_isAll = Environment.GetEnvironmentVariable("PORTMAP_EXPLORE_ALL") == "1";

    public static IEnumerable<object[]> Scenarios => s_scenarios.Keys.Select((name, i) => new object[] { name, i % 2 == 0 });

    [Theory]
    [MemberData(nameof(Scenarios))]
    public void Registry_EverySchedule_IsLinearizableAndAgreesAtEveryStep(string name, bool cools)
    {
        (int ports, Call[] before, Call[][] threads) = s_scenarios[name];
        bool isQuick = IsQuick(threads);
        using Explorer explorer = new(threads: 3);

        explorer.FindFaultInAll(new Scenario(ports, cools, before, threads), switches: isQuick || s_isAll ? 2 : 1, most: s_isAll ? int.MaxValue : isQuick ? Most : MostSlow).Should().BeNull();

        explorer.Runs.Should().BeGreaterThanOrEqualTo(isQuick ? 200 : 20, "otherwise the steps are not seen");
    }

    /// <summary>Some of them on real ports: what is acquired has a placeholder, what is registered
    /// is handed over. Nobody listens, so who would take something is refused.</summary>
    [Theory]
    [InlineData("one port for two owners")]
    [InlineData("a lease is registered twice")]
    [InlineData("a lease is registered by two processes")]
    [InlineData("a lease is registered and released")]
    [InlineData("a lease is registered and runs out")]
    [InlineData("a leased port is taken by a process")]
    [InlineData("a port is taken while it is acquired")]
    [InlineData("a lease is given back as another looks for its port")]
    [InlineData("a registration is released as its process dies")]
    [InlineData("a shared port as one of its owners goes on")]
    [InlineData("two blocks that overlap")]
    [InlineData("a lease of both protocols and one of each")]
    [InlineData("one half is registered as the other is given back")]
    [InlineData("a port could not be bound as its lease is registered")]
    public void Registry_EveryScheduleWithGuards_IsLinearizableAndLeavesNoPlaceholder(string name)
    {
        (int ports, Call[] before, Call[][] threads) = s_scenarios[name];
        using Explorer explorer = new(threads: 3);

        explorer.FindFaultInAll(new Scenario(ports, Cools: false, before, threads) { IsGuarded = true }, switches: 1, most: s_isAll ? int.MaxValue : MostSlow).Should().BeNull();

        explorer.Runs.Should().BeGreaterThanOrEqualTo(8, "otherwise the steps are not seen");
    }

    public static IEnumerable<object[]> Gates => s_gates.Keys.Select(name => new object[] { name });

    /// <summary>A start opens the gate, a registration closes it: what an entry says of its port is
    /// held against the kernel at every step.</summary>
    [Theory]
    [MemberData(nameof(Gates))]
    public void Registry_EveryScheduleWithGates_SaysNoMoreThanTheKernelDoes(string name)
    {
        (int ports, Call[] before, Call[][] threads) = s_gates[name];
        using Explorer explorer = new(threads: 3);

        explorer.FindFaultInAll(new Scenario(ports, Cools: false, before, threads) { IsGuarded = true }, switches: s_isAll ? 2 : 1, most: s_isAll ? int.MaxValue : IsQuick(threads) ? MostSlow : MostStored).Should().BeNull();

        explorer.Runs.Should().BeGreaterThanOrEqualTo(12, "otherwise the steps are not seen");
    }

    public static IEnumerable<object[]> Stored =>
        from failing in (int[])[0, 1, 2]
        from one in s_stored.Select(name => (Name: name, IsGuarded: false)).Concat(s_storedAndGuarded.Select(name => (Name: name, IsGuarded: true)))
        select new object[] { one.Name, failing, one.IsGuarded };

    /// <summary>What is on disk when is part of the schedule; of the batches none fails, or the first,
    /// which leaves nothing behind, or the second, which is there all the same.</summary>
    [Theory]
    [MemberData(nameof(Stored))]
    public void Registry_EveryScheduleWithAStore_IsLinearizableAndAgreesAtEveryStep(string name, int failing, bool isGuarded)
    {
        (int ports, Call[] before, Call[][] threads) = s_gates.TryGetValue(name, out (int, Call[], Call[][]) gate) ? gate : s_scenarios[name];
        using Explorer explorer = new(threads: 3);

        explorer.FindFaultInAll(new Scenario(ports, Cools: false, before, threads) { IsGuarded = isGuarded }.WithSteppedStore(failing), switches: 1, most: s_isAll ? int.MaxValue : IsQuick(threads) ? MostStored / 2 : MostStored / 8).Should().BeNull();

        // Until the writer, which is no thread of the schedule, has noticed that the store works
        // again, what follows a batch that failed may be refused after three steps.
        explorer.Runs.Should().BeGreaterThanOrEqualTo(failing == 0 ? 6 : 2, "otherwise the steps are not seen");
    }

    private static bool IsQuick(Call[][] threads) => !Array.Exists(threads, calls => calls.Contains(s_die) || calls.Contains(s_pass));

    private static Call Again(int owner, int port, int process) => new(CallKind.RegisterAgain, owner, port, process);

    private static Call OnUdp(Call call) => call with { Protocol = PortProtocol.Udp };

    private static Call Block(int owner) => new(CallKind.AcquireBlock, owner);

    private static Call Register(int owner, int port, int process) => new(CallKind.Register, owner, port, process);

    private static Call Lease(int owner, int port, int process) => new(CallKind.RegisterLease, owner, port, process);

    private static Call Release(int owner, int process) => new(CallKind.Release, owner, Process: process);
}
