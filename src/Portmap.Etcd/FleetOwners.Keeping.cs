using System.Text;
using Google.Protobuf;
using Portmap.Etcd.Connecting;
using Portmap.Etcd.Leasing;
using Portmap.Etcd.Protocol;

namespace Portmap.Etcd;

/// <content>The loop that looks after the claims, and after keys of this host at etcd that no claim
/// of it stands for.</content>
public sealed partial class FleetOwners
{
    private void Disturb()
    {
        Volatile.Write(ref _isDisturbed, true);
        _doubt.Set();
    }

    private async Task KeepAsync(LeaseTerm term, CancellationToken cancellationToken)
    {
        long verified = _time.GetTimestamp();
        while (true)
        {
            TimeSpan left = term.Left;
            if (left <= TimeSpan.Zero)
            {
                LoseAll(term);
                await Task.Delay(_options.HeartbeatInterval, _time, cancellationToken).ConfigureAwait(false);
                continue;
            }

            // Timers stand still while the machine is suspended: the clock is looked at again soon.
            TimeSpan due = _options.AuditInterval - _time.GetElapsedTime(verified), soon = left < _options.HeartbeatInterval ? left : _options.HeartbeatInterval;
            if (await _doubt.WaitAsync(soon < due ? soon : due, cancellationToken).ConfigureAwait(false) || _time.GetElapsedTime(verified) >= _options.AuditInterval)
            {
                await VerifyInTimeAsync(term, cancellationToken).ConfigureAwait(false);
                verified = _time.GetTimestamp();
            }
        }
    }

    /// <summary>Verifies, but waits for no answer of etcd beyond the time of the lease: who waits
    /// here is the one that tells of its end.</summary>
    private async Task VerifyInTimeAsync(LeaseTerm term, CancellationToken cancellationToken)
    {
        TimeSpan left = term.Left;
        using CancellationTokenSource over = new(left > TimeSpan.Zero ? left : TimeSpan.Zero, _time);
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(over.Token, cancellationToken);
        try
        {
            await VerifyHostAsync(term, either.Token).ConfigureAwait(false);
            await VerifyAsync(either.Token).ConfigureAwait(false);
            await SweepAsync(term, either.Token).ConfigureAwait(false);
        }
        catch (EtcdException exception)
        {
            Hear(exception, term);
            _doubt.Set();
            await Task.Delay(_options.HeartbeatInterval, _time, either.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            _doubt.Set();   // it begins again when the lease was renewed meanwhile
        }
    }

    private void Hear(EtcdException exception, LeaseTerm term)
    {
        if (exception.Failure == EtcdFailure.LeaseGone)
        {
            _lease.Doubt(term);
        }
    }

    /// <summary>Somebody deleted the key of this host: without it nothing can be claimed, and one
    /// that publishes nothing has nobody else who writes it.</summary>
    private async Task VerifyHostAsync(LeaseTerm term, CancellationToken cancellationToken)
    {
        TxnResponse response = await _client.TxnAsync(Txn.When(Txn.HasLease(_keys.Host, term.Id)), cancellationToken).ConfigureAwait(false);
        if (!response.Succeeded)
        {
            await _lease.ClaimHostAsync(term, isFence: false, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Etcd may have been restored from before a claim, or somebody deleted its key: who
    /// is not there any more has lost. The epoch alone does not tell: a restored etcd counts the
    /// same revisions again.</summary>
    /// <remarks>A look that broke off goes on where it stopped, unless the connection broke as well:
    /// of thousands of claims the last ones are to be reached too.</remarks>
    private async Task VerifyAsync(CancellationToken cancellationToken)
    {
        if (Interlocked.Exchange(ref _isDisturbed, false) || _unverified.Count == 0)
        {
            _unverified.Clear();
            foreach (FleetClaim claim in Held.All)
            {
                _unverified.Enqueue(claim);
            }
        }

        while (_unverified.Count != 0)
        {
            FleetClaim[] claims = [.. _unverified.Take(KeysAtOnce)];
            TxnRequest request = Txn.When();
            foreach (FleetClaim claim in claims)
            {
                request.Then(Txn.Get(_keys.Claim(claim.Owner)));
            }

            TxnResponse response = await _client.TxnAsync(request, cancellationToken).ConfigureAwait(false);
            for (int i = 0; i < claims.Length; i++)
            {
                FleetClaim claim = _unverified.Dequeue();
                if (response.Responses[i].ResponseRange.Kvs is not [var found] || found.CreateRevision != claim.Epoch || found.Lease != claim.Term.Id)
                {
                    Lose(claim);
                }
            }
        }
    }

    private void LoseAll(LeaseTerm term, bool isLetGo = true)
    {
        foreach (FleetClaim claim in Held.All)
        {
            if (claim.Term == term)
            {
                Lose(claim, isLetGo);
            }
        }
    }

    /// <summary>Deletes the keys of this host that are nobody's. The request of a claim that was
    /// given up may come to etcd after all that took its key back, and its key would live as long
    /// as the lease.</summary>
    private async Task SweepAsync(LeaseTerm term, CancellationToken cancellationToken)
    {
        if (!Volatile.Read(ref _hasClaimed))
        {
            return;   // etcd would name all that the host publishes
        }

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
                await _atEtcd.LetGoOnceAsync(key, Txn.IsCreatedAt(key, found.CreateRevision), term, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Once the loops have stopped and the lease is to stay: takes back what nobody holds,
    /// but for the owners that are kept.</summary>
    internal Task SweepAsync(long lease, HashSet<string> kept) => Volatile.Read(ref _hasClaimed) ? _atEtcd.SweepAsync(lease, kept) : Task.CompletedTask;

    // In this order: a claim that succeeds is held before it is no longer being made.
    private bool IsClaimedHere(string owner) => _claiming.ContainsKey(owner) || Held.Find(owner) is not null;
}
