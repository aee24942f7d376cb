namespace Portmap.Rpc.Serving;

/// <summary>Whether a new connection has a seat.</summary>
internal enum Admission
{
    /// <summary>It has one.</summary>
    Seated,

    /// <summary>There is none left, of all or of those that are not kept for others.</summary>
    Full,

    /// <summary>Its peer has as many as it may have.</summary>
    PeerFull,

    /// <summary>That depends on its user: ask the kernel, and try again.</summary>
    WhoIsIt,
}
