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
    private long[] _epochs;

    private SignIn(WorkerSettings settings, PortmapClient client, int port, long[] epochs)
    {
        _settings = settings;
        _client = client;
        _port = port;
        _epochs = epochs;
        _protocols = Protocols(settings.Protocol);
        _keeping = KeepAsync();
    }

    /// <summary>The epoch of the claim, of the TCP one when there are two: a lease gives both one, registrations without a lease have their own.</summary>
    public long Epoch => Volatile.Read(ref _epochs)[0];

    /// <summary>Signs in over a connection and takes care of it from then on. On failure the connection is the caller's still.</summary>
    /// <exception cref="PortRefusedException">It was refused; nothing stays registered.</exception>
    public static async Task<SignIn> StartAsync(WorkerSettings settings, PortmapClient client, int port, long epoch, CancellationToken cancellationToken)
    {
        PortProtocol[] protocols = Protocols(settings.Protocol);
        long[] asked = new long[protocols.Length];
        asked.AsSpan().Fill(epoch);
        long[] epochs = await RegisterAsync(client, settings.Owner, port, asked, protocols, cancellationToken).ConfigureAwait(false);
        Log.SignedIn(settings.Logger, settings.Owner, port, settings.Endpoint);
        return new SignIn(settings, client, port, epochs);
    }

    /// <summary>Signs out and closes the connection.</summary>
    public async ValueTask DisposeAsync()
    {
        await _leaving.CancelAsync().ConfigureAwait(false);
        await _keeping.ConfigureAwait(false);
        using var limit = new CancellationTokenSource(s_signOutLimit, _settings.TimeProvider);
        try
        {
            for (int i = 0; i < _protocols.Length; i++)
            {
                await _client.ReleaseAsync(_settings.Owner, _port, _epochs[i], _protocols[i], limit.Token).ConfigureAwait(false);
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
    /// <returns>The epochs of the claims.</returns>
    private static async Task<long[]> RegisterAsync(
        PortmapClient client, string owner, int port, long[] asked, PortProtocol[] protocols, CancellationToken cancellationToken)
    {
        long[] epochs = new long[protocols.Length];
        for (int i = 0; i < protocols.Length; i++)
        {
            try
            {
                PortEntry entry = await client.RegisterAsync(owner, port, asked[i], protocols[i], cancellationToken).ConfigureAwait(false);
                epochs[i] = entry.Epoch;
            }
            catch (PortRefusedException) when (i > 0)
            {
                await client.ReleaseAsync(owner, port, epochs[0], protocols[0], cancellationToken).ConfigureAwait(false);
                throw;
            }
        }

        return epochs;
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
                    return false;
                }

                delay = Daemon.NextDelay(delay);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                // Whatever it is: a worker that gave up here would serve for ever without being found.
                delay = Daemon.NextDelay(delay);
                Log.SignInDelayed(_settings.Logger, e, _settings.Owner, delay);
            }

            await Task.Delay(delay, _settings.TimeProvider, _leaving.Token).ConfigureAwait(false);
        }
    }
}
