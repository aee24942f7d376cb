using System.Collections.Concurrent;
using System.Globalization;
using Google.Protobuf;
using Microsoft.Extensions.Logging;
using Portmap.Diagnostics;
using Portmap.Etcd.Connecting;
using Portmap.Etcd.Diagnostics;
using Portmap.Etcd.Leasing;
using Portmap.Etcd.Protocol;

namespace Portmap.Etcd;

/// <summary>Owners that one host of the fleet holds at a time.</summary>
/// <remarks>Safe for any thread. A claim lives as long as the lease of its host: it is gone when
/// the host was not heard of for <see cref="PortmapFleetOptions.LeaseTtl"/>, and when the fleet is
/// disposed.</remarks>
public sealed partial class FleetOwners
{
    private const int KeysAtOnce = 128;   // --max-txn-ops of etcd

    private readonly EtcdClient _client;
    private readonly FleetKeys _keys;
    private readonly ClaimKeys _atEtcd;
    private readonly HostLease _lease;
    private readonly PortmapFleetOptions _options;
    private readonly ILogger _logger;
    private readonly TimeProvider _time;
    private readonly ConcurrentDictionary<string, bool> _claiming = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<FleetClaim, Task> _givingBack = new();
    private readonly WakeUp _doubt;

    /// <summary>Of a look that broke off, what is left; for the loop only.</summary>
    private readonly Queue<FleetClaim> _unverified = new();
    private bool _isDisturbed;
    private readonly FleetMetrics _metrics;
    private bool _isStarted;
    private bool _hasClaimed;

    internal FleetOwners(EtcdClient client, FleetKeys keys, HostLease lease, PortmapFleetOptions options, ILogger logger, TimeProvider time, FleetMetrics metrics)
    {
        _metrics = metrics;
        _client = client;
        _keys = keys;
        _atEtcd = new ClaimKeys(client, keys, time);
        _lease = lease;
        _options = options;
        _logger = logger;
        _time = time;
        _doubt = new WakeUp(time);
    }

    /// <summary>A claim came or went: the owner.</summary>
    internal event Action<string>? Changed;

    internal HeldClaims Held { get; } = new();

    /// <summary>Cancelled when the fleet is disposed.</summary>
    internal CancellationToken Stopped { get; init; }

    /// <summary>Claims an owner for this host, by one transaction.</summary>
    /// <param name="owner">1 to 4,096 bytes of well-formed UTF-8 without U+0000.</param>
    /// <param name="cancellationToken">Gives up waiting; what etcd may have written meanwhile is
    /// taken back.</param>
    /// <returns>The claim, with the fencing epoch.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="owner"/> is null.</exception>
    /// <exception cref="PortRefusedException">InvalidOwner. Conflict: another host has it, which
    /// <see cref="PortRefusal.Holder"/> and <see cref="PortRefusal.HolderEpoch"/> name.
    /// AlreadyReserved: this host has it, or is claiming it. NoFleet:
    /// <see cref="PortmapFleetOptions.ReadOnly"/>. StoreFailed: etcd did not confirm it
    /// within <see cref="PortmapFleetOptions.RequestTimeout"/>, this host has no lease there, or the
    /// fleet is not started.</exception>
    /// <exception cref="ObjectDisposedException">The fleet is disposed, or was
    /// meanwhile.</exception>
    public Task<FleetClaim> ClaimAsync(string owner, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(owner);
        return ClaimAsync(owner, isOfRegistry: false, cancellationToken);
    }

    /// <summary>As the other; one of the registry's ends with the fleet in any case.</summary>
    internal async Task<FleetClaim> ClaimAsync(string owner, bool isOfRegistry, CancellationToken cancellationToken)
    {
        try
        {
            FleetClaim claim = await ClaimOnceAsync(owner, isOfRegistry, cancellationToken).ConfigureAwait(false);
            _metrics.Claimed("Held");
            return claim;
        }
        catch (PortRefusedException exception)
        {
            _metrics.Claimed(exception.Refusal.Reason.ToString());
            throw;
        }
    }

    private async Task<FleetClaim> ClaimOnceAsync(string owner, bool isOfRegistry, CancellationToken cancellationToken)
    {
        if (OwnerName.Complaint(owner) is { } complaint)
        {
            throw Refused(PortRefusalReason.InvalidOwner, owner, $"{complaint}");
        }

        if (_options.ReadOnly)
        {
            throw Refused(PortRefusalReason.NoFleet, owner, $"'{owner}' cannot be claimed: this part of the fleet only looks. Set ReadOnly to false.");
        }

        ObjectDisposedException.ThrowIf(Stopped.IsCancellationRequested, typeof(PortmapFleet));
        if (!Volatile.Read(ref _isStarted))
        {
            throw Refused(PortRefusalReason.StoreFailed, owner, $"'{owner}' cannot be claimed: this part of the fleet is not started. Call {nameof(PortmapFleet)}.{nameof(PortmapFleet.Start)} first.");
        }

        if (!_claiming.TryAdd(owner, true))
        {
            throw Refused(PortRefusalReason.AlreadyReserved, owner, $"This host is claiming '{owner}' at this moment; use the outcome of that.", _options.Host);
        }

        try
        {
            // Nobody else of this host claims the owner from here on. A look before that may be
            // old: the key of a claim that was made since would be taken for one of before.
            if (Held.Find(owner) is { IsHeld: true } held)
            {
                throw Refused(PortRefusalReason.AlreadyReserved, owner, $"This host holds '{owner}' already, by epoch {held.Epoch}; release that claim first.", _options.Host, held.Epoch);
            }

            Volatile.Write(ref _hasClaimed, true);
            return await ClaimWithinLimitAsync(owner, isOfRegistry, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _claiming.TryRemove(owner, out _);
        }
    }

    /// <summary>From now on there is somebody who asks for a lease.</summary>
    internal void Begin() => Volatile.Write(ref _isStarted, true);

    /// <summary>Ends claims whose time is over, and looks after those that may be gone, until it is
    /// told to stop.</summary>
    internal async Task RunAsync(CancellationToken stop)
    {
        _lease.Disturbed += Disturb;
        try
        {
            while (true)
            {
                LeaseTerm term = await _lease.WhenHeldAsync(stop).ConfigureAwait(false);
                using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(stop, term.Ended);
                try
                {
                    await KeepAsync(term, either.Token).ConfigureAwait(false);
                }
                catch (OperationCanceledException)
                {
                    LoseAll(term, isLetGo: !stop.IsCancellationRequested);
                    stop.ThrowIfCancellationRequested();
                }
            }
        }
        finally
        {
            _lease.Disturbed -= Disturb;
        }
    }

    /// <summary>Ends a claim here at once, and at etcd as soon as that can be told.</summary>
    internal void Lose(FleetClaim claim) => Lose(claim, isLetGo: true);

    /// <summary>Ends every claim here, once the term of all of them is over. Their keys go with the
    /// lease, or stay for the rest of its time: that is said elsewhere.</summary>
    internal void LoseAll()
    {
        foreach (FleetClaim claim in Held.All)
        {
            Lose(claim, isLetGo: false);
        }
    }

    /// <summary>Waits until etcd was told of what is given back at this moment, or it could not be
    /// reached.</summary>
    internal async Task WhenGivenBackAsync() => await Task.WhenAll(_givingBack.Values).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

    private void Lose(FleetClaim claim, bool isLetGo)
    {
        if (!TryEnd(claim, isLost: true))
        {
            return;
        }

        FleetLog.ClaimLost(_logger, Printable.Of(claim.Owner), claim.Epoch);
        if (isLetGo)
        {
            _ = _atEtcd.LetGoAsync(_keys.Claim(claim.Owner), Txn.IsCreatedAt(_keys.Claim(claim.Owner), claim.Epoch), claim.Term);
        }
    }

    internal async Task ReleaseAsync(FleetClaim claim)
    {
        // Noted before it begins: who comes second waits for the first one.
        TaskCompletionSource given = new(TaskCreationOptions.RunContinuationsAsynchronously);
        Task first = _givingBack.GetOrAdd(claim, given.Task);
        if (first != given.Task)
        {
            await first.ConfigureAwait(false);
            return;
        }

        try
        {
            if (TryEnd(claim, isLost: false))
            {
                await GiveBackAsync(claim).ConfigureAwait(false);
            }
        }
        finally
        {
            _givingBack.TryRemove(claim, out _);
            given.SetResult();
        }
    }

    private async Task GiveBackAsync(FleetClaim claim)
    {
        ByteString key = _keys.Claim(claim.Owner);
        try
        {
            await _atEtcd.LetGoOnceAsync(key, Txn.IsCreatedAt(key, claim.Epoch), claim.Term, claim.Term.Ended).ConfigureAwait(false);
        }
        catch (EtcdException)
        {
            _ = _atEtcd.LetGoAsync(key, Txn.IsCreatedAt(key, claim.Epoch), claim.Term);
        }
        catch (OperationCanceledException)
        {
            // The lease is gone, and the claim with it.
        }
    }

    private static PortRefusedException Refused(PortRefusalReason reason, string owner, FormattableString message, string? holder = null, long? holderEpoch = null) =>
        new(new PortRefusal(reason, Printable.Of(message.ToString(CultureInfo.InvariantCulture))) { Owner = owner, Holder = holder, HolderEpoch = holderEpoch });

    private async Task<FleetClaim> ClaimWithinLimitAsync(string owner, bool isOfRegistry, CancellationToken cancellationToken)
    {
        using CancellationTokenSource limit = new(_options.RequestTimeout, _time);
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken, Stopped);
        LeaseTerm term;
        try
        {
            term = await _lease.WhenHeldAsync(either.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            ObjectDisposedException.ThrowIf(Stopped.IsCancellationRequested, typeof(PortmapFleet));
            throw Refused(PortRefusalReason.StoreFailed, owner, $"This host has no lease at etcd, so that it can claim nothing: {_lease.Trouble?.TrimEnd('.') ?? "it was over just now"}. Try again when etcd answers.");
        }

        ByteString value = ByteString.CopyFromUtf8($$"""{"host":"{{_options.Host}}","claim":"{{Guid.NewGuid()}}"}""");
        ClaimAttempt attempt = new(owner, _keys.Claim(owner), value, term);
        try
        {
            FleetClaim claim = new(this, term, owner, await ClaimAsync(attempt, either.Token).ConfigureAwait(false)) { IsOfRegistry = isOfRegistry };
            if (Held.TryAdd(claim) && claim.IsHeld)
            {
                Changed?.Invoke(owner);
                return claim;
            }

            Lose(claim);
            ObjectDisposedException.ThrowIf(Stopped.IsCancellationRequested, typeof(PortmapFleet));
            throw Refused(PortRefusalReason.StoreFailed, owner, $"The lease of this host was over before etcd had answered. Try again.");
        }
        catch (OperationCanceledException)
        {
            _ = _atEtcd.LetGoAsync(attempt.Key, Txn.HasValue(attempt.Key, value), term);
            cancellationToken.ThrowIfCancellationRequested();
            ObjectDisposedException.ThrowIf(Stopped.IsCancellationRequested, typeof(PortmapFleet));
            throw Refused(PortRefusalReason.StoreFailed, owner, $"Etcd did not confirm the claim within {_options.RequestTimeout.TotalSeconds} s: {(attempt.Trouble ?? _lease.Trouble)?.TrimEnd('.') ?? "no answer"}. Try again when it does.");
        }
    }

    /// <summary>The transaction, as often as it takes to know how it ended.</summary>
    /// <returns>The epoch.</returns>
    private async Task<long> ClaimAsync(ClaimAttempt attempt, CancellationToken cancellationToken)
    {
        (string owner, ByteString key, ByteString value, LeaseTerm term) = attempt;
        Backoff backoff = new(_time);
        bool isHostThere = true;
        Compare? ours = null;
        while (true)
        {
            TxnResponse response;
            try
            {
                if (ours is not null)
                {
                    await _atEtcd.LetGoOnceAsync(key, ours, term, cancellationToken).ConfigureAwait(false);
                    ours = null;
                }

                if (!isHostThere)
                {
                    await ClaimHostAsync(owner, term, cancellationToken).ConfigureAwait(false);
                    isHostThere = true;
                }

                // The whole of it is one RequestTimeout: a member that says nothing must leave time
                // for the others.
                response = await _client.TxnInPartAsync(
                    Txn.When(Txn.IsAbsent(key), Txn.HasLease(_keys.Host, term.Id)).Then(Txn.Put(key, value, term.Id)).Else(Txn.Get(key)),
                    cancellationToken).ConfigureAwait(false);
            }
            catch (EtcdException exception) when (exception.Failure is EtcdFailure.Unavailable or EtcdFailure.TokenGone)
            {
                attempt.Trouble = exception.Message;
                await backoff.WaitAsync(cancellationToken).ConfigureAwait(false);
                continue;
            }
            catch (EtcdException exception)
            {
                Hear(exception, term);
                throw Refused(PortRefusalReason.StoreFailed, owner, Complaint(owner, exception));
            }

            if (response.Succeeded)
            {
                return response.Header.Revision;
            }

            if (response.Found() is not { } found)
            {
                isHostThere = false;   // or its key is not of our lease
                await backoff.WaitAsync(cancellationToken).ConfigureAwait(false);
                continue;
            }

            if (found.Value == value)
            {
                return found.CreateRevision;   // an attempt whose answer was lost
            }

            if (found.Lease != term.Id)
            {
                string holder = ClaimKeys.HolderOf(found.Value);
                throw Refused(
                    PortRefusalReason.Conflict, owner,
                    found.Lease != 0
                        ? $"Host '{holder}' holds '{owner}' by epoch {found.CreateRevision}; it is free when that host releases it, or was not heard of for its lease."
                        : (FormattableString)$"The key of '{owner}' at etcd names host '{holder}' and goes with no lease, so that it stays for ever: no host of a fleet put it there. Delete '{_options.Prefix}/o/{owner}' at etcd if the owner is to be had.",
                    holder, found.CreateRevision);
            }

            // Our own of before, lost or released here, and etcd was not told yet. Nobody else of
            // this host claims it now.
            ours = Txn.IsCreatedAt(key, found.CreateRevision);
        }
    }

    /// <summary>The host's key was deleted by hand, or its lease is over: only one of the two can be
    /// put right here.</summary>
    private async Task ClaimHostAsync(string owner, LeaseTerm term, CancellationToken cancellationToken)
    {
        if (await _lease.ClaimHostAsync(term, isFence: false, cancellationToken).ConfigureAwait(false) is { } holder)
        {
            throw Refused(
                PortRefusalReason.StoreFailed, owner,
                $"Another daemon has the name of this host, '{_options.Host}' (address {holder.Address}, process {holder.ProcessId}), so that '{owner}' cannot be claimed. Give each host a name of its own.");
        }
    }

    private FormattableString Complaint(string owner, EtcdException exception)
    {
        string message = exception.Message.TrimEnd('.');
        return exception.Failure switch
        {
            EtcdFailure.LeaseGone => $"The lease of this host is over at etcd, and another one is asked for. Try again.",
            EtcdFailure.Denied => $"Etcd does not let this host claim '{owner}': {message}. Let its user write below '{_options.Prefix}/o/'.",
            _ => $"Etcd refuses the claim of '{owner}': {message}. The log of etcd may say more.",
        };
    }

    private bool TryEnd(FleetClaim claim, bool isLost)
    {
        if (!claim.TryLose())
        {
            return false;
        }

        _metrics.ClaimEnded(isLost);

        Held.Remove(claim);
        Changed?.Invoke(claim.Owner);
        return true;
    }
}
