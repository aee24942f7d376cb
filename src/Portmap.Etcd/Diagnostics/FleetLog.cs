using Microsoft.Extensions.Logging;

namespace Portmap.Etcd.Diagnostics;

/// <summary>What the host's logger is told. Ids and names are API.</summary>
internal static partial class FleetLog
{
    [LoggerMessage(EventId = 3001, EventName = "FleetLeased", Level = LogLevel.Information, Message = "Host '{Host}' publishes under lease {Lease:x} of {Ttl}")]
    public static partial void Leased(ILogger logger, string host, long lease, TimeSpan ttl);

    [LoggerMessage(EventId = 3002, EventName = "FleetLeaseLost", Level = LogLevel.Warning,
        Message = "Lease {Lease:x} of host '{Host}' is over at etcd; another one is asked for, and all is published anew")]
    public static partial void LeaseLost(ILogger logger, string host, long lease);

    [LoggerMessage(EventId = 3003, EventName = "FleetHostTaken", Level = LogLevel.Error,
        Message = "Another daemon publishes as host '{Host}' (address {Address}, process {ProcessId}): nothing is published here. Give each host a name of its own")]
    public static partial void HostTaken(ILogger logger, string host, string address, int processId);

    [LoggerMessage(EventId = 3004, EventName = "FleetTrouble", Level = LogLevel.Warning, Message = "Etcd cannot be used: {Reason}. It is tried again until it can")]
    public static partial void Trouble(ILogger logger, string reason);

    [LoggerMessage(EventId = 3005, EventName = "FleetPublishingBroke", Level = LogLevel.Information, Message = "Publishing broke off and begins with a comparison: {Reason}")]
    public static partial void PublishingBroke(ILogger logger, string reason);

    [LoggerMessage(EventId = 3006, EventName = "FleetMirrorBroke", Level = LogLevel.Warning, Message = "The fleet's map is not kept up to date: {Reason}. It is tried again until it is")]
    public static partial void MirrorBroke(ILogger logger, string reason);

    [LoggerMessage(EventId = 3007, EventName = "FleetListed", Level = LogLevel.Information, Message = "The fleet's map was listed: {Entries} entries at revision {Revision}")]
    public static partial void Listed(ILogger logger, int entries, long revision);

    [LoggerMessage(EventId = 3008, EventName = "FleetClaimLost", Level = LogLevel.Warning, Message = "The claim of epoch {Epoch} on '{Owner}' is lost; its workers are to stop")]
    public static partial void ClaimLost(ILogger logger, string owner, long epoch);

    [LoggerMessage(EventId = 3009, EventName = "FleetNotRevoked", Level = LogLevel.Warning,
        Message = "Etcd could not be told that this host stops; what it published goes by itself within {Ttl}: {Reason}")]
    public static partial void NotRevoked(ILogger logger, TimeSpan ttl, string reason);

    [LoggerMessage(EventId = 3010, EventName = "FleetLoopFailed", Level = LogLevel.Critical, Message = "A part of the fleet failed by a mistake of its own, and begins again")]
    public static partial void LoopFailed(ILogger logger, Exception exception);
}
