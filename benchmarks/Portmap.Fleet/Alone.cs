using System.Globalization;
using Google.Protobuf;
using Portmap.Etcd.Connecting;
using Portmap.Etcd.Protocol;

namespace Portmap.Fleet;

/// <summary>Etcd alone: puts, watches and leases with the same client library, and nothing of
/// Portmap between.</summary>
internal sealed class Alone(string endpoints) : IDisposable
{
    private const int BatchKeys = 128;

    public EtcdClient Client { get; } = new(new PortmapFleetOptions { Endpoints = endpoints, RequestTimeout = TimeSpan.FromSeconds(30) }, TimeProvider.System);

    /// <summary>Owners of two hosts differ, as bricks do.</summary>
    public static string Owner(string host, int i) => string.Create(CultureInfo.InvariantCulture, $"{host}/vol{i / 100}:/bricks/b{i}");

    private static ByteString Key(string prefix, string host, int i) => ByteString.CopyFromUtf8($"{prefix}/e/{host}/{Owner(host, i)}");

    public static ByteString Value(int i) => new PublishedEntry((ushort)(20_000 + (i % 10_000)), 1_883_147_246_470_430_736 + i, 0).ToValue();

    /// <summary>Writes one entry of a simulated host.</summary>
    public Task<TxnResponse> PutAsync(string prefix, string host, int i, int port) =>
        PutAsync(Key(prefix, host, i), new PublishedEntry((ushort)port, 1, 0).ToValue());

    public Task<TxnResponse> PutAsync(ByteString key, ByteString value) => Client.TxnAsync(new TxnRequest().Then(Txn.Put(key, value, 0)), CancellationToken.None);

    /// <summary>Puts the entries of one host in transactions, so many at once.</summary>
    public async Task PutAllAsync(string prefix, string host, int count, int atOnce, long lease)
    {
        List<TxnRequest> requests = [];
        for (int i = 0; i < count; i++)
        {
            if (i % BatchKeys == 0)
            {
                requests.Add(new TxnRequest());
            }

            requests[^1].Then(Txn.Put(Key(prefix, host, i), Value(i), lease));
        }

        foreach (TxnRequest[] together in requests.Chunk(atOnce))
        {
            await Task.WhenAll(together.Select(request => Client.TxnAsync(request, CancellationToken.None)));
        }
    }

    /// <summary>A host with its sign of life and its entries, all with a lease that nobody keeps
    /// alive: it outlives the run.</summary>
    public async Task SimulateHostAsync(string prefix, int number, int count)
    {
        string host = string.Create(CultureInfo.InvariantCulture, $"host{number:D4}");
        long lease = (await Client.GrantAsync(TimeSpan.FromHours(1), CancellationToken.None)).ID;
        await Client.TxnAsync(
            new TxnRequest().Then(Txn.Put(ByteString.CopyFromUtf8($"{prefix}/h/{host}"), ByteString.CopyFromUtf8($$"""{"address":"{{host}}"}"""), lease)), CancellationToken.None);
        await PutAllAsync(prefix, host, count, atOnce: 1, lease);
    }

    /// <summary>Reads a whole fleet, as a mirror does, and drops it.</summary>
    public Task ListAsync(string prefix) => Listing.ReadAllAsync(Client, new FleetKeys(prefix, "nobody"), static (in ListedKey _) => { }, CancellationToken.None);

    /// <summary>How many keys begin so.</summary>
    public async Task<long> CountAsync(string prefix)
    {
        ByteString key = ByteString.CopyFromUtf8(prefix);
        return (await Client.RangeAsync(new RangeRequest { Key = key, RangeEnd = FleetKeys.EndOf(key), Limit = 1 }, CancellationToken.None)).Count;
    }

    public void Dispose() => Client.Dispose();
}
