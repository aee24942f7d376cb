namespace Portmap.Rpc.Protocol;

/// <summary>What <see cref="CallHeader.Read"/> found.</summary>
internal enum CallStatus
{
    /// <summary>A call; its arguments follow.</summary>
    Call,

    /// <summary>No call: there is nobody to answer, the connection is of no use.</summary>
    NotACall,

    /// <summary>A call of another version of RPC.</summary>
    RpcMismatch,

    /// <summary>A credential longer than 400 bytes.</summary>
    BadCredential,

    /// <summary>A verifier longer than 400 bytes.</summary>
    BadVerifier,

    /// <summary>The header ends early, but after the xid.</summary>
    Garbage,
}
