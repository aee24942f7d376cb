using System.Text;
using System.Text.Json;
using Google.Protobuf;
using Portmap.Etcd.Connecting;
using Portmap.Etcd.Protocol;

namespace Portmap.Etcd.Leasing;

/// <summary>The keys of claims at etcd: how they are read, and how they are taken back.</summary>
/// <remarks>Safe for any thread.</remarks>
internal sealed class ClaimKeys(EtcdClient client, FleetKeys keys, TimeProvider time)
{
    private const int AtOnce = 128;

    /// <summary>The host that a key names.</summary>
    public static string HolderOf(ByteString value)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(value.Memory);
            return document.RootElement.GetProperty("host").GetString() ?? string.Empty;
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException or KeyNotFoundException)
        {
            return "unknown";
        }
    }

    /// <summary>Takes a key back, if it is as the condition says and of our own lease.</summary>
    /// <remarks>The epoch alone does not tell: a restored etcd counts the same revisions again, and
    /// another host may have claimed the owner by the very one.</remarks>
    public Task<TxnResponse> LetGoOnceAsync(ByteString key, Compare condition, LeaseTerm term, CancellationToken cancellationToken) =>
        client.TxnAsync(Txn.When(condition, Txn.HasLease(key, term.Id)).Then(Txn.Delete(key)), cancellationToken);

    /// <summary>Takes a key back, as often as it takes, for as long as the lease would hold
    /// it.</summary>
    public async Task LetGoAsync(ByteString key, Compare condition, LeaseTerm term)
    {
        Backoff backoff = new(time);
        try
        {
            while (!term.Ended.IsCancellationRequested)
            {
                try
                {
                    await LetGoOnceAsync(key, condition, term, term.Ended).ConfigureAwait(false);
                    return;
                }
                catch (EtcdException)
                {
                    await backoff.WaitAsync(term.Ended).ConfigureAwait(false);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The lease is gone, and the key with it.
        }
    }

    /// <summary>Takes back what nobody holds once a host has stopped and its lease is to stay: the
    /// keys of claims that were given back or lost, whose requests broke off, and of those that were
    /// given up, whose answer nobody heard.</summary>
    /// <param name="lease">The lease.</param>
    /// <param name="kept">The owners whose keys stay with it.</param>
    public async Task SweepAsync(long lease, HashSet<string> kept)
    {
        LeaseTimeToLiveResponse all = await client.KeysOfLeaseAsync(lease, CancellationToken.None).ConfigureAwait(false);
        foreach (ByteString[] some in all.Keys.Where(IsOver).Chunk(AtOnce))
        {
            await Task.WhenAll(some.Select(key => client.TxnAsync(Txn.When(Txn.HasLease(key, lease)).Then(Txn.Delete(key)), CancellationToken.None))).ConfigureAwait(false);
        }

        bool IsOver(ByteString key) =>
            keys.Parse(key.Span, out _, out ReadOnlySpan<byte> name, out _) == FleetKeys.Kind.Claim && !kept.Contains(Encoding.UTF8.GetString(name));
    }
}
