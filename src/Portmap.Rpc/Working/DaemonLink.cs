using System.Globalization;
using Portmap.Diagnostics;
using Portmap.Rpc.Calling;

namespace Portmap.Rpc.Working;

/// <summary>
/// A worker's way to its daemon until it has signed in: a connection, and the next one when that
/// breaks.
/// </summary>
/// <remarks>
/// Used by one caller at a time. A call is made again over the next connection, so it must do no
/// harm when it is made twice.
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

                if (_client is not null)
                {
                    return await (_isKept ? CallOverKeptAsync(_client, call, left, cancellationToken) : call(_client, cancellationToken)).ConfigureAwait(false);
                }

                (_client, Task<T> answer) = await PortmapClient.ConnectAsync(
                    settings.Endpoint, settings.ClientOptions(left > s_leastAttempt ? left : s_leastAttempt), call, cancellationToken).ConfigureAwait(false);
                return await answer.ConfigureAwait(false);
            }
            catch (Exception e) when (e is IOException or InvalidDataException)
            {
                await DisposeAsync().ConfigureAwait(false);
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
    /// As over a new connection: the daemon has to answer within the time that is left before it
    /// counts as one that serves, and the call is behind that on its way already.
    /// </summary>
    /// <exception cref="IOException">It did not answer; the connection is closed.</exception>
    private async Task<T> CallOverKeptAsync<T>(PortmapClient client, Func<PortmapClient, CancellationToken, Task<T>> call, TimeSpan left, CancellationToken cancellationToken)
    {
        using CancellationTokenSource limit = new(left > s_leastAttempt ? left : s_leastAttempt, settings.TimeProvider);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        Task answered = client.PingAsync(either.Token);
        Task<T> answer = call(client, cancellationToken);
        try
        {
            await answered.ConfigureAwait(false);
        }
        catch (Exception e)
        {
            await DisposeAsync().ConfigureAwait(false);
            await ((Task)answer).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);   // it ended with the connection
            cancellationToken.ThrowIfCancellationRequested();
            throw new IOException("The connection that was kept is of no use any more.", e);
        }

        _isKept = false;   // as good as a new one
        return await answer.ConfigureAwait(false);
    }

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
