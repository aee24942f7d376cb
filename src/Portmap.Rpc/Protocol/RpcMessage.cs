using Portmap.Rpc.Xdr;

namespace Portmap.Rpc.Protocol;

/// <summary>The numbers of RFC 5531 §9.</summary>
internal static class RpcMessage
{
    public const uint Call = 0;
    public const uint Reply = 1;
    public const uint RpcVersion = 2;
    public const uint Accepted = 0;
    public const uint Denied = 1;
    public const uint RpcMismatch = 0;
    public const uint AuthError = 1;

    /// <summary>The credential's encoding or length is wrong.</summary>
    public const uint BadCredential = 1;

    /// <summary>The verifier's encoding or length is wrong.</summary>
    public const uint BadVerifier = 3;

    /// <summary>The longest credential or verifier.</summary>
    public const int MaxAuthBytes = 400;

    /// <summary>
    /// Starts a record that holds a call with an empty credential: whoever serves us asks the
    /// kernel who we are.
    /// </summary>
    public static int BeginCall(XdrWriter writer, uint xid, uint program, uint version, uint procedure)
    {
        int start = writer.BeginRecord();
        writer.WriteUInt32(xid);
        writer.WriteUInt32(Call);
        writer.WriteUInt32(RpcVersion);
        writer.WriteUInt32(program);
        writer.WriteUInt32(version);
        writer.WriteUInt32(procedure);
        writer.WriteUInt64(0);
        writer.WriteUInt64(0);
        return start;
    }

    /// <summary>Starts a record that holds an accepted reply; the results follow it.</summary>
    public static int BeginReply(XdrWriter writer, uint xid, AcceptStatus status)
    {
        int start = writer.BeginRecord();
        writer.WriteUInt32(xid);
        writer.WriteUInt32(Reply);
        writer.WriteUInt32(Accepted);
        writer.WriteUInt64(0);
        writer.WriteUInt32((uint)status);
        return start;
    }

    public static void WriteReply(XdrWriter writer, uint xid, AcceptStatus status) => writer.EndRecord(BeginReply(writer, xid, status));

    public static void WriteProgramMismatch(XdrWriter writer, uint xid, uint low, uint high)
    {
        int start = BeginReply(writer, xid, AcceptStatus.ProgramMismatch);
        writer.WriteUInt32(low);
        writer.WriteUInt32(high);
        writer.EndRecord(start);
    }

    public static void WriteRpcMismatch(XdrWriter writer, uint xid)
    {
        int start = BeginDenial(writer, xid, RpcMismatch);
        writer.WriteUInt32(RpcVersion);
        writer.WriteUInt32(RpcVersion);
        writer.EndRecord(start);
    }

    public static void WriteAuthError(XdrWriter writer, uint xid, uint why)
    {
        int start = BeginDenial(writer, xid, AuthError);
        writer.WriteUInt32(why);
        writer.EndRecord(start);
    }

    private static int BeginDenial(XdrWriter writer, uint xid, uint reason)
    {
        int start = writer.BeginRecord();
        writer.WriteUInt32(xid);
        writer.WriteUInt32(Reply);
        writer.WriteUInt32(Denied);
        writer.WriteUInt32(reason);
        return start;
    }
}
