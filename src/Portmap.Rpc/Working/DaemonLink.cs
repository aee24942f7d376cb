using System.Globalization;
using Portmap.Diagnostics;
using Portmap.Rpc.Calling;

namespace Portmap.Rpc.Working;

/// <summary>
/// A worker's way to its daemon until it has signed in: a connection, and the next one when that
/// breaks.
/// </summary>
/// <remarks>
/// Used by one caller at a time. A call that was lost is made again, so it must do no harm when it
/// is made twice. Nothing is sent before the daemon has answered: it would carry that out whenever
/// it goes on, for a worker that has given up.
/// </remarks>
internal sealed class DaemonLink(WorkerSettings settings) : IAsyncDisposable
{
    /// <summary>
    /// What one attempt may take, however little of the time is left: ConnectTimeout 0 means one
    /// attempt, not none.
    /// </summary>
    private static readonly TimeSpan s_leastAttempt = TimeSpan.FromSeconds(1);

    private PortmapClient? _client;
    private bool _isKept;

    /// <summary>
    /// Makes a call, and connects for it where that is needed, for as long as the settings say.
    /// </summary>
    /// <exception cref="PortmapUnreachableException">No daemon answered; it names the endpoint, the
    /// attempts and what to do.</exception>
    /// <exception cref="PortRefusedException">The daemon refused.</exception>
    public async Task<T> CallAsync<T>(Func<PortmapClient, CancellationToken, Task<T>> call, CancellationToken cancellationToken)
    {
        long start = settings.TimeProvider.GetTimestamp();
        TimeSpan delay = TimeSpan.Zero;
        for (int attempts = 1; ; attempts++)
        {
            TimeSpan left = settings.ConnectTimeout - settings.TimeProvider.GetElapsedTime(start);
            try
            {
                if (_client is null && attempts == 1)
                {
                    _client = await KeptConnection.TakeAsync(settings).ConfigureAwait(false);
                    _isKept = _client is not null;
                }

                TimeSpan within = left > s_leastAttempt ? left : s_leastAttempt;
                if (_isKept && _client is { } kept)
                {
                    await DemandAnswerAsync(kept, within, cancellationToken).ConfigureAwait(false);
                    _isKept = false;   // as good as a new one
                }

                _client ??= await PortmapClient.ConnectAsync(settings.Endpoint, settings.ClientOptions(within), cancellationToken).ConfigureAwait(false);
                return await call(_client, cancellationToken).ConfigureAwait(false);
            }
            catch (Exception e) when (e is IOException or InvalidDataException)
            {
                if (!IsLate(e))
                {
                    await DisposeAsync().ConfigureAwait(false);
                }

                if (_isKept)
                {
                    _isKept = false;   // it is an old one's: the daemon may have gone long ago, and come back
                    continue;
                }

                delay = Connection.NextDelay(delay);
                TimeSpan elapsed = settings.TimeProvider.GetElapsedTime(start);
                if (elapsed + delay > settings.ConnectTimeout || Root(e) is InvalidDataException)
                {
                    throw new PortmapUnreachableException(settings.Endpoint, Text(e, attempts, elapsed), e.InnerException ?? e);
                }
            }

            await Task.Delay(delay, settings.TimeProvider, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>
    /// As for a new connection: the daemon has to answer within the time that is left before it
    /// counts as one that serves.
    /// </summary>
    /// <exception cref="IOException">It did not answer.</exception>
    private async Task DemandAnswerAsync(PortmapClient client, TimeSpan within, CancellationToken cancellationToken)
    {
        using CancellationTokenSource limit = new(within, settings.TimeProvider);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            await client.Caller.FirstPingAsync(either.Token).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            cancellationToken.ThrowIfCancellationRequested();
            throw new IOException("The connection that was kept is of no use any more.", e);
        }
    }

    /// <summary>The connection over which the last call was made, as long as it stands: what is asked
    /// over it now comes after that call, answered or not.</summary>
    public PortmapClient? Connected => _client;

    /// <summary>Hands the connection over to whoever keeps the worker signed in.</summary>
    public PortmapClient Take()
    {
        PortmapClient client = _client!;
        _client = null;
        return client;
    }

    public async ValueTask DisposeAsync()
    {
        if (_client is { } client)
        {
            _client = null;
            await client.DisposeAsync().ConfigureAwait(false);
        }
    }

    // Whoever asks once more does so over the same connection: over another one the first call might
    // be carried out after the second.
    private bool IsLate(Exception e) => _client is not null && e is PortmapUnreachableException;

    // A program that speaks something else will not become a daemon while we wait.
    private static Exception Root(Exception e) => e is PortmapUnreachableException { InnerException: { } inner } ? inner : e;

    private string Text(Exception e, int attempts, TimeSpan elapsed)
    {
        string what = e is PortmapUnreachableException or CallFailedException
            ? e.Message
            : Connection.Told($"The daemon at {settings.Endpoint} was lost: {Connection.Complaint(e, settings.Endpoint)}", "Start the daemon");
        return string.Create(
            CultureInfo.InvariantCulture,
            $"'{Printable.Of(settings.Owner)}' cannot sign in. {what} ({attempts} attempts in {elapsed.TotalSeconds:0.0} s, ConnectTimeout {settings.ConnectTimeout.TotalSeconds:0.0} s.)");
    }
}
