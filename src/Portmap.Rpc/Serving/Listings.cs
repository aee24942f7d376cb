using System.Collections.Immutable;

namespace Portmap.Rpc.Serving;

/// <summary>A snapshot that a client reads page by page.</summary>
internal sealed record Listing(long Revision, ImmutableArray<PortEntry> Entries);

/// <summary>The listings that are being read, a few for all connections of a server together: one may be megabytes, and its reader may never come back.</summary>
/// <remarks>Safe for any thread. A reader whose listing had to go is told to list again.</remarks>
internal sealed class Listings
{
    public const int MaxOpen = 16;

    private readonly Lock _gate = new();
    private readonly List<(RpcConnection Reader, Listing Listing)> _open = new(MaxOpen);

    /// <summary>Keeps a listing for a reader in place of the one it had; the oldest one goes when there are too many.</summary>
    public void Keep(RpcConnection reader, Listing listing)
    {
        lock (_gate)
        {
            _open.RemoveAll(one => one.Reader == reader);
            if (_open.Count == MaxOpen)
            {
                _open.RemoveAt(0);
            }

            _open.Add((reader, listing));
        }
    }

    public Listing? Find(RpcConnection reader)
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
}
