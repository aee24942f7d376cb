namespace Portmap.Interleaving.Tests.Histories;

/// <summary>What some threads are about to call, on how few ports and owners.</summary>
/// <param name="Ports">How many ports there are, 1 to 3.</param>
/// <param name="Cools">Whether a released port cools.</param>
/// <param name="Before">What happens before the threads begin.</param>
/// <param name="Threads">What each thread calls, in order.</param>
internal sealed record Scenario(int Ports, bool Cools, IReadOnlyList<Call> Before, IReadOnlyList<IReadOnlyList<Call>> Threads)
{
    /// <summary>The port that is kept for an owner, where <see cref="KeepsOne"/>.</summary>
    public const int KeptPort = 1, KeptFor = 0;

    /// <summary>Whether there is a store, and a change counts only when it is written.</summary>
    public bool IsStored { get; init; }

    /// <summary>Whether that store fails now and then.</summary>
    public bool StoreFails { get; init; }

    /// <summary>Whether the store writes only while somebody waits for it, so that the schedule says
    /// when: for threads that take turns.</summary>
    public bool IsStepped { get; init; }

    /// <summary>Which batch of a stepped store fails; 0 for none.</summary>
    public int FailingBatch { get; init; }

    /// <summary>Whether the kernel is asked: what is acquired has a placeholder, and who takes
    /// something is refused because nobody listens.</summary>
    public bool IsGuarded { get; init; }

    /// <summary>Whether a port is kept for an owner.</summary>
    public bool KeepsOne { get; init; }

    /// <summary>Sessions of two processes that live, of one that may die, and a second one of the
    /// first.</summary>
    public const int Sessions = 4, Mortal = 2;

    public bool HasDeath => Before.Concat(Threads.SelectMany(calls => calls)).Any(call => call.Kind == CallKind.Die || call.Process == Mortal);

    /// <summary>Of TCP alone, and what most programs do.</summary>
    public static Scenario Any(Random random) => Any(random, static (random, owners, ports, mayDie, _) => AnyCall(random, owners, ports, mayDie));

    /// <summary>Of all verbs: also UDP and both protocols, ports that could not be bound, more
    /// time, an epoch again; a port may be kept.</summary>
    public static Scenario AnyOfAll(Random random)
    {
        bool hasTcp = random.Next(3) > 0;
        Scenario scenario = Any(random, (random, owners, ports, mayDie, isLast) => AnyCallOfAll(random, AnyCall(random, owners, ports, mayDie), hasTcp, isLast));
        return random.Next(4) == 0 ? scenario.WhereAllAreGivenPorts() with { KeepsOne = true } : scenario;
    }

    /// <summary>Who would bring a port is given one: the owner of a number that is kept, and under
    /// guards one whose process died, has it all the same.</summary>
    public Scenario WhereAllAreGivenPorts()
    {
        return this with { Before = Given(Before), Threads = [.. Threads.Select(Given)] };

        static IReadOnlyList<Call> Given(IReadOnlyList<Call> calls) => [.. calls.Select(call => call.Kind == CallKind.AcquireOwn ? call with { Kind = CallKind.Acquire } : call)];
    }

    /// <param name="random">Where chance comes from.</param>
    /// <param name="anyCall">Makes a call of: chance, how many owners, how many ports, whether the
    /// mortal process may be its own, whether it is of the last thread.</param>
    private static Scenario Any(Random random, Func<Random, int, int, bool, bool, Call> anyCall)
    {
        int owners = random.Next(1, 4), ports = random.Next(1, 4), threads = random.Next(2, 5);
        bool mayDie = random.Next(4) == 0, mayPass = random.Next(3) == 0;
        Scenario scenario = new(
            ports,
            random.Next(3) == 0,
            [.. Enumerable.Range(0, random.Next(4)).Select(_ => anyCall(random, owners, ports, mayDie, false))],
            [.. Enumerable.Range(0, threads).Select(thread =>
                (IReadOnlyList<Call>)[.. Enumerable.Range(0, random.Next(1, 5 - (threads / 2))).Select(_ => anyCall(random, owners, ports, mayDie, thread == threads - 1))])]);
        List<Call> last = [.. scenario.Threads[^1]];
        if (mayDie)
        {
            last.Insert(random.Next(last.Count + 1), new Call(CallKind.Die, Process: Mortal));
        }

        if (mayPass)
        {
            last.Insert(random.Next(last.Count + 1), new Call(CallKind.Pass));
        }

        return scenario with { Threads = [.. scenario.Threads.SkipLast(1), last] };
    }

    private static Call AnyCall(Random random, int owners, int ports, bool mayDie)
    {
        int owner = random.Next(owners), port = random.Next(1, ports + 1), session = random.Next(mayDie ? Sessions : Mortal);
        return random.Next(20) switch
        {
            < 2 => new Call(CallKind.Acquire, owner),
            2 => new Call(random.Next(2) == 0 ? CallKind.AcquireAll : CallKind.AcquireBlock, owner),
            3 => new Call(CallKind.AcquireOwn, owner),
            < 7 => new Call(CallKind.Register, owner, port, session),
            < 10 => new Call(CallKind.RegisterLease, owner, port, session),
            < 12 => new Call(CallKind.Release, owner, Process: session),
            12 => new Call(random.Next(2) == 0 ? CallKind.ReleaseLease : CallKind.ReleaseEpoch, owner, Process: session),
            < 15 => new Call(CallKind.FindPort, owner),
            < 17 => new Call(CallKind.FindByOwner, owner),
            _ => new Call(CallKind.FindByPort, Port: port),
        };
    }

    /// <summary>A plain call turned into one that is seldom made, or into one of UDP.</summary>
    private static Call AnyCallOfAll(Random random, Call call, bool hasTcp, bool isLast)
    {
        PortProtocol protocol = hasTcp && random.Next(2) == 0 ? PortProtocol.Tcp : PortProtocol.Udp;
        return (random.Next(3), call.Kind) switch
        {
            (0, CallKind.Acquire) => call with { Kind = CallKind.AcquireBoth },
            (0, CallKind.Register) => call with { Kind = CallKind.RegisterAgain, Protocol = protocol },
            (0, CallKind.FindPort) => call with { Kind = CallKind.Extend, Protocol = protocol },
            (0 or 1, CallKind.Release) when isLast => call with { Kind = CallKind.ReportBindFailure, Protocol = protocol },   // by one thread: the port that each got is read off the lease
            _ => call with { Protocol = protocol },
        };
    }

    /// <summary>With a store that the schedule steps, and may fail once.</summary>
    public Scenario WithSteppedStore(int failingBatch) =>
        this with { IsStored = true, IsStepped = true, FailingBatch = failingBatch, StoreFails = failingBatch != 0 };

    /// <summary>The last thread opens the gates of the leases it looks for: of one lease two threads
    /// would wait for each other.</summary>
    public Scenario WhereGatesAreOpened() => this with
    {
        Threads = [.. Threads.SkipLast(1), [.. Threads[^1].Select(call => call.Kind == CallKind.FindPort ? call with { Kind = CallKind.OpenGate } : call)]],
    };

    public override string ToString() => string.Join(
        Environment.NewLine,
        new[] { $"{Ports} ports, {(Cools ? "cooling" : "no delay")}{(IsStored ? StoreFails ? ", stored, failing" : ", stored" : "")}{(IsStepped ? $" at batch {FailingBatch}" : "")}{(IsGuarded ? ", guarded" : "")}{(KeepsOne ? ", one kept" : "")}" }
            .Concat(Before.Select(call => $"  before: {Short(call)}"))
            .Concat(Threads.Select((calls, i) => $"  thread {i}: {string.Join("; ", calls.Select(Short))}")));

    private static string Short(Call call) => $"{call.Kind} {call.Protocol} owner {call.Owner} port {call.Port} session {call.Process}";
}
