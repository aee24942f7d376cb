using System.Runtime.CompilerServices;

namespace Portmap.Rpc.Calling;

/// <summary>Follows a daemon's map over a connection of its own, and over the next one when that breaks.</summary>
/// <param name="connect">Connects once.</param>
/// <param name="snapshots">Whether the reader wants the map where there is no going on without a gap.</param>
/// <param name="closed">Fires when whoever watches closes its client.</param>
internal sealed class MapWatch(Func<CancellationToken, Task<PortmapClient>> connect, bool snapshots, CancellationToken closed)
{
    public async IAsyncEnumerable<PortUpdate> ReadAsync(long? afterRevision, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, closed);
        PortmapClient? client = null;
        long? revision = afterRevision;
        TimeSpan delay = TimeSpan.Zero;
        try
        {
            while (true)
            {
                PortUpdate? update = null;
                try
                {
                    client ??= await connect(ended.Token).ConfigureAwait(false);
                    update = await NextAsync(client, revision, ended.Token).ConfigureAwait(false);
                    revision = update.Revision;
                    delay = TimeSpan.Zero;
                }
                catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested && closed.IsCancellationRequested)
                {
                    yield break;
                }
                catch (Exception e) when (e is IOException or PortRefusedException { Refusal.Reason: PortRefusalReason.RevisionTooOld })
                {
                    // The daemon restarts, or somebody else's listings had ours dropped: again, but not without a pause.
                    if (client is not null && e is IOException)
                    {
                        await client.DisposeAsync().ConfigureAwait(false);
                        client = null;
                    }

                    delay = Connection.NextDelay(delay);
                }

                if (update is not null)
                {
                    yield return update;
                }
                else
                {
                    await Task.Delay(delay, TimeProvider.System, ended.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                }
            }
        }
        finally
        {
            if (client is not null)
            {
                await client.DisposeAsync().ConfigureAwait(false);
            }
        }
    }

    private async Task<PortUpdate> NextAsync(PortmapClient client, long? after, CancellationToken cancellationToken)
    {
        try
        {
            while (after >= 0)
            {
                PortUpdate update = await client.WaitForChangeAsync(after.Value, cancellationToken).ConfigureAwait(false);
                if (!update.Changes.IsEmpty)
                {
                    return update;
                }
            }
        }
        catch (PortRefusedException e) when (e.Refusal.Reason == PortRefusalReason.RevisionTooOld)
        {
            // "List again": we fell behind, or this is another run of the daemon.
        }

        return snapshots
            ? new PortUpdate(await client.SnapshotAsync(cancellationToken).ConfigureAwait(false))
            : await client.WaitForChangeAsync(after: -1, cancellationToken).ConfigureAwait(false);
    }
}
