using Microsoft.Extensions.Logging;

namespace Portmap.AspNetCore;

/// <summary>What Kestrel's transport reports beside what <see cref="Rpc.WorkerPort"/> does. Ids and
/// names are API. Owners are given as <see cref="Diagnostics.Printable"/> says.</summary>
internal static partial class Log
{
    [LoggerMessage(201, LogLevel.Critical, "Port {Port} is not '{Owner}''s any more, so nobody finds this process: the application stops.", EventName = "Stopping")]
    public static partial void Stopping(ILogger logger, string owner, int port);

    [LoggerMessage(202, LogLevel.Warning, "The daemon prepared {Prepared} for this process, and no UsePortmap call listens there: the program asks for {Asked}. Say the same name in PrepareStart and in UsePortmap, or in both none; else the lease ends unused. Nothing is wrong if the program listens there by a WorkerPort of its own.", EventName = "PreparedNotUsed")]
    public static partial void PreparedNotUsed(ILogger logger, string prepared, string asked);
}
