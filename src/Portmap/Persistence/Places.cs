namespace Portmap.Persistence;

/// <summary>A port of a protocol as one number.</summary>
internal static class Places
{
    private const int Count = 2 * 65_536;

    public static int Of(PortFact fact) => ((int)fact.Protocol << 16) | fact.Port;

    /// <summary>Whether two facts are about one port; none counts as no port.</summary>
    public static bool AnyTwice(IEnumerable<PortFact> facts)
    {
        ulong[] seen = new ulong[Count / 64];
        foreach (PortFact fact in facts)
        {
            int place = Of(fact);
            ulong bit = 1UL << place;
            if (fact.Port != 0 && (seen[place >> 6] & bit) != 0)
            {
                return true;
            }

            seen[place >> 6] |= bit;
        }

        return false;
    }
}
