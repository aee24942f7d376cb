using Portmap.Rpc;

namespace Portmap.Tool.Verbs;

/// <summary>Says on standard error when the daemon of a watch goes, and when it is back.</summary>
/// <remarks>A watch itself takes no notice: it goes on as soon as it can.</remarks>
/// <param name="run">The run.</param>
/// <param name="first">A connection of its own to the daemon, which its owner disposes.</param>
internal sealed class DaemonPresence(Invocation run, PortmapClient first)
{
    /// <summary>How often the daemon is asked whether it answers.</summary>
    private static readonly TimeSpan s_look = TimeSpan.FromSeconds(1);

    /// <summary>The wait between two attempts to connect.</summary>
    private static readonly TimeSpan s_again = TimeSpan.FromMilliseconds(200);

    private int _isAway;   // set by the loop, cleared by whoever sees the daemon first

    /// <summary>Looks until the token fires.</summary>
    public async Task TellAsync(CancellationToken end)
    {
        PortmapClient? client = first;
        try
        {
            while (!end.IsCancellationRequested)
            {
                if (client is null)
                {
                    client = await TryConnectAsync(end);
                    await PauseAsync(client is null ? s_again : TimeSpan.Zero, end);
                }
                else if (await ComplaintAsync(client, end) is { } complaint)
                {
                    Volatile.Write(ref _isAway, 1);   // TellBack of another thread clears it
                    Invocation.Complain($"the daemon at {first.Endpoint} {complaint}; waiting for it");
                    await DropAsync(client);
                    client = null;
                }
                else if (!end.IsCancellationRequested)
                {
                    TellBack();
                    await PauseAsync(s_look, end);
                }
            }
        }
        finally
        {
            await DropAsync(client);
        }
    }

    /// <summary>The daemon was seen. Said once for each time that it was away.</summary>
    public void TellBack()
    {
        if (Interlocked.Exchange(ref _isAway, 0) == 1)
        {
            Invocation.Complain($"the daemon at {first.Endpoint} is back; the map follows");
        }
    }

    /// <returns>What is wrong; null when it answers.</returns>
    private static async Task<string?> ComplaintAsync(PortmapClient client, CancellationToken end)
    {
        try
        {
            await client.PingAsync(end);
            return null;
        }
        catch (PortmapUnreachableException exception) when (exception.InnerException is TimeoutException)
        {
            return "does not answer";
        }
        catch (IOException)
        {
            return "is gone";
        }
        catch (InvalidDataException)
        {
            return "gives no answer that can be read";
        }
        catch (OperationCanceledException)
        {
            return null;   // so does the loop end
        }
    }

    private async Task<PortmapClient?> TryConnectAsync(CancellationToken end)
    {
        try
        {
            return await run.ConnectQuietlyAsync(first.Endpoint, end);
        }
        catch (Exception exception) when (NoAnswer.Is(exception) || exception is OperationCanceledException)
        {
            return null;
        }
    }

    private async Task PauseAsync(TimeSpan time, CancellationToken end) =>
        await Task.Delay(time, run.Time, end).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

    /// <summary>The first one is the watch's too, which would end with it.</summary>
    private async Task DropAsync(PortmapClient? client)
    {
        if (client is not null && client != first)
        {
            await client.DisposeAsync();
        }
    }
}
