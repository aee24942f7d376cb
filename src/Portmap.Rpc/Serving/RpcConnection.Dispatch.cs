using Portmap.Rpc.Diagnostics;
using Portmap.Rpc.Protocol;
using Portmap.Rpc.Xdr;

namespace Portmap.Rpc.Serving;

/// <content>From a record to its answer.</content>
internal sealed partial class RpcConnection
{
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
                _context.LimitLog.NotACall(Peer, record.Count);
                return ValueTask.FromResult(false);
        }

        return ValueTask.FromResult(true);
    }

    private ValueTask<bool> DispatchAsync(in CallHeader header, XdrReader arguments)
    {
        RpcProgram? program = _programs.Find(header.Program, header.Version, out (uint Low, uint High)? versions);
        if (program is null)
        {
            if (versions is { } there)
            {
                RpcMessage.WriteProgramMismatch(_out, header.Xid, there.Low, there.High);
            }
            else
            {
                RpcMessage.WriteReply(_out, header.Xid, AcceptStatus.ProgramUnavailable);
            }

            return ValueTask.FromResult(true);
        }

        int start = RpcMessage.BeginReply(_out, header.Xid, AcceptStatus.Success);
        _call.Begin(header.Xid, header.Procedure, arguments, start);
        _began = _context.Metrics.Begin();
        if (header.Procedure == 0)
        {
            _out.EndRecord(start);
            Count(program, CallOutcome.Answered);
            return ValueTask.FromResult(true);
        }

        try
        {
            ValueTask<bool> invoked = program.InvokeAsync(this, _call, _ended.Token);
            if (!invoked.IsCompletedSuccessfully)
            {
                return FinishAsync(program, start, invoked);
            }

            Finish(program, start, invoked.Result);
        }
        catch (Exception e)
        {
            Fail(program, start, e);
        }

        return ValueTask.FromResult(true);
    }

    private async ValueTask<bool> FinishAsync(RpcProgram program, int start, ValueTask<bool> invoked)
    {
        Volatile.Write(ref _isWorking, true);
        try
        {
            Finish(program, start, await invoked.ConfigureAwait(false));
        }
        catch (OperationCanceledException) when (_ended.IsCancellationRequested)
        {
            throw;
        }
        catch (Exception e)
        {
            Fail(program, start, e);
        }
        finally
        {
            Volatile.Write(ref _isWorking, false);
        }

        return true;
    }

    private void Finish(RpcProgram program, int start, bool isKnown)
    {
        if (_call.IsDeferred)
        {
            Count(program, CallOutcome.Waits);
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

        Count(program, isKnown ? _call.Outcome : CallOutcome.Unavailable);
    }

    // What a peer makes up is no tag: it would have a count of its own for ever.
    private void Count(RpcProgram program, CallOutcome outcome)
    {
        if (_began is not null)
        {
            _context.Metrics.End(_began, program.Name, outcome == CallOutcome.Unavailable ? RpcProgram.UnknownProcedure : program.NameOf(_call.Procedure), outcome);
        }
    }

    private void Fail(RpcProgram program, int start, Exception e)
    {
        _out.Truncate(Math.Min(start, _out.Count));
        if (e is InvalidDataException)
        {
            Log.GarbageArguments(_context.Logger, Peer.Name, program.Name, _call.Procedure, e.Message);
            RpcMessage.WriteReply(_out, _call.Xid, AcceptStatus.GarbageArguments);
            Count(program, CallOutcome.Garbage);
        }
        else
        {
            Count(program, CallOutcome.Failed);
            Log.ProgramFailed(_context.Logger, e, program.Name, _call.Procedure);
            RpcMessage.WriteReply(_out, _call.Xid, AcceptStatus.SystemError);
        }
    }
}
