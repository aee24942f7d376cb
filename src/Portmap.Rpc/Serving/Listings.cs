namespace Portmap.Rpc.Serving;

/// <summary>The listings that are being read, a few for all connections of a server together: one may be megabytes, and its reader may never come back.</summary>
/// <remarks>Safe for any thread. A reader whose listing had to go is told to list again.</remarks>
internal sealed class Listings(SharedSnapshot snapshots)
{
    public const int MaxOpen = 16;

    private readonly Lock _gate = new();
    private readonly List<(RpcConnection Reader, PortSnapshot Listing)> _open = new(MaxOpen);

    /// <summary>Begins a listing of the map as it is now, in place of the one its reader had.</summary>
    public async ValueTask<PortSnapshot> BeginAsync(RpcConnection reader, CancellationToken cancellationToken)
    {
        PortSnapshot listing = await snapshots.TakeAsync(cancellationToken).ConfigureAwait(false);
        Keep(reader, listing);
        return listing;
    }

    /// <summary>The listing that a reader began and has not read to its end.</summary>
    public PortSnapshot? Find(RpcConnection reader)
    {
        lock (_gate)
        {
            return _open.Find(one => one.Reader == reader).Listing;
        }
    }

    public void Drop(RpcConnection reader)
    {
        lock (_gate)
        {
            _open.RemoveAll(one => one.Reader == reader);
        }
    }

    private void Keep(RpcConnection reader, PortSnapshot listing)
    {
        lock (_gate)
        {
            _open.RemoveAll(one => one.Reader == reader);
            if (_open.Count == MaxOpen)
            {
                _open.RemoveAt(0);   // the oldest
            }

            _open.Add((reader, listing));
        }
    }
}
