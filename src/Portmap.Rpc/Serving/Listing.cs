using System.Collections.Immutable;

namespace Portmap.Rpc.Serving;

/// <summary>A snapshot that a client reads page by page.</summary>
internal sealed record Listing(long Revision, ImmutableArray<PortEntry> Entries);
