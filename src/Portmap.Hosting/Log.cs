using Microsoft.Extensions.Logging;
using Portmap.Rpc;

namespace Portmap.Hosting;

/// <summary>What the host of a registry reports. Ids and names are API.</summary>
internal static partial class Log
{
    [LoggerMessage(101, LogLevel.Warning,
        "The server listens on {Endpoint}, which the registry did not know when it was opened: workers are not told where the daemon is. "
        + "Name the TCP port, add a Unix socket, set Endpoint of a registry of your own, or hand the endpoint to each start.", EventName = "WorkersNotTold")]
    public static partial void WorkersNotTold(ILogger logger, PortmapEndpoint endpoint);
}
