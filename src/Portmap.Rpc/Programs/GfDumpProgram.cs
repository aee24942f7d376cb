using Portmap.Rpc.Serving;

namespace Portmap.Rpc.Programs;

/// <summary>
/// GF-DUMP: the question with which GlusterFS' clients begin, "what do you serve?".
/// </summary>
internal sealed class GfDumpProgram() : RpcProgram(number: 123_451_501, version: 1, "GF-DUMP")
{
    private const uint Dump = 1;
    private const uint Ping = 2;

    public override string NameOf(uint procedure) => procedure switch
    {
        Dump => "DUMP",
        Ping => "PING",
        _ => base.NameOf(procedure),
    };

    public override ValueTask<bool> InvokeAsync(RpcConnection connection, RpcCall request, CancellationToken cancellationToken)
    {
        switch (request.Procedure)
        {
            case Dump:
                request.ReadUInt64(); // gfs_id, which no server looks at
                request.WriteUInt64(0);
                request.WriteInt32(0);
                request.WriteInt32(0);
                foreach (RpcProgram program in connection.Programs)
                {
                    request.WriteBoolean(true);
                    request.WriteString(program.Name);
                    request.WriteUInt64(program.Number);
                    request.WriteUInt64(program.Version);
                }

                request.WriteBoolean(false);
                return ValueTask.FromResult(true);
            case Ping:
                request.WriteInt32(0);
                request.WriteInt32(0);
                request.WriteOpaque([]);
                return ValueTask.FromResult(true);
            default:
                return ValueTask.FromResult(false);
        }
    }
}
