namespace Portmap.Rpc.Serving;

/// <summary>What a connection waits for.</summary>
internal enum WaitKind : uint
{
    /// <summary>Nothing that has a limit.</summary>
    None,

    /// <summary>The first byte of the next record.</summary>
    Call,

    /// <summary>The rest of a record.</summary>
    RestOfRecord,

    /// <summary>That the peer takes its answers.</summary>
    Taking,
}
