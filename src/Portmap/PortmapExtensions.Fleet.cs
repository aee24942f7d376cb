using Portmap.Operations;

namespace Portmap;

public static partial class PortmapExtensions
{
    /// <summary>Joins a registry to a fleet of hosts, so that it grants what is asked for with
    /// <see cref="PortScope.Fleet"/>. Packages that know a fleet call it; Portmap.Etcd
    /// does.</summary>
    /// <param name="registry">The registry.</param>
    /// <param name="claim">Claims an owner for this host; called on any thread, also for several
    /// owners at once. It completes when the owner is this host's alone, and throws
    /// <see cref="PortRefusedException"/> when it is not to be had: with
    /// <see cref="PortRefusalReason.Conflict"/> and the host that has it where there is one. What
    /// it answers with:
    /// <list type="bullet">
    /// <item><c>Epoch</c>: the fencing epoch in the fleet, above 0 and higher for each later
    /// holder.</item>
    /// <item><c>IsHeld</c>: whether the owner is held for sure at this moment. Lookups of that
    /// owner call it, so it must not wait nor throw. Once false it stays false, and it must be so
    /// before anybody else can have the owner, also when the process was suspended.</item>
    /// <item><c>Lost</c>: cancelled when the claim is lost, so that nobody has to look.</item>
    /// <item><c>Claim</c>: disposed once, when nothing of the owner is left here: gives the owner
    /// back.</item>
    /// </list></param>
    /// <returns>Dispose it to part the two: what was acquired through the fleet ends
    /// then.</returns>
    /// <exception cref="ArgumentNullException">An argument is null.</exception>
    /// <exception cref="InvalidOperationException">The registry is joined to a fleet.</exception>
    public static IDisposable UseFleet(
        this PortRegistry registry, Func<string, Task<(long Epoch, Func<bool> IsHeld, CancellationToken Lost, IAsyncDisposable Claim)>> claim)
    {
        ArgumentNullException.ThrowIfNull(registry);
        ArgumentNullException.ThrowIfNull(claim);
        FleetBonds bonds = new(registry.Parts.Table, registry.Parts.Fence, registry.Parts.Clock, claim);
        return registry.Parts.TryJoin(bonds)
            ? new Parting(registry.Parts, bonds)
            : throw new InvalidOperationException("The registry is joined to a fleet already. Dispose that one first, or let this one only look (Publish = false).");
    }

    /// <summary>Ends what was acquired through a fleet, and parts the registry from it.</summary>
    private sealed class Parting(RegistryParts parts, FleetBonds bonds) : IDisposable
    {
        public void Dispose()
        {
            bonds.LoseAll();
            parts.Part(bonds);
        }
    }
}
