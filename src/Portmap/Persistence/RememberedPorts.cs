using System.Runtime.InteropServices;

namespace Portmap.Persistence;

/// <summary>
/// What facts say about the port each owner had last: the one of its highest epoch, unless a later
/// claim of another owner on that port is known. A claim that came to nothing is none.
/// </summary>
internal static class RememberedPorts
{
    /// <summary>One fact for each owner that is remembered.</summary>
    /// <param name="facts">The facts that stand.</param>
    /// <param name="hasSeveral">Whether an owner may have several.</param>
    public static IReadOnlyCollection<PortFact> Of(PortFact[] facts, bool hasSeveral)
    {
        if (!hasSeveral && !Places.AnyTwice(facts))
        {
            return Array.FindAll(facts, IsPortOf);   // nobody contests anything
        }

        Dictionary<int, PortFact> byPort = new(facts.Length);
        foreach (PortFact fact in facts)
        {
            if (IsPortOf(fact))
            {
                ref PortFact? last = ref CollectionsMarshal.GetValueRefOrAddDefault(byPort, Places.Of(fact), out _);
                last = last is null || fact.Epoch > last.Epoch ? fact : last;
            }
        }

        Dictionary<(PortProtocol, string), PortFact> byOwner = new(byPort.Count);
        foreach (PortFact fact in byPort.Values)
        {
            ref PortFact? last = ref CollectionsMarshal.GetValueRefOrAddDefault(byOwner, (fact.Protocol, fact.Owner), out _);
            last = last is null || fact.Epoch > last.Epoch ? fact : last;
        }

        return byOwner.Values;
    }

    private static bool IsPortOf(PortFact fact) => fact.Port != 0 && !fact.CameToNothing;
}
