namespace Portmap.Rpc.Serving;

/// <summary>Who reads listings over one connection, and how fast.</summary>
internal sealed class ListingReader
{
    private ListingPace _pace;

    /// <summary>A reference: the pace changes in place.</summary>
    public ref ListingPace Pace => ref _pace;
}
