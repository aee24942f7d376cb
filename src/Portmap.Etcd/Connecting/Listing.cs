using Google.Protobuf;
using Portmap.Etcd.Protocol;

namespace Portmap.Etcd.Connecting;

/// <summary>Reads a whole range in pages, all at the revision of the first: one moment of etcd, however large it is.</summary>
internal static class Listing
{
    private const int PageKeys = 10_000;

    /// <returns>The revision of all pages.</returns>
    /// <exception cref="EtcdException">RevisionGone: it was compacted between two pages; begin anew.</exception>
    public static async Task<long> ReadAsync(EtcdClient client, ByteString prefix, Action<KeyValue> each, CancellationToken cancellationToken, long revision = 0)
    {
        ByteString from = prefix, end = FleetKeys.EndOf(prefix);
        while (true)
        {
            RangeResponse page = await client.RangeAsync(
                new RangeRequest { Key = from, RangeEnd = end, Limit = PageKeys, Revision = revision }, cancellationToken).ConfigureAwait(false);
            revision = revision == 0 ? page.Header.Revision : revision;
            foreach (KeyValue pair in page.Kvs)
            {
                each(pair);
            }

            if (!page.More || page.Kvs.Count == 0)
            {
                return revision;
            }

            from = FleetKeys.After(page.Kvs[^1].Key);
        }
    }
}
