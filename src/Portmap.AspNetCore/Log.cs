using Microsoft.Extensions.Logging;

namespace Portmap.AspNetCore;

/// <summary>What Kestrel's transport reports beside what <see cref="Rpc.WorkerPort"/> does. Ids and
/// names are API.</summary>
internal static partial class Log
{
    [LoggerMessage(201, LogLevel.Critical, "Port {Port} is not '{Owner}''s any more, so nobody finds this process: the application stops.", EventName = "Stopping")]
    public static partial void Stopping(ILogger logger, string owner, int port);
}
