using Portmap.Rpc.Calling;
using Portmap.Rpc.Diagnostics;
using Portmap.Rpc.Protocol;

namespace Portmap.Rpc.Working;

/// <summary>
/// Keeps a worker signed in: over one connection after the other, as long as the worker lives or
/// until somebody else has its owner.
/// </summary>
internal sealed class SignIn : IAsyncDisposable
{
    /// <summary>
    /// How long a worker that goes waits for the answer to its sign-out; without one the daemon
    /// sees the end of the connection.
    /// </summary>
    public static readonly TimeSpan SignOutLimit = TimeSpan.FromSeconds(2);

    /// <summary>
    /// How long one attempt to reach the daemon again may take; there is no end to the attempts.
    /// </summary>
    private static readonly TimeSpan s_attempt = TimeSpan.FromSeconds(5);

    private readonly WorkerSettings _settings;
    private readonly int _port;
    private readonly PortProtocol[] _protocols;
    private readonly CancellationTokenSource _leaving = new();
    private readonly TaskCompletionSource<PortRefusal> _lost = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Random _jitter = new();
    private readonly Task _keeping;
    private PortmapClient _client;
    private long[] _epochs;

    private SignIn(WorkerSettings settings, PortmapClient client, int port, long[] epochs)
    {
        _settings = settings;
        _client = client;
        _port = port;
        _epochs = epochs;
        _protocols = SingleProtocols.Of(settings.Protocol);
        _keeping = KeepAsync();
    }

    /// <summary>
    /// The epoch of the claim, of the TCP one when there are two: a lease gives both one,
    /// registrations without a lease have their own.
    /// </summary>
    public long Epoch => Volatile.Read(ref _epochs)[0];

    /// <summary>
    /// Completes with the reason when the port is not this worker's any more; cancelled when the
    /// worker went first.
    /// </summary>
    public Task<PortRefusal> WhenLost => _lost.Task;

    /// <summary>
    /// Signs in over a link, whose connection it takes over. On failure the link is the caller's
    /// still, and what a call brought for whose answer nobody waited is signed out again, if the
    /// daemon answers within the limit of a sign-out.
    /// </summary>
    /// <exception cref="PortRefusedException">It was refused; nothing stays registered.</exception>
    /// <exception cref="PortmapUnreachableException">No daemon answered.</exception>
    public static async Task<SignIn> StartAsync(WorkerSettings settings, DaemonLink link, int port, long epoch, CancellationToken cancellationToken)
    {
        PortProtocol[] protocols = SingleProtocols.Of(settings.Protocol);
        long[] asked = new long[protocols.Length];
        asked.AsSpan().Fill(epoch);
        Task<long[]>? registering = null;
        try
        {
            long[] epochs = await link.CallAsync((client, token) => (registering = Begin(client)).WaitAsync(token), cancellationToken).ConfigureAwait(false);
            Log.SignedIn(settings.Logger, settings.Owner, port, settings.Endpoint);
            return new SignIn(settings, link.Take(), port, epochs);
        }
        catch (Exception e) when (e is OperationCanceledException or PortmapUnreachableException)
        {
            if (registering is not null && link.Connected is { } client)
            {
                await TakeBackAsync(client, registering).WaitAsync(SignOutLimit, settings.TimeProvider, CancellationToken.None).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }

            throw;
        }

        // Goes on when nobody waits for it any more: what came of it has to be known.
        Task<long[]> Begin(PortmapClient client) => RegisterAsync(client, settings.Owner, port, asked, protocols, CancellationToken.None);

        // The answer that came too late is gone: it is asked for again, behind the call that had it.
        async Task TakeBackAsync(PortmapClient client, Task<long[]> last)
        {
            long[] epochs;
            try
            {
                bool isLate = last.Exception?.InnerException is PortmapUnreachableException;
                epochs = await (isLate ? Begin(client) : last).ConfigureAwait(false);
            }
            catch (Exception e) when (e is IOException or InvalidDataException or PortRefusedException)
            {
                return;   // there is nothing, or nobody to tell
            }

            await SignOutAsync(settings, client, port, epochs, CancellationToken.None).ConfigureAwait(false);
        }
    }

    /// <summary>Signs out and closes the connection.</summary>
    public async ValueTask DisposeAsync()
    {
        await _leaving.CancelAsync().ConfigureAwait(false);
        await _keeping.ConfigureAwait(false);
        bool isSignedOut = await SignOutAsync().ConfigureAwait(false);
        _lost.TrySetCanceled(CancellationToken.None);
        if (isSignedOut)
        {
            await KeptConnection.KeepOrCloseAsync(_client, _settings).ConfigureAwait(false);
        }
        else
        {
            await _client.DisposeAsync().ConfigureAwait(false);
        }

        _leaving.Dispose();
    }

    private async ValueTask<bool> SignOutAsync()
    {
        using var limit = new CancellationTokenSource(SignOutLimit, _settings.TimeProvider);
        return await SignOutAsync(_settings, _client, _port, _epochs, limit.Token).ConfigureAwait(false);
    }

    /// <summary>Releases each protocol by its epoch, whatever became of the other one: where one was
    /// replaced, the other may be served still. A claim that has a newer one above it is left
    /// alone by that.</summary>
    /// <returns>Whether nothing is registered any more.</returns>
    private static async ValueTask<bool> SignOutAsync(WorkerSettings settings, PortmapClient client, int port, long[] epochs, CancellationToken cancellationToken)
    {
        PortProtocol[] protocols = SingleProtocols.Of(settings.Protocol);
        bool isSignedOut = true;
        for (int i = 0; i < protocols.Length; i++)
        {
            try
            {
                await client.ReleaseAsync(Claim(settings.Owner, port, epochs[i], protocols[i]), cancellationToken).ConfigureAwait(false);
            }
            catch (Exception e) when (e is IOException or InvalidDataException or PortRefusedException or OperationCanceledException)
            {
                Log.SignOutFailed(settings.Logger, settings.Owner, e.Message);
                isSignedOut = false;
            }
        }

        return isSignedOut;
    }

    /// <summary>Registers each protocol, all or nothing.</summary>
    /// <returns>The epochs of the claims.</returns>
    private static async Task<long[]> RegisterAsync(
        PortmapClient client, string owner, int port, long[] asked, PortProtocol[] protocols, CancellationToken cancellationToken)
    {
        long[] epochs = new long[protocols.Length];
        for (int i = 0; i < protocols.Length; i++)
        {
            try
            {
                epochs[i] = await RegisterAsync(client, owner, port, asked[i], protocols[i], cancellationToken).ConfigureAwait(false);
            }
            catch (PortRefusedException) when (i > 0)
            {
                await client.ReleaseAsync(Claim(owner, port, epochs[0], protocols[0]), cancellationToken).ConfigureAwait(false);
                throw;
            }
        }

        return epochs;
    }

    /// <summary>
    /// Registers one protocol. An epoch that means nothing to the daemon, while nobody has a newer
    /// one, is one of another run or of a lease that ran out: then the process registers as one
    /// that nobody acquired for.
    /// </summary>
    private static async Task<long> RegisterAsync(
        PortmapClient client, string owner, int port, long epoch, PortProtocol protocol, CancellationToken cancellationToken)
    {
        try
        {
            return (await client.RegisterAsync(Claim(owner, port, epoch, protocol), cancellationToken).ConfigureAwait(false)).Epoch ?? 0;
        }
        catch (PortRefusedException e) when (epoch != 0 && e.Refusal is { Reason: PortRefusalReason.Stale, HolderEpoch: null })
        {
            return (await client.RegisterAsync(Claim(owner, port, epoch: 0, protocol), cancellationToken).ConfigureAwait(false)).Epoch ?? 0;
        }
    }

    private static PortClaimRequest Claim(string owner, int port, long epoch, PortProtocol protocol) =>
        new(owner, port) { Epoch = epoch == 0 ? null : epoch, Protocol = protocol };

    private async Task KeepAsync()
    {
        try
        {
            bool goOn = true;
            while (goOn)
            {
                Task ended = _client.Ended;
                await ended.WaitAsync(_settings.CheckInterval, _settings.TimeProvider, _leaving.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                _leaving.Token.ThrowIfCancellationRequested();
                if (ended.IsCompleted)
                {
                    Log.DaemonLost(_settings.Logger, _settings.Endpoint, _settings.Owner, _port);
                    goOn = await SignInAgainAsync().ConfigureAwait(false);
                }
                else
                {
                    goOn = await IsStillOursAsync().ConfigureAwait(false);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The worker goes.
        }
    }

    /// <summary>
    /// Asks the daemon whom lookups find. It tells nobody by itself that a claim has ended.
    /// </summary>
    private async Task<bool> IsStillOursAsync()
    {
        try
        {
            for (int i = 0; i < _protocols.Length; i++)
            {
                PortEntry? entry = await _client.GetEntryAsync(_settings.Owner, _protocols[i], _leaving.Token).ConfigureAwait(false);
                if (entry is not { State: PortState.Bound } bound || bound.Epoch != _epochs[i])
                {
                    Lose(Ended(entry, _epochs[i], _protocols[i]));
                    return false;
                }
            }
        }
        catch (Exception e) when (e is IOException or InvalidDataException)
        {
            Log.CheckFailed(_settings.Logger, _settings.Owner, e.Message);   // the end of the connection is seen elsewhere
        }

        return true;
    }

    private PortRefusal Ended(PortEntry? newest, long epoch, PortProtocol protocol) => newest is { } entry && entry.Epoch > epoch
        ? new PortRefusal(
            PortRefusalReason.Stale,
            $"'{_settings.Owner}' has a newer claim: epoch {entry.Epoch}, port {entry.Port}, {entry.State}, process {entry.ProcessId}. Epoch {epoch} on port {_port} has ended: stop this process.")
        { Owner = _settings.Owner, Port = _port, Protocol = protocol, Holder = entry.Owner, HolderProcessId = entry.ProcessId, HolderEpoch = entry.Epoch }
        : new PortRefusal(
            PortRefusalReason.LeaseEnded,
            $"The registration of '{_settings.Owner}' on port {_port}, epoch {epoch}, has ended: it was released, or the daemon found that nobody listens. Stop this process, or listen again.")
        { Owner = _settings.Owner, Port = _port, Protocol = protocol };

    private void Lose(PortRefusal reason)
    {
        Log.Lost(_settings.Logger, _settings.Owner, _port, reason);
        _lost.TrySetResult(reason);
    }

    /// <returns>False when there is nothing left to sign in: a later claim has the owner.</returns>
    private async Task<bool> SignInAgainAsync()
    {
        TimeSpan delay = TimeSpan.Zero;
        while (true)
        {
            try
            {
                await _client.DisposeAsync().ConfigureAwait(false);
                _client = await PortmapClient.ConnectAsync(_settings.Endpoint, _settings.ClientOptions(s_attempt), _leaving.Token).ConfigureAwait(false);
                long[] epochs = await RegisterAsync(_client, _settings.Owner, _port, _epochs, _protocols, _leaving.Token).ConfigureAwait(false);
                Volatile.Write(ref _epochs, epochs);
                Log.SignedIn(_settings.Logger, _settings.Owner, _port, _settings.Endpoint);
                return true;
            }
            catch (PortRefusedException e)
            {
                Log.SignInRefused(_settings.Logger, _settings.Owner, e.Refusal);
                if (e.Refusal.Reason == PortRefusalReason.Stale)
                {
                    Lose(e.Refusal);
                    return false;
                }

                delay = Connection.NextDelay(delay);
            }
            catch (Exception e) when (e is not OperationCanceledException || !_leaving.IsCancellationRequested)
            {
                // Whatever it is: a worker that gave up here would serve for ever without being
                // found.
                delay = Connection.NextDelay(delay);
                Log.SignInDelayed(_settings.Logger, e, _settings.Owner, delay);
            }

            await Task.Delay(Connection.Spread(delay, _jitter), _settings.TimeProvider, _leaving.Token).ConfigureAwait(false);
        }
    }
}
