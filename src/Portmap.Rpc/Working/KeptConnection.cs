namespace Portmap.Rpc.Working;

/// <summary>
/// The connection of a worker that has signed out, kept open for the next port of this process.
/// </summary>
/// <remarks>
/// <code>
///   _kept: null ──Keep──► connection ──Take──► null         the next worker's, if it asks for the same daemon in the same way
///                              └──── time ────► null         closed
/// </code>
/// One at most: another one that is kept takes its place. Nothing is registered over it. Safe for
/// any thread.
/// </remarks>
internal sealed class KeptConnection : IDisposable
{
    private static KeptConnection? s_kept;

    private readonly PortmapClient _client;
    private readonly WorkerSettings _settings;
    private ITimer? _timer;

    private KeptConnection(PortmapClient client, WorkerSettings settings)
    {
        _client = client;
        _settings = settings;
    }

    /// <summary>Keeps a connection for as long as the settings say, or closes it.</summary>
    public static async ValueTask KeepOrCloseAsync(PortmapClient client, WorkerSettings settings)
    {
        if (settings.KeepConnection == TimeSpan.Zero || client.Ended.IsCompleted)
        {
            await client.DisposeAsync().ConfigureAwait(false);
            return;
        }

        KeptConnection kept = new(client, settings);
        kept._timer = settings.TimeProvider.CreateTimer(static state => ((KeptConnection)state!).Close(), kept, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        KeptConnection? other = Interlocked.Exchange(ref s_kept, kept);
        kept._timer.Change(settings.KeepConnection, Timeout.InfiniteTimeSpan);   // not before: what is not kept yet is not closed
        if (other is not null)
        {
            other.Dispose();
            await other._client.DisposeAsync().ConfigureAwait(false);
        }
    }

    /// <summary>The connection that is kept, if it leads where these settings say; null when there
    /// is none.</summary>
    public static async ValueTask<PortmapClient?> TakeAsync(WorkerSettings settings)
    {
        if (Volatile.Read(ref s_kept) is not { } kept || !kept.Suits(settings) || Interlocked.CompareExchange(ref s_kept, null, kept) != kept)
        {
            return null;
        }

        kept.Dispose();
        if (!kept._client.Ended.IsCompleted)
        {
            return kept._client;
        }

        await kept._client.DisposeAsync().ConfigureAwait(false);
        return null;
    }

    public void Dispose() => _timer?.Dispose();

    private bool Suits(WorkerSettings settings) =>
        settings.Endpoint == _settings.Endpoint && settings.CallTimeout == _settings.CallTimeout && ReferenceEquals(settings.TimeProvider, _settings.TimeProvider);

    private void Close()
    {
        if (Interlocked.CompareExchange(ref s_kept, null, this) == this)
        {
            Dispose();
            _ = _client.DisposeAsync().AsTask();
        }
    }
}
