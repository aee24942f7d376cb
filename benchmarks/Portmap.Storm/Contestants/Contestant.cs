namespace Portmap.Storm.Contestants;

/// <summary>Who takes part, in the order of the tables.</summary>
/// <param name="name">What it is called in tables.</param>
/// <param name="hold">What keeps others off its numbers.</param>
/// <param name="enter">Makes it.</param>
internal sealed class Contestant(string name, Hold hold, Func<string, Task<IContestant>> enter)
{
    public static Contestant Probe { get; } = new("probe, close, hand out", Hold.None, name => Told(name, new ProbeAndClose()));

    public static Contestant BindZero { get; } = new("bind(0), close, hand out", Hold.None, name => Told(name, new BindZeroAndClose()));

    /// <summary>The control: all of it but the guard.</summary>
    public static Contestant Unguarded { get; } = new("Portmap, no guard", Hold.LedgerOnly, name => Given(name, PortGuardMode.None));

    public static Contestant Guard { get; } = new("Portmap, guard", Hold.Gate, name => Given(name, PortGuardMode.UntilRegistered));

    /// <summary>Its gate is the one of <see cref="Guard"/>; what differs is the look behind it when
    /// a worker signs in.</summary>
    public static Contestant GuardWhileAlive { get; } = new("Portmap, guard WhileAlive", Hold.Gate, name => Given(name, PortGuardMode.WhileAlive)) { IsBrief = false };

    public static Contestant ProcessBinds { get; } = new("Portmap, ProcessBinds", Hold.Socket, async name => new RegistryContestant(name, PortRegistryOptions.ProcessBinds, guard: null, await Daemon.OpenAsync()));

    public static Contestant PassSocket { get; } = new("Portmap, PassSocket", Hold.Socket, async name => new PassedSocketContestant(name, await Daemon.OpenAsync())) { TakesHandOffs = false };

    /// <summary>What a hand-off by the registry is compared with: a daemon that workers ask, too. It is
    /// no contestant of the storm, for its numbers are those of <see cref="Probe"/>.</summary>
    public static Contestant PortServer { get; } = new("port server", Hold.None, name => Task.FromResult<IContestant>(new PortServerContestant(name)));

    public static IReadOnlyList<Contestant> All { get; } = [Probe, BindZero, Unguarded, Guard, GuardWhileAlive, ProcessBinds, PassSocket];

    public string Name => name;

    public Hold Hold => hold;

    /// <summary>Whether it can give a port to a process that runs already.</summary>
    public bool TakesHandOffs { get; private init; } = true;

    /// <summary>Whether it takes part in the short storm.</summary>
    public bool IsBrief { get; private init; } = true;

    public Task<IContestant> EnterAsync() => enter(name);

    private static Task<IContestant> Told(string name, IPortPicker picker) => Task.FromResult<IContestant>(new NumberContestant(name, picker));

    private static async Task<IContestant> Given(string name, PortGuardMode guard) => new RegistryContestant(name, PortRegistryOptions.AllocatorPicks, guard, await Daemon.OpenAsync());
}

/// <summary>What keeps others off a number until its process listens.</summary>
internal enum Hold
{
    /// <summary>Nothing; and a process that is started for a number that is taken ends.</summary>
    None,

    /// <summary>Nothing; the process asks for another number by itself.</summary>
    LedgerOnly,

    /// <summary>A placeholder, which admits who binds the number with SO_REUSEADDR once the process
    /// is started.</summary>
    Gate,

    /// <summary>A socket that listens: the process's own, or one that it is passed.</summary>
    Socket,
}
