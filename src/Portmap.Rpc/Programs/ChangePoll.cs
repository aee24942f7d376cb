using Portmap.Rpc.Protocol;
using Portmap.Rpc.Xdr;

namespace Portmap.Rpc.Programs;

/// <summary>One long poll: waits for the first change after a revision and answers it with all that followed it meanwhile.</summary>
internal sealed class ChangePoll(PortRegistry registry, TimeProvider timeProvider, long after, TimeSpan wait, int pageBytes)
{
    public async Task AnswerAsync(XdrWriter writer, CancellationToken ended)
    {
        int start = writer.Count;
        try
        {
            await WriteChangesAsync(writer, ended).ConfigureAwait(false);
        }
        catch (PortRefusedException e)
        {
            // The reader is too far behind, or its revision is of an earlier run: "list again".
            writer.Truncate(start);
            writer.WriteInt32(PortmapProcedure.Refused);
            PortmapXdr.WriteRefusal(writer, e.Refusal);
        }
    }

    private async Task WriteChangesAsync(XdrWriter writer, CancellationToken ended)
    {
        long revision = after;
        if (revision < 0)
        {
            // "From now on" needs a number to go on from, even if nothing happens until the time is up.
            registry.Snapshot(out revision);
        }

        writer.WriteInt32(PortmapProcedure.Ok);
        int revisionAt = writer.Count;
        writer.WriteInt64(revision);
        int countAt = writer.Count;
        writer.WriteInt32(0);
        uint count = 0;

        // Without any wait the answer is what is there already; a timer that is over at once would hide it.
        bool isWaiting = wait > TimeSpan.Zero;
        using var time = new CancellationTokenSource(isWaiting ? wait : Timeout.InfiniteTimeSpan, timeProvider);
        using var until = CancellationTokenSource.CreateLinkedTokenSource(ended, time.Token);
        IAsyncEnumerator<PortChange> changes = registry.Watch(revision, until.Token).GetAsyncEnumerator(until.Token);
        await using (changes.ConfigureAwait(false))
        {
            try
            {
                while (writer.Count - countAt < pageBytes)
                {
                    ValueTask<bool> next = changes.MoveNextAsync();
                    if ((count > 0 || !isWaiting) && !next.IsCompleted)
                    {
                        // What is there is enough; the one that is waited for now comes with the next poll.
                        await until.CancelAsync().ConfigureAwait(false);
                    }

                    if (!await next.ConfigureAwait(false))
                    {
                        break;
                    }

                    revision = changes.Current.Revision;
                    PortmapXdr.WriteChange(writer, changes.Current);
                    count++;
                }
            }
            catch (OperationCanceledException) when (!ended.IsCancellationRequested)
            {
                // The time is up, or there was enough.
            }
        }

        writer.PatchUInt32(revisionAt, (uint)(revision >> 32));
        writer.PatchUInt32(revisionAt + 4, (uint)revision);
        writer.PatchUInt32(countAt, count);
    }
}
