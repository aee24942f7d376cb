using System.Collections.Immutable;
using System.Runtime.CompilerServices;


namespace Portmap.Rpc.Calling;

/// <summary>Follows a daemon's map over a connection of its own, and over the next one when that breaks.</summary>
/// <param name="connect">Connects once.</param>
/// <param name="closed">Fires when whoever watches closes its client.</param>
internal sealed class MapWatch(Func<CancellationToken, Task<PortmapClient>> connect, CancellationToken closed)
{
    public async IAsyncEnumerable<PortmapUpdate> ReadAsync(long afterRevision, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, closed);
        PortmapClient? client = null;
        long revision = afterRevision;
        TimeSpan delay = TimeSpan.Zero;
        try
        {
            while (true)
            {
                IReadOnlyList<PortmapUpdate>? updates = null;
                try
                {
                    client ??= await connect(ended.Token).ConfigureAwait(false);
                    (revision, updates) = await NextAsync(client, revision, ended.Token).ConfigureAwait(false);
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

                foreach (PortmapUpdate update in updates ?? [])
                {
                    yield return update;
                }

                if (updates is null)
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

    private static async Task<(long Revision, IReadOnlyList<PortmapUpdate> Updates)> NextAsync(PortmapClient client, long after, CancellationToken cancellationToken)
    {
        if (after >= 0)
        {
            try
            {
                (long revision, List<PortChange> changes) = await client.WaitForChangeAsync(after, cancellationToken).ConfigureAwait(false);
                return (revision, changes.ConvertAll(static change => new PortmapUpdate(change)));
            }
            catch (PortRefusedException e) when (e.Refusal.Reason == PortRefusalReason.RevisionTooOld)
            {
                // "List again": we fell behind, or this is another run of the daemon.
            }
        }

        (ImmutableArray<PortEntry> entries, long current) = await client.ListAsync(cancellationToken).ConfigureAwait(false);
        return (current, [new PortmapUpdate(current, entries)]);
    }
}
