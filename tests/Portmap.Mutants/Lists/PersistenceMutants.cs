namespace Portmap.Mutants.Lists;

/// <summary>Faults in what is written, read and recovered.</summary>
internal static class PersistenceMutants
{
    public static IEnumerable<Mutant> All => [];
}
