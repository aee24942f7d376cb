namespace Portmap.Rpc.Tests.Load;

/// <summary>How connections come and go.</summary>
internal enum VanishKind
{
    /// <summary>In every way a client can: before it said anything, in the middle of a record,
    /// before its answer, with a reset, right after it signed in.</summary>
    Honest,

    /// <summary>After a call that leaks: the control.</summary>
    Leaking,
}
