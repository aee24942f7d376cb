using Microsoft.Extensions.Logging;
using Portmap.Rpc;

namespace Portmap.Hosting;

/// <summary>What the host of a registry reports. Ids and names are API.</summary>
internal static partial class Log
{
    [LoggerMessage(101, LogLevel.Warning,
        "The server listens on {Endpoint}, whose port was not known when the registry was opened: workers are not told where the daemon is. "
        + "Name the port, add a Unix socket, or hand the endpoint to each start.", EventName = "WorkersNotTold")]
    public static partial void WorkersNotTold(ILogger logger, PortmapEndpoint endpoint);
}
