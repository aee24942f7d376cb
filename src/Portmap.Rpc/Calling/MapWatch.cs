using System.Runtime.CompilerServices;

namespace Portmap.Rpc.Calling;

/// <summary>
/// Follows a daemon's map over a connection of its own, and over the next one when that breaks.
/// </summary>
/// <param name="connect">Connects once.</param>
/// <param name="snapshots">Whether the reader wants the map where there is no going on without a
/// gap.</param>
/// <param name="closed">Fires when whoever watches closes its client.</param>
internal sealed class MapWatch(Func<CancellationToken, Task<RpcCaller>> connect, bool snapshots, CancellationToken closed)
{
    /// <summary>A poll without a change that took less was not waited for by the daemon.</summary>
    private static readonly TimeSpan s_soon = TimeSpan.FromSeconds(1);

    private readonly Random _jitter = new();

    public async IAsyncEnumerable<PortUpdate> ReadAsync(long? afterRevision, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, closed);
        RpcCaller? caller = null;
        long? revision = afterRevision;
        TimeSpan delay = TimeSpan.Zero;
        try
        {
            while (true)
            {
                PortUpdate? update = null;
                try
                {
                    caller ??= await connect(ended.Token).ConfigureAwait(false);
                    update = await NextAsync(caller, revision, ended.Token).ConfigureAwait(false);
                    revision = update.Revision;
                    delay = TimeSpan.Zero;
                }
                catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested && closed.IsCancellationRequested)
                {
                    yield break;
                }
                catch (Exception e) when (e is IOException or PortRefusedException { Refusal.Reason: PortRefusalReason.RevisionTooOld })
                {
                    // The daemon restarts, or somebody else's listings had ours dropped: again, but
                    // not without a pause.
                    if (caller is not null && e is IOException)
                    {
                        await caller.DisposeAsync().ConfigureAwait(false);
                        caller = null;
                    }

                    delay = Connection.NextDelay(delay);
                }

                if (update is not null)
                {
                    yield return update;
                }
                else
                {
                    await Task.Delay(Connection.Spread(delay, _jitter), TimeProvider.System, ended.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                }
            }
        }
        finally
        {
            if (caller is not null)
            {
                await caller.DisposeAsync().ConfigureAwait(false);
            }
        }
    }

    private async Task<PortUpdate> NextAsync(RpcCaller caller, long? after, CancellationToken cancellationToken)
    {
        try
        {
            TimeSpan rest = TimeSpan.Zero;
            while (after >= 0)
            {
                long began = TimeProvider.System.GetTimestamp();
                PortUpdate update = await MapCalls.WaitForChangeAsync(caller, after.Value, cancellationToken).ConfigureAwait(false);
                if (!update.Changes.IsEmpty)
                {
                    return update;
                }

                // A daemon may let nobody wait for long (MaxWait): then the wait is ours.
                rest = TimeProvider.System.GetElapsedTime(began) < s_soon ? Connection.NextDelay(rest) : TimeSpan.Zero;
                await Task.Delay(rest, TimeProvider.System, cancellationToken).ConfigureAwait(false);
            }
        }
        catch (PortRefusedException e) when (e.Refusal.Reason == PortRefusalReason.RevisionTooOld)
        {
            // "List again": we fell behind, or this is another run of the daemon.
        }

        return snapshots
            ? new PortUpdate(await MapCalls.SnapshotAsync(caller, cancellationToken).ConfigureAwait(false))
            : await MapCalls.WaitForChangeAsync(caller, after: -1, cancellationToken).ConfigureAwait(false);
    }
}
