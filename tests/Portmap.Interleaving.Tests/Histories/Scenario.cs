namespace Portmap.Interleaving.Tests.Histories;

/// <summary>What some threads are about to call, on how few ports and owners.</summary>
/// <param name="Ports">How many ports there are, 1 to 3.</param>
/// <param name="Cools">Whether a released port cools.</param>
/// <param name="Before">What happens before the threads begin.</param>
/// <param name="Threads">What each thread calls, in order.</param>
internal sealed record Scenario(int Ports, bool Cools, IReadOnlyList<Call> Before, IReadOnlyList<IReadOnlyList<Call>> Threads)
{
    /// <summary>Whether there is a store, and a change counts only when it is written.</summary>
    public bool IsStored { get; init; }

    /// <summary>Sessions of two processes that live, of one that may die, and a second one of the
    /// first.</summary>
    public const int Sessions = 4, Mortal = 2;

    public bool HasDeath => Before.Concat(Threads.SelectMany(calls => calls)).Any(call => call.Kind == CallKind.Die || call.Process == Mortal);

    public static Scenario Any(Random random)
    {
        int owners = random.Next(1, 4), ports = random.Next(1, 4), threads = random.Next(2, 5);
        bool mayDie = random.Next(4) == 0, mayPass = random.Next(3) == 0;
        Scenario scenario = new(
            ports,
            random.Next(3) == 0,
            [.. Enumerable.Range(0, random.Next(4)).Select(_ => AnyCall(random, owners, ports, mayDie))],
            [.. Enumerable.Range(0, threads).Select(_ => (IReadOnlyList<Call>)[.. Enumerable.Range(0, random.Next(1, 5 - (threads / 2))).Select(_ => AnyCall(random, owners, ports, mayDie))])]);
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

    public override string ToString() => string.Join(
        Environment.NewLine,
        new[] { $"{Ports} ports, {(Cools ? "cooling" : "no delay")}{(IsStored ? ", stored" : "")}" }
            .Concat(Before.Select(call => $"  before: {Short(call)}"))
            .Concat(Threads.Select((calls, i) => $"  thread {i}: {string.Join("; ", calls.Select(Short))}")));

    private static string Short(Call call) => $"{call.Kind} owner {call.Owner} port {call.Port} session {call.Process}";
}
