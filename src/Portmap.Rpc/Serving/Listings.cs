namespace Portmap.Rpc.Serving;

/// <summary>
/// The listings that are being read, a few for all connections of a server together: one may be
/// megabytes, and its readers may never come back. Any number of readers share one.
/// </summary>
/// <remarks>Safe for any thread. Readers whose listing had to go are told to list again.</remarks>
internal sealed class Listings(SharedSnapshot snapshots)
{
    /// <summary>How many snapshots are kept.</summary>
    public const int MaxKept = 16;

    private readonly Lock _gate = new();
    private readonly List<(PortSnapshot Listing, HashSet<ListingReader> Readers)> _kept = new(MaxKept);

    /// <summary>
    /// Begins a listing of the map as it is now, in place of the one its reader had.
    /// </summary>
    public async ValueTask<PortSnapshot> BeginAsync(ListingReader reader, CancellationToken cancellationToken)
    {
        PortSnapshot listing = await snapshots.TakeAsync(cancellationToken).ConfigureAwait(false);
        Keep(reader, listing);
        return listing;
    }

    /// <summary>The listing that a reader began and has not read to its end.</summary>
    public PortSnapshot? Find(ListingReader reader)
    {
        lock (_gate)
        {
            return _kept.Find(one => one.Readers.Contains(reader)).Listing;
        }
    }

    public void Drop(ListingReader reader)
    {
        lock (_gate)
        {
            _kept.RemoveAll(one => one.Readers.Remove(reader) && one.Readers.Count == 0);
        }
    }

    private void Keep(ListingReader reader, PortSnapshot listing)
    {
        lock (_gate)
        {
            Drop(reader);
            if (_kept.Find(one => ReferenceEquals(one.Listing, listing)).Readers is { } readers)
            {
                readers.Add(reader);
                return;
            }

            if (_kept.Count == MaxKept)
            {
                _kept.RemoveAt(0);   // the oldest
            }

            _kept.Add((listing, [reader]));
        }
    }
}
