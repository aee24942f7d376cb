namespace Portmap.Rpc.Protocol;

/// <summary>accept_stat of RFC 5531 §9.</summary>
internal enum AcceptStatus : uint
{
    Success = 0,
    ProgramUnavailable = 1,
    ProgramMismatch = 2,
    ProcedureUnavailable = 3,
    GarbageArguments = 4,
    SystemError = 5,
}
