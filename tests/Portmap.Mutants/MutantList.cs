using Portmap.Mutants.Lists;

namespace Portmap.Mutants;

/// <summary>All mutants, numbered.</summary>
internal static class MutantList
{
    /// <summary>The control: it changes nothing, so the run is worth nothing when a test "catches"
    /// it.</summary>
    private static readonly Mutant s_control = new(
        "control: nothing is changed", "src/Portmap/PortRange.cs", "namespace Portmap;", "namespace Portmap; // MUTANT", "Portmap.Tests", "FullyQualifiedName~PortRangeTests")
    {
        AliveBecause = "It changes nothing: a run that catches it is broken.",
    };

    public static IReadOnlyList<Mutant> All { get; } =
    [
        .. new[]
        {
            [s_control], TableMutants.All, OperationMutants.All, GroupMutants.All, GuardMutants.All, PersistenceMutants.All, HostMutants.All,
            SharedMutants.All, WireMutants.All, ClientMutants.All, WorkerMutants.All, FleetMutants.All, ToolMutants.All, TestingMutants.All,
        }.SelectMany(list => list).Select((mutant, index) => mutant with { Number = index + 1 }),
    ];
}
