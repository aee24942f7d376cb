using System.Globalization;
using Google.Protobuf;
using Portmap.Etcd.Connecting;
using Portmap.Etcd.Protocol;

namespace Portmap.Etcd.Tests.Mirroring;

/// <summary>A whole fleet is read in ranges that are cut between hosts: nothing falls between
/// two.</summary>
public class ListingTests
{
    /// <summary>Names of which one begins with another, in an order that the slash behind them
    /// turns round; a host without a sign of life; a foreign key; claims.</summary>
    [NeedsFact("etcd")]
    public async Task ReadAllAsync_HostsOfAnyName_ReadsEachKeyOnce()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        using EtcdClient client = etcd.Connect();
        string[] hosts = ["g", .. Enumerable.Range(0, 40).Select(i => Name("g-", i)), .. Enumerable.Range(0, 100).SelectMany(i => (string[])[Name("h", i), Name("h", i) + ".a", Name("h", i) + "-b", Name("h", i) + "0"])];
        string[] keys =
        [
            .. hosts.Select(host => $"h/{host}"), .. hosts.SelectMany(host => (string[])[$"e/{host}/", $"e/{host}/a/b", $"e/{host}/c", $"u/{host}/a"]),
            "e/silent/a", "u/silent/a", "e/zzz/a", "u/zzz/a", "a", "o/once", "x/y", "z",
        ];
        foreach (string[] batch in keys.Chunk(100))
        {
            TxnRequest put = new();
            foreach (string key in batch)
            {
                put.Then(Txn.Put(ByteString.CopyFromUtf8("/portmap/v1/" + key), ByteString.CopyFromUtf8("{}"), 0));
            }

            await client.TxnAsync(put, CancellationToken.None);
        }

        await client.TxnAsync(new TxnRequest().Then(Txn.Put(ByteString.CopyFromUtf8("/portmap/v2/e/a/b"), ByteString.CopyFromUtf8("{}"), 0)), CancellationToken.None);
        List<string> read = [];
        long revision = await Listing.ReadAllAsync(client, new FleetKeys("/portmap/v1", "any"), (in ListedKey pair) => read.Add(System.Text.Encoding.UTF8.GetString(pair.Key)), CancellationToken.None).Within();

        read.Order(StringComparer.Ordinal).Should().Equal(keys.Select(key => "/portmap/v1/" + key).Order(StringComparer.Ordinal));   // comparing as sets takes minutes
        read.Should().BeInAscendingOrder(StringComparer.Ordinal);
        revision.Should().Be(await etcd.RevisionAsync());
    }

    [NeedsFact("etcd")]
    public async Task ReadAllAsync_HostOfMoreThanAPage_ReadsEachKeyOnce()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        using EtcdClient client = etcd.Connect();
        string[] keys = ["h/a", .. Enumerable.Range(0, 5_000).Select(i => Name("e/a/", i))];
        foreach (string[] batch in keys.Chunk(100))
        {
            TxnRequest put = new();
            foreach (string key in batch)
            {
                put.Then(Txn.Put(ByteString.CopyFromUtf8("/portmap/v1/" + key), ByteString.CopyFromUtf8("{}"), 0));
            }

            await client.TxnAsync(put, CancellationToken.None);
        }

        List<string> read = [];
        await Listing.ReadAllAsync(client, new FleetKeys("/portmap/v1", "any"), (in ListedKey pair) => read.Add(System.Text.Encoding.UTF8.GetString(pair.Key)), CancellationToken.None).Within();

        read.Order(StringComparer.Ordinal).Should().Equal(keys.Select(key => "/portmap/v1/" + key).Order(StringComparer.Ordinal));   // comparing as sets takes minutes
    }

    [NeedsFact("etcd")]
    public async Task ReadAllAsync_ReaderFails_SaysSo()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        using EtcdClient client = etcd.Connect();
        await client.TxnAsync(new TxnRequest().Then(Txn.Put(ByteString.CopyFromUtf8("/portmap/v1/h/a"), ByteString.CopyFromUtf8("{}"), 0)), CancellationToken.None);

        Func<Task> read = () => Listing.ReadAllAsync(client, new FleetKeys("/portmap/v1", "any"), (in ListedKey _) => throw new InvalidDataException("mine"), CancellationToken.None).Within();
        await read.Should().ThrowAsync<InvalidDataException>().WithMessage("mine");

        await etcd.First.KillAsync();
        await read.Should().ThrowAsync<EtcdException>();
    }

    private static string Name(string begin, int i) => string.Create(CultureInfo.InvariantCulture, $"{begin}{i:D3}");
}
