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
        RpcProgram? program = _programs.Find(header.Program, header.Version, out uint low, out uint high);
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
        _call.Begin(header.Xid, header.Procedure, arguments, start);
        if (header.Procedure == 0)
        {
            _out.EndRecord(start);
            return ValueTask.FromResult(true);
        }

        try
        {
            ValueTask<bool> invoked = program.InvokeAsync(this, _call, _ended.Token);
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

    private async ValueTask<bool> FinishAsync(RpcProgram program, int start, ValueTask<bool> invoked)
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

    private void Fail(RpcProgram program, int start, Exception e)
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
}
