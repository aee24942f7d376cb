using System.Text;
using Google.Protobuf;
using Microsoft.Extensions.Logging;
using Portmap.Etcd.Connecting;
using Portmap.Etcd.Diagnostics;
using Portmap.Etcd.Leasing;
using Portmap.Etcd.Protocol;

namespace Portmap.Etcd.Publishing;

/// <summary>Makes etcd say of this host what the registry says: level-triggered, in
/// batches.</summary>
/// <remarks>
/// <para>I1. What etcd should hold of an owner is read from the registry when a batch is made,
/// never remembered from a change.</para>
/// <para>I2. <c>_published</c> is what etcd holds for sure under this term. After any failure that
/// is not known: the fence is set anew (the host's key is written), what etcd holds is listed, and
/// every difference is dirty.</para>
/// <para>I3. A batch takes effect only while the host's key is as this publisher wrote it last, so
/// none of before a failure takes effect after it.</para>
/// <para>One loop; only <see cref="DirtySet"/> is shared.</para>
/// </remarks>
internal sealed class Publisher(
    EtcdClient client, FleetKeys keys, HostLease lease, RegistryFeed feed, HeldClaims claims, PortmapFleetOptions options, ILogger logger, TimeProvider time)
{
    private const int BatchOwners = 127;       // --max-txn-ops of etcd is 128, and one is the mark
    private const int BatchesAtOnce = 4;

    private readonly Dictionary<OwnerKey, PublishedEntry> _published = [];
    private bool _isDisturbed;
    private bool _isCompared;
    private string? _trouble;
    private int _publishedCount;

    public required FleetMetrics Metrics { get; init; }

    /// <summary>How many entries etcd has of this host, as far as is known.</summary>
    public int PublishedCount => Volatile.Read(ref _publishedCount);

    /// <summary>What stands in the way, or null.</summary>
    public string? Trouble => Volatile.Read(ref _trouble);

    /// <summary>The owners that may have changed.</summary>
    public DirtySet Dirty { get; } = new(time);

    /// <summary>Etcd holds what the registry served when it was asked last, and nothing was heard
    /// of since.</summary>
    // Before and after: a comparison may begin between.
    public bool IsPublished => Volatile.Read(ref _isCompared) && Dirty.IsEmpty && Volatile.Read(ref _isCompared);

    /// <summary>Runs until it is told to stop, or its registry is disposed.</summary>
    public async Task RunAsync(CancellationToken stop)
    {
        Backoff backoff = new(time);
        lease.Disturbed += Disturb;
        try
        {
            while (true)
            {
                LeaseTerm term = await lease.WhenHeldAsync(stop).ConfigureAwait(false);
                using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(stop, term.Ended);
                try
                {
                    await ServeAsync(term, backoff, either.Token).ConfigureAwait(false);
                }
                catch (EtcdException exception)
                {
                    if (exception.Failure == EtcdFailure.LeaseGone)
                    {
                        lease.Doubt(term);
                    }

                    Volatile.Write(ref _isCompared, false);
                    if (Interlocked.Exchange(ref _trouble, exception.Message) != exception.Message)
                    {
                        FleetLog.PublishingBroke(logger, exception.Message);
                    }

                    await backoff.WaitAsync(stop).ConfigureAwait(false);
                }
                catch (OperationCanceledException) when (!stop.IsCancellationRequested)
                {
                    Volatile.Write(ref _isCompared, false);   // the lease is over: the next one
                }
            }
        }
        finally
        {
            lease.Disturbed -= Disturb;
        }
    }

    /// <summary>The keys that etcd has, or may have, of owners whose claim was given back or lost;
    /// once this has stopped.</summary>
    /// <param name="ended">Claims that have ended, whatever was published of them.</param>
    /// <param name="kept">The epochs of those that have not.</param>
    public HashSet<ByteString> Ended(IEnumerable<FleetClaim> ended, HashSet<long> kept)
    {
        HashSet<ByteString> all = [.. ended.SelectMany(claim => (ByteString[])[keys.Entry(claim.Owner, PortProtocol.Tcp), keys.Entry(claim.Owner, PortProtocol.Udp)])];
        foreach ((OwnerKey owner, PublishedEntry entry) in _published)
        {
            if (entry.ClaimEpoch != 0 && !kept.Contains(entry.ClaimEpoch))
            {
                all.Add(keys.Entry(owner.Owner, owner.Protocol));
            }
        }

        return all;
    }

    private void Disturb()
    {
        Volatile.Write(ref _isDisturbed, true);
        Dirty.AddEverything();
    }

    /// <summary>Sets the fence, compares everything, and then sends what changes, until something
    /// goes wrong or it is time to compare again.</summary>
    private async Task ServeAsync(LeaseTerm term, Backoff backoff, CancellationToken cancellationToken)
    {
        if (await lease.ClaimHostAsync(term, isFence: true, cancellationToken).ConfigureAwait(false) is not null)
        {
            throw new EtcdException(EtcdFailure.Refused, $"The key of host '{options.Host}' is another daemon's now.");
        }

        Volatile.Write(ref _isDisturbed, false);
        Volatile.Write(ref _isCompared, false);
        Dirty.Clear();
        await CompareAsync(term, cancellationToken).ConfigureAwait(false);
        Metrics.Compared();
        Volatile.Write(ref _publishedCount, _published.Count);
        Volatile.Write(ref _isCompared, true);
        long compared = time.GetTimestamp();
        List<OwnerKey> taken = [];
        while (true)
        {
            taken.Clear();
            if (Volatile.Read(ref _isDisturbed) || time.GetElapsedTime(compared) >= options.AuditInterval
                || !Dirty.TryTake(BatchOwners * BatchesAtOnce, taken))
            {
                return;
            }

            await SendAsync(term, taken, cancellationToken).ConfigureAwait(false);

            // Not before: an etcd that lists may refuse a batch each time.
            Volatile.Write(ref _trouble, null);
            backoff.Reset();
            if (taken.Count == 0)
            {
                await Dirty.WaitAsync(options.AuditInterval - time.GetElapsedTime(compared), cancellationToken).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Lists what etcd holds of this host, and marks what differs from the registry in
    /// either direction; but for what a daemon left that nobody serves again yet. That goes with
    /// the lease it has.</summary>
    private async Task CompareAsync(LeaseTerm term, CancellationToken cancellationToken)
    {
        HashSet<OwnerKey> left = [];
        _published.Clear();
        long revision = await ListAsync(keys.Tcp, 0).ConfigureAwait(false);
        await ListAsync(keys.Udp, revision).ConfigureAwait(false);
        foreach (OwnerKey owner in _published.Keys)
        {
            if (TryGetWanted(owner, out PublishedEntry wanted) ? wanted != _published[owner] : !left.Contains(owner))
            {
                Dirty.Add(owner);
            }
        }

        foreach (OwnerKey owner in feed.Served())
        {
            if (!_published.ContainsKey(owner))
            {
                Dirty.Add(owner);
            }
        }

        Task<long> ListAsync(ByteString prefix, long at) => Listing.ReadAsync(
            client, prefix,
            (in ListedKey pair) =>
            {
                if (keys.Parse(pair.Key, out _, out ReadOnlySpan<byte> name, out PortProtocol protocol) == FleetKeys.Kind.Entry)
                {
                    // One with another lease, or that cannot be read, is there and is not right: no
                    // entry of ours has port 0.
                    bool isOurs = pair.Lease == term.Id & PublishedEntry.TryParse(pair.Value, out PublishedEntry entry);
                    OwnerKey owner = new(Encoding.UTF8.GetString(name), protocol);
                    _published[owner] = isOurs ? entry : default;
                    if (lease.IsLeft(pair.Lease))
                    {
                        left.Add(owner);
                    }
                }
            },
            cancellationToken, at);
    }

    private async Task SendAsync(LeaseTerm term, List<OwnerKey> owners, CancellationToken cancellationToken)
    {
        List<Batch> batches = [];
        Batch? batch = null;
        foreach (OwnerKey owner in owners)
        {
            bool isWanted = TryGetWanted(owner, out PublishedEntry wanted), isThere = _published.TryGetValue(owner, out PublishedEntry there);
            if (isWanted == isThere && (!isWanted || wanted == there))
            {
                continue;
            }

            if (batch is null || batch.Changes.Count == BatchOwners)
            {
                batches.Add(batch = new Batch(Txn.When(Txn.IsModifiedAt(keys.Host, term.HostRevision)), []));
                batch.Request.Then(Txn.Put(keys.Tcp, ByteString.CopyFrom(Guid.NewGuid().ToByteArray()), term.Id));
            }

            ByteString key = keys.Entry(owner.Owner, owner.Protocol);
            batch.Request.Then(isWanted ? Txn.Put(key, wanted.ToValue(), term.Id) : Txn.Delete(key));
            batch.Changes.Add((owner, isWanted ? wanted : null));
        }

        TxnResponse[] responses = await Task.WhenAll(batches.Select(one => SendAsync(one.Request, cancellationToken))).ConfigureAwait(false);
        for (int i = 0; i < responses.Length; i++)
        {
            if (!responses[i].Succeeded)
            {
                throw new EtcdException(EtcdFailure.Refused, $"The key of host '{options.Host}' was changed by somebody else.");
            }

            foreach ((OwnerKey owner, PublishedEntry? entry) in batches[i].Changes)
            {
                if (entry is { } put)
                {
                    _published[owner] = put;
                }
                else
                {
                    _published.Remove(owner);
                }
            }
        }

        Volatile.Write(ref _publishedCount, _published.Count);
    }

    private async Task<TxnResponse> SendAsync(TxnRequest request, CancellationToken cancellationToken)
    {
        long? began = Metrics.BeginBatch();
        bool isWritten = false;
        try
        {
            TxnResponse response = await client.TxnAsync(request, cancellationToken).ConfigureAwait(false);
            isWritten = response.Succeeded;
            return response;
        }
        finally
        {
            Metrics.EndBatch(began, isWritten);
        }
    }

    private bool TryGetWanted(OwnerKey owner, out PublishedEntry wanted)
    {
        bool isServed = feed.TryGetServed(owner, out PortEntry entry);
        wanted = isServed ? new PublishedEntry((ushort)entry.Port, entry.Epoch ?? 0, claims.EpochOf(owner.Owner)) : default;
        return isServed;
    }

    /// <summary>One transaction, and what etcd holds once it has succeeded; null is
    /// nothing.</summary>
    private sealed record Batch(TxnRequest Request, List<(OwnerKey Owner, PublishedEntry? Entry)> Changes);
}
