using Portmap.Table;

namespace Portmap.Guarding;

/// <summary>Counts in how many passes on end something was wrong with a claim, so that no single look ends it.</summary>
/// <remarks>Used by one pass at a time.</remarks>
internal sealed class Sightings(int enough)
{
    private Dictionary<PortClaim, int> _counts = [];

    /// <summary>Notes the suspects of one pass; who is none any more starts anew.</summary>
    /// <returns>Those that were suspects in enough passes on end.</returns>
    public List<PortClaim> Note(IEnumerable<PortClaim> suspects)
    {
        Dictionary<PortClaim, int> counts = [];
        List<PortClaim> convicted = [];
        foreach (PortClaim suspect in suspects)
        {
            int count = _counts.GetValueOrDefault(suspect) + 1;
            counts[suspect] = count;
            if (count >= enough)
            {
                convicted.Add(suspect);
            }
        }

        _counts = counts;
        return convicted;
    }
}
