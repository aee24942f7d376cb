using Microsoft.Extensions.Logging;

namespace ManagementDaemon.Workers;

internal static partial class Log
{
    [LoggerMessage(1, LogLevel.Information, "{Owner} says: {Line}")]
    public static partial void WorkerSaid(ILogger logger, string owner, string line);
}
