using System.Globalization;

namespace Portmap.Rpc.Working;

/// <summary>How a worker reaches its daemon.</summary>
internal static class Daemon
{
    private static readonly TimeSpan s_firstDelay = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan s_longestDelay = TimeSpan.FromSeconds(1);

    /// <summary>The wait before the next attempt: 50 ms, doubled up to 1 s.</summary>
    public static TimeSpan NextDelay(TimeSpan delay) =>
        delay == TimeSpan.Zero ? s_firstDelay : delay * 2 < s_longestDelay ? delay * 2 : s_longestDelay;

    /// <summary>Connects, trying again for as long as the settings say.</summary>
    /// <exception cref="PortmapUnreachableException">Nobody answered; it names the endpoint, the attempts and what to do.</exception>
    public static async Task<PortmapClient> ConnectAsync(WorkerSettings settings, CancellationToken cancellationToken)
    {
        long start = settings.TimeProvider.GetTimestamp();
        TimeSpan delay = TimeSpan.Zero;
        for (int attempts = 1; ; attempts++)
        {
            try
            {
                return await PortmapClient.ConnectAsync(settings.Endpoint, cancellationToken).ConfigureAwait(false);
            }
            catch (PortmapUnreachableException e)
            {
                delay = NextDelay(delay);
                TimeSpan elapsed = settings.TimeProvider.GetElapsedTime(start);
                if (elapsed + delay > settings.ConnectTimeout)
                {
                    throw new PortmapUnreachableException(settings.Endpoint, Text(settings, e, attempts, elapsed), e.InnerException);
                }
            }

            await Task.Delay(delay, settings.TimeProvider, cancellationToken).ConfigureAwait(false);
        }
    }

    private static string Text(WorkerSettings settings, PortmapUnreachableException e, int attempts, TimeSpan elapsed) => string.Create(
        CultureInfo.InvariantCulture,
        $"No daemon answers at {settings.Endpoint}, so '{settings.Owner}' cannot sign in: {e.InnerException?.Message} ({attempts} attempts in {elapsed.TotalSeconds:0.0} s, ConnectTimeout {settings.ConnectTimeout.TotalSeconds:0.0} s). Start the daemon, or set PORTMAP_ENDPOINT to where it listens.");
}
