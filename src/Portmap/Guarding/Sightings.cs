namespace Portmap.Guarding;

/// <summary>
/// Counts in how many passes on end something was wrong, so that no single look ends it.
/// </summary>
/// <remarks>Used by one pass at a time.</remarks>
/// <typeparam name="T">What is looked at, by what tells one from another.</typeparam>
internal sealed class Sightings<T>(int enough)
    where T : notnull
{
    private Dictionary<T, int> _counts = [];

    /// <summary>Notes the suspects of one pass; who is none any more starts anew.</summary>
    /// <returns>Those that were suspects in enough passes on end.</returns>
    public List<T> Note(IEnumerable<T> suspects)
    {
        Dictionary<T, int> counts = [];
        List<T> convicted = [];
        foreach (T suspect in suspects)
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
