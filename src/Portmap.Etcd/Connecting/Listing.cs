using System.Threading.Channels;
using Google.Protobuf;
using Portmap.Etcd.Protocol;

namespace Portmap.Etcd.Connecting;

/// <summary>Reads ranges of keys in pages, all at the revision of the first: one moment of etcd,
/// however large it is.</summary>
/// <remarks>
/// <para>For each page etcd 3.4 walks over all keys that are left in its range, also when it gives
/// a few of them: one range of a million keys costs it several times a million steps. So a whole
/// fleet is read in ranges next to each other, cut behind each <see cref="HostsOfARange"/> hosts:
/// every key is walked over about once, and the cost grows with the keys.</para>
/// <para>A page is as large as <see cref="PageBytes"/> allow by the keys seen last, at most four
/// times the one before, and an eighth when it was too large for a message after all. While one is
/// taken in, the next one is on its way. What a page is made of is garbage a moment later: one that
/// is larger than the collector's youngest generation would be copied out of it before.</para>
/// </remarks>
internal sealed class Listing
{
    private const int HostsOfARange = 16;
    private const int FirstPageKeys = 1_000;
    private const int LeastPageKeys = 64;
    private const int PageBytes = 1024 * 1024;
    private const int Growth = 4;
    private const int Shrink = 8;

    private readonly EtcdClient _client;
    private int _limit = FirstPageKeys;

    private Listing(EtcdClient client, long revision) => (_client, Revision) = (client, revision);

    /// <summary>The revision of all pages; 0 before the first.</summary>
    private long Revision { get; set; }

    /// <summary>Reads what begins with a prefix.</summary>
    /// <param name="client">Etcd.</param>
    /// <param name="prefix">The prefix.</param>
    /// <param name="each">Is given each key.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <param name="revision">Of which revision; 0 is the newest.</param>
    /// <returns>The revision of all pages.</returns>
    /// <exception cref="EtcdException">RevisionGone: it was compacted between two pages; begin
    /// anew.</exception>
    public static async Task<long> ReadAsync(EtcdClient client, ByteString prefix, EachKey each, CancellationToken cancellationToken, long revision = 0)
    {
        Listing listing = new(client, revision);
        await foreach (RangePage page in listing.PagesAsync([prefix, FleetKeys.EndOf(prefix)], cancellationToken).ConfigureAwait(false))
        {
            TakeIn(page, each);
        }

        return listing.Revision;
    }

    /// <summary>Reads all keys of a fleet.</summary>
    /// <inheritdoc cref="ReadAsync"/>
    public static async Task<long> ReadAllAsync(EtcdClient client, FleetKeys keys, EachKey each, CancellationToken cancellationToken)
    {
        List<ByteString> hosts = [];
        Listing listing = new(client, revision: 0);
        await foreach (RangePage page in listing.PagesAsync([keys.Hosts, FleetKeys.EndOf(keys.Hosts)], cancellationToken).ConfigureAwait(false))
        {
            TakeIn(page, (in ListedKey host) => hosts.Add(ByteString.CopyFrom(host.Key)));
        }

        Channel<RangePage> pages = Channel.CreateBounded<RangePage>(1);
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task reading = ReadAheadAsync(listing, Cuts(keys, hosts), pages.Writer, either.Token);
        try
        {
            await foreach (RangePage page in pages.Reader.ReadAllAsync(cancellationToken).ConfigureAwait(false))
            {
                TakeIn(page, each);
            }
        }
        finally
        {
            await either.CancelAsync().ConfigureAwait(false);
            await reading.ConfigureAwait(false);
        }

        return listing.Revision;
    }

    /// <summary>Where one range ends and the next begins, in the order of the keys: between hosts,
    /// about as many to each. Whatever lies between two cuts is read, whoever wrote it.</summary>
    private static List<ByteString> Cuts(FleetKeys keys, List<ByteString> hosts)
    {
        List<ByteString> cuts = [keys.Root];
        foreach (PortProtocol protocol in (PortProtocol[])[PortProtocol.Tcp, PortProtocol.Udp])
        {
            // With the slash behind them names may have another order than without.
            List<ByteString> begins = hosts.ConvertAll(key => EntriesOf(keys, key, protocol));
            begins.Sort(static (a, b) => a.Span.SequenceCompareTo(b.Span));
            cuts.AddRange(begins.Where((_, i) => i % HostsOfARange == 0));
        }

        cuts.Add(FleetKeys.EndOf(keys.Root));
        return cuts;
    }

    private static ByteString EntriesOf(FleetKeys keys, ByteString hostKey, PortProtocol protocol)
    {
        keys.Parse(hostKey.Span, out ReadOnlySpan<byte> host, out _, out _);
        return keys.EntriesOf(host, protocol);
    }

    private static void TakeIn(RangePage page, EachKey each)
    {
        page.Tell(each);
        page.Dispose();   // else the collector has it
    }

    /// <summary>Never throws: what goes wrong is told to the reader of the channel.</summary>
    private static async Task ReadAheadAsync(Listing listing, List<ByteString> cuts, ChannelWriter<RangePage> pages, CancellationToken cancellationToken)
    {
        try
        {
            await foreach (RangePage page in listing.PagesAsync(cuts, cancellationToken).ConfigureAwait(false))
            {
                await pages.WriteAsync(page, cancellationToken).ConfigureAwait(false);
            }

            pages.Complete();
        }
        catch (Exception exception)
        {
            pages.Complete(exception);
        }
    }

    /// <summary>All pages of the ranges between the cuts.</summary>
    private async IAsyncEnumerable<RangePage> PagesAsync(
        List<ByteString> cuts, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        for (int i = 1; i < cuts.Count; i++)
        {
            ByteString? from = cuts[i - 1];
            while (from is not null)
            {
                RangePage page = await PageAsync(from, cuts[i], cancellationToken).ConfigureAwait(false);
                Revision = Revision == 0 ? page.Revision : Revision;
                if (page.Count != 0)
                {
                    _limit = (int)Math.Clamp(PageBytes / Math.Max(1, page.Bytes / page.Count), LeastPageKeys, (long)_limit * Growth);
                }

                from = page.IsMore && page.Count != 0 ? FleetKeys.After(page.LastKey) : null;
                yield return page;
            }
        }
    }

    private async Task<RangePage> PageAsync(ByteString from, ByteString end, CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                return await _client.PageAsync(
                    new RangeRequest { Key = from, RangeEnd = end, Limit = _limit, Revision = Revision }, cancellationToken).ConfigureAwait(false);
            }
            catch (EtcdException exception) when (exception.Failure == EtcdFailure.TooLarge && _limit > LeastPageKeys)
            {
                _limit = Math.Max(LeastPageKeys, _limit / Shrink);
            }
        }
    }
}
