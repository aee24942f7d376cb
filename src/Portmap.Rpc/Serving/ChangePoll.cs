using Portmap.Rpc.Protocol;
using Portmap.Rpc.Xdr;

namespace Portmap.Rpc.Serving;

/// <summary>
/// One long poll: waits for the first change after a revision, then writes it with all that
/// followed it meanwhile.
/// </summary>
/// <remarks>
/// It holds one change at most until its answer is written, however long that takes: what a reader
/// has missed stands in the registry's ring, which serves all readers and makes those that fall
/// behind list again.
/// </remarks>
internal sealed class ChangePoll(PortRegistry registry, TimeProvider timeProvider, long after, TimeSpan wait, int pageBytes) : IAsyncDisposable
{
    private CancellationTokenSource? _time;
    private CancellationTokenSource? _until;
    private IAsyncEnumerator<PortChange>? _changes;
    private PortRefusal? _refusal;
    private bool _hasChange;
    private long _revision = after;

    /// <summary>
    /// Completes when there is something to answer: a change, a refusal, or that the time is up.
    /// </summary>
    public async Task WaitAsync(CancellationToken ended)
    {
        // Without any wait the answer is what is there already; a timer that is over at once would
        // hide it.
        _time = new CancellationTokenSource(wait > TimeSpan.Zero ? wait : Timeout.InfiniteTimeSpan, timeProvider);
        _until = CancellationTokenSource.CreateLinkedTokenSource(ended, _time.Token);
        try
        {
            // "From now on" needs a number to go on from, even if nothing happens until the time is
            // up.
            IAsyncEnumerable<PortChange> changes = _revision < 0 ? registry.Watch(out _revision, _until.Token) : registry.Watch(_revision, _until.Token);
            _changes = changes.GetAsyncEnumerator(_until.Token);
            _hasChange = await MoveNextAsync(isWaiting: wait > TimeSpan.Zero).ConfigureAwait(false);
            if (!_hasChange && wait > TimeSpan.Zero)
            {
                // The registry was disposed before its server, and nothing will change any more. An
                // answer at once would be asked for again at once, for ever.
                await Task.Delay(Timeout.InfiniteTimeSpan, timeProvider, _until.Token).ConfigureAwait(false);
            }
        }
        catch (PortRefusedException e)
        {
            // The reader is too far behind, or its revision is of an earlier run: "list again".
            _refusal = e.Refusal;
        }
        catch (OperationCanceledException) when (!ended.IsCancellationRequested)
        {
            // The time is up, or without a wait there was nothing.
        }
    }

    /// <summary>Writes the answer.</summary>
    public async Task WriteAsync(XdrWriter writer)
    {
        int start = writer.Count;
        try
        {
            if (_refusal is null)
            {
                await WriteChangesAsync(writer).ConfigureAwait(false);
                return;
            }
        }
        catch (PortRefusedException e)
        {
            // It fell behind while it wrote; what it has written would leave no gap, but this
            // answer is the simpler one.
            _refusal = e.Refusal;
        }

        writer.Truncate(start);
        writer.WriteInt32(PortmapProcedure.Refused);
        PortmapXdr.WriteRefusal(writer, _refusal, pageBytes);
    }

    public async ValueTask DisposeAsync()
    {
        if (_changes is not null)
        {
            await _changes.DisposeAsync().ConfigureAwait(false);
        }

        _until?.Dispose();
        _time?.Dispose();
    }

    private async Task WriteChangesAsync(XdrWriter writer)
    {
        writer.WriteInt32(PortmapProcedure.Ok);
        int revisionAt = writer.Count;
        writer.WriteInt64(_revision);
        int countAt = writer.Count;
        writer.WriteInt32(0);
        uint count = 0;
        try
        {
            while (_hasChange)
            {
                PortChange change = _changes!.Current;
                _revision = change.Revision;
                PortmapXdr.WriteChange(writer, change);
                count++;
                _hasChange = writer.Count - countAt < pageBytes && await MoveNextAsync(isWaiting: false).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException)
        {
            // What is there is enough; what comes now is for the next poll.
        }

        writer.PatchUInt32(revisionAt, (uint)(_revision >> 32));
        writer.PatchUInt32(revisionAt + 4, (uint)_revision);
        writer.PatchUInt32(countAt, count);
    }

    private async ValueTask<bool> MoveNextAsync(bool isWaiting)
    {
        ValueTask<bool> next = _changes!.MoveNextAsync();
        if (!isWaiting && !next.IsCompleted)
        {
            await _until!.CancelAsync().ConfigureAwait(false);
        }

        return await next.ConfigureAwait(false);
    }
}
