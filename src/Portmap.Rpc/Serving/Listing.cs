using System.Collections.Immutable;

namespace Portmap.Rpc.Serving;

/// <summary>A snapshot that clients read page by page, one or several of them.</summary>
internal sealed record Listing(long Revision, ImmutableArray<PortEntry> Entries);
