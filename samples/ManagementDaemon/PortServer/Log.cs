using Microsoft.Extensions.Logging;

namespace ManagementDaemon.PortServer;

internal static partial class Log
{
    [LoggerMessage(11, LogLevel.Warning, "A client of the port server was not accepted: {Reason}")]
    public static partial void ClientNotAccepted(ILogger logger, string reason);
}
