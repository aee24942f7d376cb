using System.Globalization;
using Portmap.Rpc.Protocol;
using Portmap.Rpc.Xdr;

namespace Portmap.Rpc.Programs;

/// <summary>One long poll: waits for the first change after a revision, then writes it with all that followed it meanwhile.</summary>
/// <remarks>It holds no change until its answer is written, however long that takes: what a reader has missed stands in
/// the registry's ring, which serves all readers and makes those that fall behind list again.</remarks>
internal sealed class ChangePoll(PortRegistry registry, TimeProvider timeProvider, long after, TimeSpan wait, int pageBytes)
{
    private long _revision = after;

    /// <summary>Completes when there is something to answer: a change, a refusal, or that the time is up.</summary>
    public async Task WaitAsync(CancellationToken ended)
    {
        if (_revision < 0)
        {
            _revision = await RevisionAsync(registry).ConfigureAwait(false);   // "from now on" needs a number to go on from, even if nothing happens
        }

        if (wait <= TimeSpan.Zero)
        {
            return;   // without any wait the answer is what is there already
        }

        using CancellationTokenSource time = new(wait, timeProvider);
        using var until = CancellationTokenSource.CreateLinkedTokenSource(ended, time.Token);
        try
        {
            await foreach (PortUpdate _ in Watch(until.Token).ConfigureAwait(false))
            {
                return;
            }

            // The registry was disposed before its server, and nothing will change any more. An answer at once would be asked for again at once, for ever.
            await Task.Delay(Timeout.InfiniteTimeSpan, timeProvider, until.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!ended.IsCancellationRequested)
        {
            // The time is up.
        }
    }

    /// <summary>Writes the answer: what there is now, as much as a page holds.</summary>
    public async Task WriteAsync(XdrWriter writer)
    {
        int start = writer.Count;
        writer.WriteInt32(PortmapProcedure.Ok);
        int revisionAt = writer.Count;
        writer.WriteInt64(_revision);
        int countAt = writer.Count;
        writer.WriteInt32(0);
        uint count = 0;
        IAsyncEnumerator<PortUpdate> updates = Watch(CancellationToken.None).GetAsyncEnumerator(CancellationToken.None);
        await using var _ = updates.ConfigureAwait(false);
        while (writer.Count - countAt < pageBytes)
        {
            Task<bool> next = updates.MoveNextAsync().AsTask();
            if (!next.IsCompleted || !await next.ConfigureAwait(false))
            {
                break;   // what comes now is for the next poll; the wait for it ends with the enumerator
            }

            if (updates.Current.Changes.IsEmpty)
            {
                if (count > 0)
                {
                    break;   // it fell behind while it wrote: what it has written leaves no gap, and the next poll is told
                }

                writer.Truncate(start);
                writer.WriteInt32(PortmapProcedure.Refused);
                PortmapXdr.WriteRefusal(writer, TooOld(), pageBytes);
                return;
            }

            foreach (PortChange change in updates.Current.Changes)
            {
                if (writer.Count - countAt >= pageBytes)
                {
                    break;
                }

                PortmapXdr.WriteChange(writer, change);
                _revision = change.Revision;
                count++;
            }
        }

        writer.PatchUInt32(revisionAt, (uint)(_revision >> 32));
        writer.PatchUInt32(revisionAt + 4, (uint)_revision);
        writer.PatchUInt32(countAt, count);
    }

    /// <summary>The revision of now; it is there at once.</summary>
    public static async ValueTask<long> RevisionAsync(PortRegistry registry)
    {
        await foreach (PortUpdate now in registry.WatchAsync(snapshots: false).ConfigureAwait(false))
        {
            return now.Revision;
        }

        throw new InvalidOperationException("A watch begins with an update, also of a registry that is disposed.");
    }

    private IAsyncEnumerable<PortUpdate> Watch(CancellationToken cancellationToken) => registry.WatchAsync(_revision, snapshots: false, cancellationToken);

    private PortRefusal TooOld() => new(
        PortRefusalReason.RevisionTooOld,
        string.Create(CultureInfo.InvariantCulture, $"The changes after revision {_revision} are not kept any more, or it is of an earlier run. List again, and go on from the revision of the list."));
}
