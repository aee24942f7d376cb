using Microsoft.Extensions.Logging;

namespace Portmap.Diagnostics;

/// <summary>Every message of the registry. Ids and names are API; docs/reference/log-ids.md is their
/// table.</summary>
/// <remarks>Those of Debug are written only where <see cref="RegistryLog.TellsChanges"/> was
/// asked.</remarks>
internal static partial class PortmapLog
{
    [LoggerMessage(1, LogLevel.Warning, "Port {Port}/{Protocol} is in use by something outside the registry; it is looked at again after {Recheck}", EventName = "FoundForeign")]
    public static partial void FoundForeign(ILogger logger, PortProtocol protocol, int port, TimeSpan recheck);

    [LoggerMessage(2, LogLevel.Information, "Process {ProcessId} of {Owner} on {Port}/{Protocol} is dead; the entry ends", EventName = "Died")]
    public static partial void Died(ILogger logger, string owner, PortProtocol protocol, int port, int processId);

    [LoggerMessage(3, LogLevel.Warning, "Process {ProcessId} of {Owner} on {Port}/{Protocol} did not sign in again within {Grace}; the entry ends", EventName = "Disconnected")]
    public static partial void Disconnected(ILogger logger, string owner, PortProtocol protocol, int port, int processId, TimeSpan grace);

    [LoggerMessage(4, LogLevel.Warning, "The lease {Epoch} of {Owner} on {Port}/{Protocol} ran out after {Timeout} without a registration", EventName = "Expired")]
    public static partial void Expired(ILogger logger, string owner, PortProtocol protocol, int port, long epoch, TimeSpan timeout);

    [LoggerMessage(5, LogLevel.Warning, "The lease {Epoch} of {Owner} ends: another owner's process listens on {Port}/{Protocol}", EventName = "Taken")]
    public static partial void Taken(ILogger logger, string owner, PortProtocol protocol, int port, long epoch);

    [LoggerMessage(6, LogLevel.Warning, "{Owner} could not bind {Port}/{Protocol} (lease {Epoch})", EventName = "BindFailed")]
    public static partial void BindFailed(ILogger logger, string owner, PortProtocol protocol, int port, long epoch);

    [LoggerMessage(7, LogLevel.Error, "A pass over leases and processes failed; the next one tries again", EventName = "PassFailed")]
    public static partial void PassFailed(ILogger logger, Exception exception);

    [LoggerMessage(8, LogLevel.Warning, "{Finding}: {Value}; {Expected}. {Remedy}", EventName = "Found")]
    public static partial void Found(ILogger logger, PortFindingKind finding, string value, string expected, string remedy);

    [LoggerMessage(9, LogLevel.Warning, "Port {Port}/{Protocol}, which is in use by something outside the registry, is held by process {ProcessId} ({Command})", EventName = "ForeignHolder")]
    public static partial void ForeignHolder(ILogger logger, PortProtocol protocol, int port, int processId, string command);

    [LoggerMessage(10, LogLevel.Warning, "Process {ProcessId} of {Owner} listens on {Port}/{Protocol} no more; the entry ends", EventName = "StoppedListening")]
    public static partial void StoppedListening(ILogger logger, string owner, PortProtocol protocol, int port, int processId);

    [LoggerMessage(11, LogLevel.Information, "Process {From} of {Owner} on {Port}/{Protocol} listens no more; process {To} of the same program goes on", EventName = "PassedOn")]
    public static partial void PassedOn(ILogger logger, string owner, PortProtocol protocol, int port, int from, int to);

    [LoggerMessage(12, LogLevel.Error, "The store fails; nothing is confirmed until it works again, and it is tried again with every pass", EventName = "StoreFailed")]
    public static partial void StoreFailed(ILogger logger, Exception exception);

    [LoggerMessage(13, LogLevel.Information, "The store works again", EventName = "StoreWorks")]
    public static partial void StoreWorks(ILogger logger);

    [LoggerMessage(14, LogLevel.Information, "The stored state was read: {Recovered} entries wait for their process, {Reserved} leases are open, {Ended} entries ended", EventName = "Opened")]
    public static partial void Opened(ILogger logger, int recovered, int reserved, int ended);

    [LoggerMessage(15, LogLevel.Information, "{Count} more lines '{Kind}' about {Subject} were left out", EventName = "LinesLeftOut")]
    public static partial void LinesLeftOut(ILogger logger, long count, string kind, string subject);

    [LoggerMessage(16, LogLevel.Debug, "The lease {Epoch} of {Owner} is open: {Port}/{Protocol} by {Strategy} (0: its process picks the port)", EventName = "Acquired", SkipEnabledCheck = true)]
    public static partial void Acquired(ILogger logger, string owner, PortProtocol protocol, int port, long epoch, string strategy);

    [LoggerMessage(17, LogLevel.Debug, "Process {ProcessId} of {Owner} serves {Port}/{Protocol} ({Epoch})", EventName = "Registered", SkipEnabledCheck = true)]
    public static partial void Registered(ILogger logger, string owner, PortProtocol protocol, int port, long epoch, int processId);

    [LoggerMessage(18, LogLevel.Debug, "{Owner} gave {Port}/{Protocol} back ({Epoch})", EventName = "Released", SkipEnabledCheck = true)]
    public static partial void Released(ILogger logger, string owner, PortProtocol protocol, int port, long epoch);

    [LoggerMessage(19, LogLevel.Debug, "{Owner} on {Port}/{Protocol} ({Epoch}) gave way to what it registered or acquired later", EventName = "Replaced", SkipEnabledCheck = true)]
    public static partial void Replaced(ILogger logger, string owner, PortProtocol protocol, int port, long epoch);

    [LoggerMessage(20, LogLevel.Error, "The store could not be closed; what was confirmed is kept", EventName = "StoreNotClosed")]
    public static partial void StoreNotClosed(ILogger logger, Exception exception);

    [LoggerMessage(21, LogLevel.Warning, "Process {ProcessId} of {Owner} listens on {Port}/{Protocol}, outside {Ports}, which its lease asks for; it is served all the same", EventName = "RegisteredOutside")]
    public static partial void RegisteredOutside(ILogger logger, string owner, PortProtocol protocol, int port, string ports, int processId);

    [LoggerMessage(22, LogLevel.Warning, "Process {ProcessId} of {Owner} listens on {Port}/{Protocol}, which is kept for {Kept}; it is served all the same", EventName = "RegisteredKept")]
    public static partial void RegisteredKept(ILogger logger, string owner, PortProtocol protocol, int port, string kept, int processId);

    [LoggerMessage(23, LogLevel.Information, "{Finding}: {Value}; {Expected}", EventName = "Noted")]
    public static partial void Noted(ILogger logger, PortFindingKind finding, string value, string expected);

    [LoggerMessage(24, LogLevel.Warning, "The stored state has entries by the strategy {Strategy}, which is not added any more; they count as entries by {Default}", EventName = "StrategyUnknown")]
    public static partial void StrategyUnknown(ILogger logger, string strategy, string @default);
}
