namespace Portmap.Storm.Contestants;

/// <summary>Who takes part, in the order of the tables.</summary>
internal static class Contestant
{
    public const string Probe = "probe, close, hand out";
    public const string BindZero = "bind(0), close, hand out";
    public const string Guard = "Portmap, guard";
    public const string ProcessBinds = "Portmap, ProcessBinds";

    public static IReadOnlyList<Func<Task<IContestant>>> All { get; } =
    [
        () => Task.FromResult<IContestant>(new NumberContestant(Probe, new ProbeAndClose())),
        () => Task.FromResult<IContestant>(new NumberContestant(BindZero, new BindZeroAndClose())),
        () => RegistryContestant.OpenAsync(Guard, "AllocatorPicks"),
        () => RegistryContestant.OpenAsync(ProcessBinds, "ProcessBinds"),
    ];

    /// <summary>Whether the kernel holds the port until the process listens on it.</summary>
    public static bool IsHeld(string name) => name is Guard or ProcessBinds;
}
