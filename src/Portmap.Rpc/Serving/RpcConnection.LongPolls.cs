using System.Net.Sockets;
using Portmap.Rpc.Diagnostics;
using Portmap.Rpc.Programs;
using Portmap.Rpc.Protocol;
using Portmap.Rpc.Xdr;

namespace Portmap.Rpc.Serving;

/// <content>Calls that are answered later, beside the loop.</content>
internal sealed partial class RpcConnection
{
    /// <summary>Runs a long poll beside the loop and answers the call when it is done.</summary>
    /// <returns>False when as many as the limit says wait already.</returns>
    public bool TryDefer(RpcCall call, ChangePoll poll)
    {
        if (Interlocked.Increment(ref _pending) > _context.Limits.PendingRequests)
        {
            Interlocked.Decrement(ref _pending);
            return false;
        }

        // What was begun for the call must not be part of the next flush.
        call.IsDeferred = true;
        _out.Truncate(call.ReplyStart);
        _ = AnswerLaterAsync(call.Xid, poll);
        return true;
    }

    private async Task AnswerLaterAsync(uint xid, ChangePoll poll)
    {
        try
        {
            Exception? failure = null;
            try
            {
                await poll.WaitAsync(_ended.Token).ConfigureAwait(false);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                failure = e;
            }

            await _gate.WaitAsync(_ended.Token).ConfigureAwait(false);
            try
            {
                await WriteAnswerAsync(xid, poll, failure).ConfigureAwait(false);
            }
            finally
            {
                _gate.Release();
            }
        }
        catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException or OperationCanceledException)
        {
            // Nobody is there to be answered. The loop learns the same from its own read or write.
            Log.ConnectionBroke(_context.Logger, Peer.Name, e.Message);
        }
        finally
        {
            Interlocked.Decrement(ref _pending);
        }
    }

    private async Task WriteAnswerAsync(uint xid, ChangePoll poll, Exception? failure)
    {
        var writer = new XdrWriter();
        int start = RpcMessage.BeginReply(writer, xid, AcceptStatus.Success);
        try
        {
            if (failure is null)
            {
                await poll.WriteAsync(writer).ConfigureAwait(false);
                writer.EndRecord(start);
            }
        }
        catch (Exception e)
        {
            failure = e;
        }

        if (failure is not null)
        {
            writer.Truncate(start);
            Log.ProgramFailed(_context.Logger, failure, "Portmap", PortmapProcedure.WaitForChange);
            RpcMessage.WriteReply(writer, xid, AcceptStatus.SystemError);
        }

        await WriteAsync(writer).ConfigureAwait(false);
    }
}
