using Portmap.Rpc.Xdr;

namespace Portmap.Rpc.Protocol;

/// <summary>The fixed part of a call (RFC 5531 §9).</summary>
internal readonly record struct CallHeader(uint Xid, uint Program, uint Version, uint Procedure)
{
    private const int XidAndType = 8;
    private const int ThreeNumbers = 12;

    /// <summary>Reads the header up to the arguments. Never throws.</summary>
    public static CallStatus Read(ref XdrReader reader, out CallHeader header)
    {
        header = default;
        if (reader.Remaining < XidAndType)
        {
            return CallStatus.NotACall;
        }

        header = new CallHeader(reader.ReadUInt32(), 0, 0, 0);
        if (reader.ReadUInt32() != RpcMessage.Call)
        {
            return CallStatus.NotACall;
        }

        if (reader.Remaining < 4)
        {
            return CallStatus.Garbage;
        }

        if (reader.ReadUInt32() != RpcMessage.RpcVersion)
        {
            return CallStatus.RpcMismatch;
        }

        if (reader.Remaining < ThreeNumbers)
        {
            return CallStatus.Garbage;
        }

        header = new CallHeader(header.Xid, reader.ReadUInt32(), reader.ReadUInt32(), reader.ReadUInt32());
        CallStatus credential = SkipAuth(ref reader, CallStatus.BadCredential);
        return credential == CallStatus.Call ? SkipAuth(ref reader, CallStatus.BadVerifier) : credential;
    }

    // Any flavor is taken and none believed: over a Unix socket the kernel says who calls, over TCP
    // nobody does.
    private static CallStatus SkipAuth(ref XdrReader reader, CallStatus tooLong)
    {
        if (reader.Remaining < 8)
        {
            return CallStatus.Garbage;
        }

        reader.ReadUInt32();
        XdrReader ahead = reader;
        uint length = ahead.ReadUInt32();
        if (length > RpcMessage.MaxAuthBytes)
        {
            return tooLong;
        }

        if (((length + 3) & ~3u) > (uint)ahead.Remaining)
        {
            return CallStatus.Garbage;
        }

        reader.ReadOpaque(RpcMessage.MaxAuthBytes);
        return CallStatus.Call;
    }
}
