using System.Text;
using Google.Protobuf;
using Portmap.Etcd.Connecting;
using Portmap.Etcd.Leasing;
using Portmap.Etcd.Protocol;

namespace Portmap.Etcd;

/// <content>Keys of this host at etcd that no claim of it stands for.</content>
public sealed partial class FleetOwners
{
    /// <summary>Deletes the keys of this host that are nobody's. The request of a claim that was
    /// given up may come to etcd after all that took its key back, and its key would live as long
    /// as the lease.</summary>
    private async Task SweepAsync(LeaseTerm term, CancellationToken cancellationToken)
    {
        LeaseTimeToLiveResponse lease = await _client.KeysOfLeaseAsync(term.Id, cancellationToken).ConfigureAwait(false);
        foreach (ByteString key in lease.Keys)
        {
            if (_keys.Parse(key.Span, out _, out ReadOnlySpan<byte> name, out _) != FleetKeys.Kind.Claim)
            {
                continue;
            }

            string owner = Encoding.UTF8.GetString(name);
            if (IsClaimedHere(owner))
            {
                continue;
            }

            // Read before the second look: the key of a claim that is made since has another
            // revision, and is not deleted.
            RangeResponse response = await _client.RangeAsync(new RangeRequest { Key = key }, cancellationToken).ConfigureAwait(false);
            if (response.Kvs is [var found] && found.Lease == term.Id && !IsClaimedHere(owner))
            {
                await LetGoOnceAsync(key, Txn.IsCreatedAt(key, found.CreateRevision), term, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    // In this order: a claim that succeeds is held before it is no longer being made.
    private bool IsClaimedHere(string owner) => _claiming.ContainsKey(owner) || Held.Find(owner) is not null;
}
