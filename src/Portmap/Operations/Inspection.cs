using Portmap.Table;

namespace Portmap.Operations;

/// <summary>What an owner has, once nothing is pending on it.</summary>
internal struct Inspection(RegistryParts parts, OwnerKey owner) : IOperation
{
    public OwnerView Has { get; private set; }

    /// <summary>Looks, over the turns of a store that confirms.</summary>
    public static async ValueTask<OwnerView> RunAsync(RegistryParts parts, OwnerKey owner) =>
        (await new Confirmation(parts).StepsAsync(new Inspection(parts, owner)).ConfigureAwait(false)).Operation.Has;

    public Answer Step()
    {
        Has = parts.Table.Look(owner, parts.NowMs);
        return Has.Waits ? Answer.Wait(AwaitedFact.OfOwner) : Answer.Done;
    }

    public readonly PortRefusal? WhenStoreFails(Exception failure) => null;
}
