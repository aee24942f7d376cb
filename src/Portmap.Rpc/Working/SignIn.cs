using Portmap.Rpc.Diagnostics;

namespace Portmap.Rpc.Working;

/// <summary>Keeps a worker signed in: over one connection after the other, as long as the worker lives.</summary>
internal sealed class SignIn : IAsyncDisposable
{
    /// <summary>How long a worker that goes waits for the answer to its sign-out; without one the daemon sees the end of the connection.</summary>
    private static readonly TimeSpan s_signOutLimit = TimeSpan.FromSeconds(2);

    private readonly WorkerSettings _settings;
    private readonly int _port;
    private readonly PortProtocol[] _protocols;
    private readonly CancellationTokenSource _leaving = new();
    private readonly Task _keeping;
    private PortmapClient _client;
    private long _epoch;

    private SignIn(WorkerSettings settings, PortmapClient client, int port, long epoch)
    {
        _settings = settings;
        _client = client;
        _port = port;
        _epoch = epoch;
        _protocols = Protocols(settings.Protocol);
        _keeping = KeepAsync();
    }

    public long Epoch => Volatile.Read(ref _epoch);

    /// <summary>Signs in over a connection and takes care of it from then on. On failure the connection is the caller's still.</summary>
    /// <exception cref="PortRefusedException">It was refused; nothing stays registered.</exception>
    public static async Task<SignIn> StartAsync(WorkerSettings settings, PortmapClient client, int port, long epoch, CancellationToken cancellationToken)
    {
        epoch = await RegisterAsync(client, settings.Owner, port, epoch, Protocols(settings.Protocol), cancellationToken).ConfigureAwait(false);
        Log.SignedIn(settings.Logger, settings.Owner, port, settings.Endpoint);
        return new SignIn(settings, client, port, epoch);
    }

    /// <summary>Signs out and closes the connection.</summary>
    public async ValueTask DisposeAsync()
    {
        await _leaving.CancelAsync().ConfigureAwait(false);
        await _keeping.ConfigureAwait(false);
        using var limit = new CancellationTokenSource(s_signOutLimit, _settings.TimeProvider);
        try
        {
            foreach (PortProtocol protocol in _protocols)
            {
                await _client.ReleaseAsync(_settings.Owner, _port, Epoch, protocol, limit.Token).ConfigureAwait(false);
            }
        }
        catch (Exception e) when (e is IOException or InvalidDataException or PortRefusedException or OperationCanceledException)
        {
            Log.SignOutFailed(_settings.Logger, _settings.Owner, e.Message);
        }

        await _client.DisposeAsync().ConfigureAwait(false);
        _leaving.Dispose();
    }

    private static PortProtocol[] Protocols(PortProtocol protocol) =>
        protocol == PortProtocol.TcpAndUdp ? [PortProtocol.Tcp, PortProtocol.Udp] : [protocol];

    /// <summary>Registers each protocol, all or nothing.</summary>
    /// <returns>The epoch of the claim.</returns>
    private static async Task<long> RegisterAsync(
        PortmapClient client, string owner, int port, long epoch, PortProtocol[] protocols, CancellationToken cancellationToken)
    {
        long registered = epoch;
        for (int i = 0; i < protocols.Length; i++)
        {
            try
            {
                PortEntry entry = await client.RegisterAsync(owner, port, epoch, protocols[i], cancellationToken).ConfigureAwait(false);
                registered = i == 0 ? entry.Epoch : registered;
            }
            catch (PortRefusedException) when (i > 0)
            {
                await client.ReleaseAsync(owner, port, epoch, protocols[0], cancellationToken).ConfigureAwait(false);
                throw;
            }
        }

        return registered;
    }

    private async Task KeepAsync()
    {
        try
        {
            while (true)
            {
                await _client.Ended.WaitAsync(_leaving.Token).ConfigureAwait(false);
                Log.DaemonLost(_settings.Logger, _settings.Endpoint, _settings.Owner, _port);
                if (!await SignInAgainAsync().ConfigureAwait(false))
                {
                    return;
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The worker goes.
        }
    }

    /// <returns>False when there is nothing left to sign in: a later acquisition has the owner.</returns>
    private async Task<bool> SignInAgainAsync()
    {
        TimeSpan delay = TimeSpan.Zero;
        while (true)
        {
            try
            {
                await _client.DisposeAsync().ConfigureAwait(false);
                _client = await PortmapClient.ConnectAsync(_settings.Endpoint, _leaving.Token).ConfigureAwait(false);
                long epoch = await RegisterAsync(_client, _settings.Owner, _port, Epoch, _protocols, _leaving.Token).ConfigureAwait(false);
                Volatile.Write(ref _epoch, epoch);
                Log.SignedIn(_settings.Logger, _settings.Owner, _port, _settings.Endpoint);
                return true;
            }
            catch (PortRefusedException e)
            {
                Log.SignInRefused(_settings.Logger, _settings.Owner, e.Refusal);
                if (e.Refusal.Reason == PortRefusalReason.Stale)
                {
                    return false;
                }

                delay = Daemon.NextDelay(delay);
            }
            catch (Exception e) when (e is IOException or InvalidDataException)
            {
                delay = Daemon.NextDelay(delay);
                Log.SignInDelayed(_settings.Logger, e, _settings.Owner, delay);
            }

            await Task.Delay(delay, _settings.TimeProvider, _leaving.Token).ConfigureAwait(false);
        }
    }
}
