using Microsoft.Extensions.Logging;

namespace ManagementDaemon.Workers;

internal static partial class Log
{
    [LoggerMessage(1, LogLevel.Information, "{Owner} says: {Line}")]
    public static partial void WorkerSaid(ILogger logger, string owner, string line);

    [LoggerMessage(2, LogLevel.Warning, "{Program} for {Owner} is started again in {Milliseconds} ms: {Reason}")]
    public static partial void StartsAgain(ILogger logger, string program, string owner, double milliseconds, string reason);

    [LoggerMessage(3, LogLevel.Error, "{Program} for {Owner} is given up after {Count} starts in a row; the last one: {Reason}")]
    public static partial void GivenUp(ILogger logger, string program, string owner, int count, string reason);

    [LoggerMessage(4, LogLevel.Information, "{Program} for {Owner} lives already, pid {ProcessId}: it is left alone.")]
    public static partial void Adopted(ILogger logger, string program, string owner, int processId);

    [LoggerMessage(5, LogLevel.Warning, "{Owner} could not be given back and stays reserved until its lease times out: {Reason}")]
    public static partial void NotGivenBack(ILogger logger, string owner, string reason);

    [LoggerMessage(6, LogLevel.Information, "{Program} for {Owner} waits for an open lease: {Reason}")]
    public static partial void WaitsForLease(ILogger logger, string program, string owner, string reason);
}
