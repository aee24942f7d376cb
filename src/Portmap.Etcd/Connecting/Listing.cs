using Google.Protobuf;
using Portmap.Etcd.Protocol;

namespace Portmap.Etcd.Connecting;

/// <summary>Reads a whole range in pages, all at the revision of the first: one moment of etcd,
/// however large it is.</summary>
/// <remarks>For each page etcd 3.4 walks over all keys that are left, so few large pages cost it
/// less than many small ones. A page is as large as <see cref="PageBytes"/> allow by the keys seen
/// last, at most four times the one before, and an eighth when it was too large for a message after
/// all.</remarks>
internal static class Listing
{
    private const int FirstPageKeys = 1_000;
    private const int LeastPageKeys = 64;
    private const int PageBytes = 32 * 1024 * 1024;
    private const int Growth = 4;
    private const int Shrink = 8;

    /// <returns>The revision of all pages.</returns>
    /// <exception cref="EtcdException">RevisionGone: it was compacted between two pages; begin
    /// anew.</exception>
    public static async Task<long> ReadAsync(EtcdClient client, ByteString prefix, Action<KeyValue> each, CancellationToken cancellationToken, long revision = 0)
    {
        ByteString from = prefix, end = FleetKeys.EndOf(prefix);
        int limit = FirstPageKeys;
        while (true)
        {
            RangeResponse page;
            try
            {
                page = await client.RangeAsync(new RangeRequest { Key = from, RangeEnd = end, Limit = limit, Revision = revision }, cancellationToken).ConfigureAwait(false);
            }
            catch (EtcdException exception) when (exception.Failure == EtcdFailure.TooLarge && limit > LeastPageKeys)
            {
                limit = Math.Max(LeastPageKeys, limit / Shrink);
                continue;
            }

            revision = revision == 0 ? page.Header.Revision : revision;
            long bytes = 0;
            foreach (KeyValue pair in page.Kvs)
            {
                bytes += pair.Key.Length + pair.Value.Length;
                each(pair);
            }

            if (!page.More || page.Kvs.Count == 0)
            {
                return revision;
            }

            from = FleetKeys.After(page.Kvs[^1].Key);
            limit = (int)Math.Clamp(PageBytes / Math.Max(1, bytes / page.Kvs.Count), LeastPageKeys, (long)limit * Growth);
        }
    }
}
