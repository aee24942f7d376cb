using System.Runtime.CompilerServices;
using Google.Protobuf;
using Microsoft.Extensions.Logging;
using Portmap.Etcd.Connecting;
using Portmap.Etcd.Diagnostics;
using Portmap.Etcd.Protocol;

namespace Portmap.Etcd.Leasing;

/// <summary>The one lease of this host: granted, kept alive, granted anew when it is gone. All that
/// the host puts into etcd goes with it.</summary>
/// <remarks>
/// <para>The host's key is the right to publish under its name. It is taken when nobody has it,
/// when it is ours, when it was left, when it goes with no lease, or when the process that wrote it
/// is one of this machine that is dead; otherwise another daemon uses the name, and this one
/// publishes nothing until that one's lease is over.</para>
/// <para>Each writing of the host's key by the publisher is a fence: what is published carries the
/// revision of the last one as its condition, so that a request from before, which was lost on the
/// way and arrives late, changes nothing. Anybody else's writing lets the publisher's next batch
/// fail, so that it compares everything: whoever took the key away may have taken more.</para>
/// </remarks>
internal sealed class HostLease(EtcdClient client, FleetKeys keys, PortmapFleetOptions options, ILogger logger, TimeProvider time)
{
    private readonly TimeProvider _leaseClock = BootTime.Of(time);
    private HostRecord _record = HostRecord.OfThis(options.Address ?? options.Host);
    private readonly WakeUp _doubt = new(time);
    private TaskCompletionSource _changed = NewSignal();
    private LeaseTerm? _current;
    private const string Nothing = "Etcd has not answered yet.";
    private const int MostDeletes = 127;   // --max-txn-ops of etcd is 128, and one is the host's key
    private const int MostLeft = 8;        // of so many restarts within one LeaseTtl
    private static readonly TimeSpan s_leastLimit = TimeSpan.FromMilliseconds(100);   // the least RequestTimeout

    private string? _trouble = Nothing;
    private bool _isDenied;
    private long _lastId;

    /// <summary>The connection broke and is back: what etcd knows may be of an earlier
    /// time.</summary>
    public event Action? Disturbed;

    /// <summary>The lease, or null while there is none.</summary>
    public LeaseTerm? Current => Volatile.Read(ref _current);

    /// <summary>What stands in the way, or null.</summary>
    public string? Trouble => Volatile.Read(ref _trouble);

    /// <summary>Etcd answered last that this host may not.</summary>
    public bool IsDenied => Volatile.Read(ref _isDenied);

    /// <summary>Whether a lease is one of a daemon that left the name and let its entries outlive
    /// it: they stay for the rest of it, as the workers sign in one after the other.</summary>
    public bool IsLeft(long lease) => Volatile.Read(ref _record).Left.Contains(lease);

    /// <summary>Somebody heard from etcd that the lease is gone: it is asked for a sign of life now
    /// and not when the next one is due.</summary>
    public void Doubt(LeaseTerm term)
    {
        if (Current == term)
        {
            _doubt.Set();
        }
    }

    /// <summary>Waits until there is a lease.</summary>
    public async Task<LeaseTerm> WhenHeldAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            // Before the look: a change after it completes this very task.
            Task changed = Volatile.Read(ref _changed).Task;
            if (Current is { } term)
            {
                return term;
            }

            await changed.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Runs until it is told to stop.</summary>
    public async Task RunAsync(CancellationToken stop)
    {
        Backoff backoff = new(time);
        while (true)
        {
            try
            {
                await RunTermAsync(backoff, stop).ConfigureAwait(false);
            }
            catch (EtcdException exception)
            {
                Note(exception);
            }

            await backoff.WaitAsync(stop).ConfigureAwait(false);
        }
    }

    /// <summary>Writes the host's key, if it may.</summary>
    /// <param name="term">Whose lease it is to have.</param>
    /// <param name="isFence">Whether it is written in any case, and its revision is the fence of the
    /// term: for whoever compares everything after it. Else it is written when it is not
    /// there.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>Null, or what another daemon wrote there, which has the name.</returns>
    public async Task<HostRecord?> ClaimHostAsync(LeaseTerm term, bool isFence, CancellationToken cancellationToken)
    {
        Compare condition = Txn.IsAbsent(keys.Host);
        while (true)
        {
            RequestOp put = Txn.Put(keys.Host, Volatile.Read(ref _record).ToValue(), term.Id);
            TxnResponse response = await client.TxnAsync(Txn.When(condition).Then(put).Else(Txn.Get(keys.Host)), cancellationToken).ConfigureAwait(false);
            if (response.Succeeded)
            {
                if (isFence)
                {
                    term.HostRevision = response.Header.Revision;
                }

                return null;
            }

            if (response.Found() is not { } found)
            {
                condition = Txn.IsAbsent(keys.Host);   // it went between two looks
                continue;
            }

            if (found.Lease == term.Id && !isFence)
            {
                return null;   // somebody else of this host was faster
            }

            HostRecord other = HostRecord.Parse(found.Value);
            bool isOfNobody = found.Lease == 0;   // each of us has a lease: this was copied here, or put by hand
            if (found.Lease != term.Id && !isOfNobody && other.Instance != Guid.Empty && other.Instance != _record.Instance && !other.IsOfDeadProcessHere)
            {
                return other;
            }

            if (other.Instance == Guid.Empty && other.Address.Length > 0 && found.Lease != term.Id)   // one that cannot be read has no address
            {
                TakeOver(found.Lease, other);
            }

            condition = Txn.IsModifiedAt(keys.Host, found.ModRevision);
        }
    }

    /// <summary>Gives the lease back, and with it all that goes with it; at most one request, and
    /// no complaint when etcd cannot be reached.</summary>
    public async Task RevokeAsync()
    {
        if (_lastId == 0)
        {
            return;
        }

        try
        {
            await client.RevokeAsync(_lastId, CancellationToken.None).ConfigureAwait(false);
        }
        catch (EtcdException exception)
        {
            FleetLog.NotRevoked(logger, options.LeaseTtl, exception.Message);
        }
    }

    /// <summary>Leaves everything but some keys for the rest of its time, and the name to whoever
    /// comes next; one request for each 127 keys.</summary>
    /// <param name="besides">These keys.</param>
    /// <param name="sweepAsync">Takes other keys of the lease back, before the name is left.</param>
    public async Task LeaveAsync(IEnumerable<ByteString> besides, Func<long, Task> sweepAsync)
    {
        if (_lastId == 0)
        {
            return;
        }

        Queue<ByteString[]> parts = new(besides.Chunk(MostDeletes).DefaultIfEmpty([]));
        HostRecord left = _record with { Instance = Guid.Empty };
        try
        {
            await sweepAsync(_lastId).ConfigureAwait(false);
            while (parts.TryDequeue(out ByteString[]? deleted))
            {
                // Each one is a fence too: no batch that is still on its way puts the keys there again.
                TxnRequest request = Txn.When(Txn.HasLease(keys.Host, _lastId)).Then(Txn.Put(keys.Host, (parts.Count == 0 ? left : _record).ToValue(), _lastId));
                foreach (ByteString key in deleted)
                {
                    request.Then(Txn.Delete(key));
                }

                await client.TxnAsync(request, CancellationToken.None).ConfigureAwait(false);
            }
        }
        catch (EtcdException exception)
        {
            FleetLog.NotRevoked(logger, options.LeaseTtl, exception.Message);
        }
    }

    /// <summary>Remembers whose entries stay; also those that were left to the one that left, for
    /// its workers may not all have come back before it was restarted too.</summary>
    private void TakeOver(long lease, HostRecord other)
    {
        HostRecord own = Volatile.Read(ref _record);
        IEnumerable<long> left = [lease, .. other.Left, .. own.Left];
        Volatile.Write(ref _record, own with { Left = [.. left.Where(one => one != 0).Distinct().Take(MostLeft)] });
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private async Task RunTermAsync(Backoff backoff, CancellationToken stop)
    {
        Lifetime begin = Lifetime.Begin(_leaseClock);
        LeaseGrantResponse grant = await client.GrantAsync(options.LeaseTtl, stop).ConfigureAwait(false);
        LeaseTerm term = new(grant.ID, TimeSpan.FromSeconds(grant.TTL), begin.For(TimeSpan.FromSeconds(grant.TTL)));
        _lastId = term.Id;
        try
        {
            if (await BeginAsync(term, stop).ConfigureAwait(false) is { } holder)
            {
                await RefuseAsync(holder).ConfigureAwait(false);
                return;
            }

            backoff.Reset();
            Volatile.Write(ref _trouble, null);
            Volatile.Write(ref _isDenied, false);
            Set(term);
            FleetLog.Leased(logger, options.Host, term.Id, term.Ttl);
            await KeepAliveAsync(term, stop).ConfigureAwait(false);
            Volatile.Write(ref _trouble, "The lease of this host is over at etcd; another one is asked for.");
            FleetLog.LeaseLost(logger, options.Host, term.Id);
        }
        finally
        {
            Set(null);
            term.End();
        }
    }

    /// <summary>Writes the host's key for the first time. A lease without it is of no use: each
    /// attempt asks for another one.</summary>
    private async Task<HostRecord?> BeginAsync(LeaseTerm term, CancellationToken stop)
    {
        try
        {
            return await ClaimHostAsync(term, isFence: true, stop).ConfigureAwait(false);
        }
        catch (EtcdException)
        {
            try
            {
                await client.RevokeAsync(term.Id, stop).ConfigureAwait(false);
            }
            catch (EtcdException)
            {
                // It ends by itself.
            }

            throw;
        }
    }

    private async Task RefuseAsync(HostRecord holder)
    {
        string text = FormattableString.Invariant(
            $"Another daemon publishes as host '{options.Host}' (address {holder.Address}, process {holder.ProcessId}); give each host a name of its own. Nothing is published here.");
        if (Interlocked.Exchange(ref _trouble, text) != text)
        {
            FleetLog.HostTaken(logger, options.Host, holder.Address, holder.ProcessId);
        }

        await RevokeAsync().ConfigureAwait(false);
    }

    /// <summary>Returns when etcd says that the lease is gone.</summary>
    private async Task KeepAliveAsync(LeaseTerm term, CancellationToken stop)
    {
        Backoff backoff = new(time);
        bool isDisturbed = false;
        while (true)
        {
            try
            {
                EtcdStream<LeaseKeepAliveRequest, LeaseKeepAliveResponse> stream = await client.OpenKeepAliveAsync(LimitOf(term, isDisturbed), stop).ConfigureAwait(false);
                await using ConfiguredAsyncDisposable closing = stream.ConfigureAwait(false);
                Task<LeaseKeepAliveResponse> reading = stream.ReadAsync(stop);
                while (true)
                {
                    TimeSpan limit = LimitOf(term, isDisturbed);
                    Lifetime begin = Lifetime.Begin(_leaseClock);
                    await stream.WriteAsync(new LeaseKeepAliveRequest { ID = term.Id }, limit, stop).ConfigureAwait(false);
                    LeaseKeepAliveResponse answer = await WithinAsync(reading, stream, limit, stop).ConfigureAwait(false);
                    if (answer.TTL <= 0)
                    {
                        return;
                    }

                    term.Renew(begin.For(TimeSpan.FromSeconds(answer.TTL)));
                    Volatile.Write(ref _trouble, null);
                    backoff.Reset();
                    if (isDisturbed)
                    {
                        isDisturbed = false;
                        Disturbed?.Invoke();
                    }

                    // Nothing comes unasked: what ends the read before the pause is over is a
                    // stream that broke, and that is to be heard of at once.
                    reading = stream.ReadAsync(stop);
                    using CancellationTokenSource over = CancellationTokenSource.CreateLinkedTokenSource(stop);
                    Task pause = PauseAsync(begin, Third(term), over.Token);
                    if (await Task.WhenAny(pause, reading).ConfigureAwait(false) == reading)
                    {
                        await over.CancelAsync().ConfigureAwait(false);
                        await reading.ConfigureAwait(false);
                        throw stream.Silent();
                    }

                    await pause.ConfigureAwait(false);
                }
            }
            catch (EtcdException exception)
            {
                if (exception.Failure == EtcdFailure.LeaseGone)
                {
                    return;
                }

                isDisturbed = true;
                Note(exception);
                await backoff.WaitAsync(stop).ConfigureAwait(false);
            }
        }
    }

    private static TimeSpan Third(LeaseTerm term) => term.Ttl / 3;

    /// <summary>How long one member may take to answer. Once one has failed it is no more than an
    /// equal part of what is left of the lease, so that each of the others is asked before it is
    /// over.</summary>
    private TimeSpan LimitOf(LeaseTerm term, bool hasFailed)
    {
        TimeSpan usual = Third(term) < options.RequestTimeout ? Third(term) : options.RequestTimeout;
        TimeSpan left = term.Left, part = left / client.Members;
        return !hasFailed || left <= TimeSpan.Zero || part > usual ? usual
            : part > s_leastLimit ? part
            : s_leastLimit;
    }

    /// <summary>Until the next sign of life is due by the clocks: timers stand still while the
    /// machine is suspended, and the lease does not.</summary>
    private async Task PauseAsync(Lifetime begin, TimeSpan third, CancellationToken cancellationToken)
    {
        for (TimeSpan left = third - begin.Age; left > TimeSpan.Zero; left = third - begin.Age)
        {
            if (await _doubt.WaitAsync(left < options.HeartbeatInterval ? left : options.HeartbeatInterval, cancellationToken).ConfigureAwait(false))
            {
                return;
            }
        }
    }

    private async Task<LeaseKeepAliveResponse> WithinAsync(
        Task<LeaseKeepAliveResponse> reading, EtcdStream<LeaseKeepAliveRequest, LeaseKeepAliveResponse> stream, TimeSpan limit, CancellationToken stop)
    {
        try
        {
            return await reading.WaitAsync(limit, time, stop).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            throw stream.Silent();
        }
    }

    private void Set(LeaseTerm? term)
    {
        Volatile.Write(ref _current, term);
        Interlocked.Exchange(ref _changed, NewSignal()).SetResult();
    }

    private void Note(EtcdException exception)
    {
        Volatile.Write(ref _isDenied, exception.Failure == EtcdFailure.Denied);
        if (Interlocked.Exchange(ref _trouble, exception.Message) is null or Nothing)
        {
            FleetLog.Trouble(logger, exception.Message);
        }
    }
}
