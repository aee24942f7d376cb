using System.Buffers;
using System.Net.Sockets;
using Portmap.Rpc.Diagnostics;
using Portmap.Rpc.Protocol;
using Portmap.Rpc.Xdr;

namespace Portmap.Rpc.Serving;

/// <summary>One connection from accept to end: reads records, answers each in its turn, and gives the registry's sessions back when it is over.</summary>
/// <remarks>
/// One loop reads and answers, so calls of one connection come one after the other and need no lock. The loop does not read on before its answers
/// are written: a client that reads none is read no more, and costs the kernel's two socket buffers and one of ours. The only thing beside the loop
/// are long polls, which write their answers by themselves; whoever writes holds the gate.
/// </remarks>
internal sealed class RpcConnection : IDisposable
{
    private const int ReadBytes = 4_096;

    /// <summary>Answers are collected up to this and then written, even if more calls have been read already.</summary>
    private const int WriteBytes = 32_768;

    private readonly ServerContext _context;
    private readonly Stream _stream;
    private readonly CancellationTokenSource _ended;
    private readonly SemaphoreSlim _gate = new(1, 1);
    private readonly SemaphoreSlim _waits;
    private readonly XdrWriter _out = new();
    private readonly RpcCall _call;

    public RpcConnection(ServerContext context, Stream stream, Peer peer, CancellationToken stopping)
    {
        _context = context;
        _stream = stream;
        Peer = peer;
        Sessions = new ConnectionSessions(context, peer);
        _call = new RpcCall(this, _out);
        _waits = new SemaphoreSlim(context.Limits.PendingRequests);
        _ended = CancellationTokenSource.CreateLinkedTokenSource(stopping);
    }

    public Peer Peer { get; }

    public ConnectionSessions Sessions { get; }

    public IReadOnlyList<IRpcProgram> Programs => _context.Programs.Programs;

    /// <summary>A listing that is being read page by page, and the revision it belongs to.</summary>
    public Listing? Listing { get; set; }

    /// <summary>Serves until the peer leaves, what it says makes no sense, or the server stops. Does not throw.</summary>
    public async Task RunAsync()
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(ReadBytes);
        try
        {
            await ServeAsync(buffer, new RecordAssembler(_context.Limits.RecordBytes)).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException or OperationCanceledException)
        {
            // It vanished, or we are stopping: a brick exits right after it has written its sign-out.
            Log.ConnectionBroke(_context.Logger, Peer.Name, e.Message);
        }
        catch (Exception e)
        {
            Log.ConnectionFailed(_context.Logger, e, Peer.Name);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
            await EndAsync().ConfigureAwait(false);
        }
    }

    /// <summary>To be called after <see cref="RunAsync"/>. The semaphores are left to a long poll that may still be on its way out; they hold nothing.</summary>
    public void Dispose() => _ended.Dispose();

    /// <summary>Runs a long poll beside the loop. When too many run already, the connection is not read until one is answered.</summary>
    /// <param name="call">The call, whose answer is now deferred.</param>
    /// <param name="answer">Writes the results; it is given the token of the connection's end.</param>
    public async ValueTask DeferAsync(RpcCall call, Func<XdrWriter, CancellationToken, Task> answer)
    {
        call.IsDeferred = true;
        uint xid = call.Xid;

        // What was begun for it must not be part of the flush below.
        _out.Truncate(call.ReplyStart);
        if (!_waits.Wait(0, CancellationToken.None))
        {
            await FlushAsync(_out).ConfigureAwait(false);
            await _waits.WaitAsync(_ended.Token).ConfigureAwait(false);
        }

        _ = AnswerLaterAsync(xid, answer);
    }

    private async Task ServeAsync(byte[] buffer, RecordAssembler assembler)
    {
        while (true)
        {
            int count = await _stream.ReadAsync(buffer, _ended.Token).ConfigureAwait(false);
            if (count == 0)
            {
                if (!assembler.IsBetweenRecords)
                {
                    Log.HalfRecord(_context.Logger, Peer.Name);
                }

                return;
            }

            var input = new ArraySegment<byte>(buffer, 0, count);
            RecordStatus status;
            while ((status = assembler.Read(ref input, out ArraySegment<byte> record)) == RecordStatus.Complete)
            {
                ValueTask<bool> answered = AnswerAsync(record);
                bool goOn = answered.IsCompletedSuccessfully ? answered.Result : await answered.ConfigureAwait(false);
                if (!goOn)
                {
                    await FlushAsync(_out).ConfigureAwait(false);
                    return;
                }

                if (_out.Count >= WriteBytes)
                {
                    await FlushAsync(_out).ConfigureAwait(false);
                }
            }

            await FlushAsync(_out).ConfigureAwait(false);
            if (status == RecordStatus.TooLong)
            {
                Log.RecordTooLong(_context.Logger, Peer.Name, _context.Limits.RecordBytes);
                return;
            }
        }
    }

    /// <returns>False when the peer does not speak RPC and the connection is of no use.</returns>
    private ValueTask<bool> AnswerAsync(ArraySegment<byte> record)
    {
        var reader = new XdrReader(record);
        switch (CallHeader.Read(ref reader, out CallHeader header))
        {
            case CallStatus.Call:
                return DispatchAsync(header, reader);
            case CallStatus.RpcMismatch:
                RpcMessage.WriteRpcMismatch(_out, header.Xid);
                break;
            case CallStatus.BadCredential:
                RpcMessage.WriteAuthError(_out, header.Xid, RpcMessage.BadCredential);
                break;
            case CallStatus.BadVerifier:
                RpcMessage.WriteAuthError(_out, header.Xid, RpcMessage.BadVerifier);
                break;
            case CallStatus.Garbage:
                RpcMessage.WriteReply(_out, header.Xid, AcceptStatus.GarbageArguments);
                break;
            default:
                Log.NotACall(_context.Logger, Peer.Name, record.Count);
                return ValueTask.FromResult(false);
        }

        return ValueTask.FromResult(true);
    }

    private ValueTask<bool> DispatchAsync(in CallHeader header, XdrReader arguments)
    {
        IRpcProgram? program = _context.Programs.Find(header.Program, header.Version, out uint low, out uint high);
        if (program is null)
        {
            if (high == 0)
            {
                RpcMessage.WriteReply(_out, header.Xid, AcceptStatus.ProgramUnavailable);
            }
            else
            {
                RpcMessage.WriteProgramMismatch(_out, header.Xid, low, high);
            }

            return ValueTask.FromResult(true);
        }

        int start = RpcMessage.BeginReply(_out, header.Xid, AcceptStatus.Success);
        _call.Begin(header, arguments, start);
        if (header.Procedure == 0)
        {
            _out.EndRecord(start);
            return ValueTask.FromResult(true);
        }

        try
        {
            ValueTask<bool> invoked = program.InvokeAsync(_call, _ended.Token);
            if (!invoked.IsCompletedSuccessfully)
            {
                return FinishAsync(program, start, invoked);
            }

            Finish(start, invoked.Result);
        }
        catch (Exception e)
        {
            Fail(program, start, e);
        }

        return ValueTask.FromResult(true);
    }

    private async ValueTask<bool> FinishAsync(IRpcProgram program, int start, ValueTask<bool> invoked)
    {
        try
        {
            Finish(start, await invoked.ConfigureAwait(false));
        }
        catch (OperationCanceledException) when (_ended.IsCancellationRequested)
        {
            throw;
        }
        catch (Exception e)
        {
            Fail(program, start, e);
        }

        return true;
    }

    private void Finish(int start, bool isKnown)
    {
        if (_call.IsDeferred)
        {
            return;
        }

        if (isKnown)
        {
            _out.EndRecord(start);
        }
        else
        {
            _out.Truncate(start);
            RpcMessage.WriteReply(_out, _call.Xid, AcceptStatus.ProcedureUnavailable);
        }
    }

    private void Fail(IRpcProgram program, int start, Exception e)
    {
        _out.Truncate(Math.Min(start, _out.Count));
        if (e is InvalidDataException)
        {
            Log.GarbageArguments(_context.Logger, Peer.Name, program.Name, _call.Procedure, e.Message);
            RpcMessage.WriteReply(_out, _call.Xid, AcceptStatus.GarbageArguments);
        }
        else
        {
            Log.ProgramFailed(_context.Logger, e, program.Name, _call.Procedure);
            RpcMessage.WriteReply(_out, _call.Xid, AcceptStatus.SystemError);
        }
    }

    private async Task AnswerLaterAsync(uint xid, Func<XdrWriter, CancellationToken, Task> answer)
    {
        var writer = new XdrWriter();
        try
        {
            int start = RpcMessage.BeginReply(writer, xid, AcceptStatus.Success);
            try
            {
                await answer(writer, _ended.Token).ConfigureAwait(false);
                writer.EndRecord(start);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                writer.Truncate(start);
                Log.ProgramFailed(_context.Logger, e, "wait", 0);
                RpcMessage.WriteReply(writer, xid, AcceptStatus.SystemError);
            }

            _waits.Release();
            await FlushAsync(writer).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException or OperationCanceledException)
        {
            // Nobody is there to be answered. The loop learns the same from its own read or write.
            Log.ConnectionBroke(_context.Logger, Peer.Name, e.Message);
        }
    }

    private async ValueTask FlushAsync(XdrWriter writer)
    {
        if (writer.Count == 0)
        {
            return;
        }

        await _gate.WaitAsync(_ended.Token).ConfigureAwait(false);
        try
        {
            await _stream.WriteAsync(writer.Written, _ended.Token).ConfigureAwait(false);
            writer.Clear();
        }
        finally
        {
            _gate.Release();
        }
    }

    private async ValueTask EndAsync()
    {
        try
        {
            await _ended.CancelAsync().ConfigureAwait(false);
            await Sessions.DisposeAsync().ConfigureAwait(false);
            await _stream.DisposeAsync().ConfigureAwait(false);
        }
        catch (Exception e)
        {
            // The registry is gone before its server, or the stream was closed under it; there is nothing left to end.
            Log.ConnectionFailed(_context.Logger, e, Peer.Name);
        }
    }
}
