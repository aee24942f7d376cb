using Portmap.Rpc.Xdr;

namespace Portmap.Rpc.Protocol;

/// <summary>The part of a reply between its type and its results (RFC 5531 §9).</summary>
internal static class ReplyHeader
{
    /// <summary>Reads it up to the results.</summary>
    /// <returns>What the server complains about, or null when results follow.</returns>
    /// <param name="reader">Stands at the type of the reply.</param>
    /// <param name="hasFailed">Whether it knows what was called, and could not carry it out.</param>
    /// <exception cref="InvalidDataException">It ends early.</exception>
    public static string? Complaint(ref XdrReader reader, out bool hasFailed)
    {
        hasFailed = false;
        if (reader.ReadUInt32() != RpcMessage.Accepted)
        {
            return reader.ReadUInt32() == RpcMessage.RpcMismatch ? "speaks another version of RPC" : "refused the credential";
        }

        reader.ReadUInt32();
        reader.ReadOpaque(RpcMessage.MaxAuthBytes);
        var status = (AcceptStatus)reader.ReadUInt32();
        hasFailed = status == AcceptStatus.SystemError;
        return status switch
        {
            AcceptStatus.Success => null,
            AcceptStatus.ProgramUnavailable => "does not serve the Portmap program",
            AcceptStatus.ProgramMismatch => $"serves versions {reader.ReadUInt32()} to {reader.ReadUInt32()} of the Portmap program",
            AcceptStatus.ProcedureUnavailable => "does not know the procedure",
            AcceptStatus.GarbageArguments => "did not understand the arguments",
            AcceptStatus.SystemError => "failed to carry out what was called",
            AcceptStatus other => $"answered with the unknown status {(uint)other}",
        };
    }
}
