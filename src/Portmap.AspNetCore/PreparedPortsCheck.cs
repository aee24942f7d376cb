using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Portmap.Diagnostics;
using Portmap.Rpc;

namespace Portmap.AspNetCore;

/// <summary>Says at the start which port the daemon prepared and no call asked for: a name that is
/// written differently on the two sides would have Kestrel listen somewhere else, without a
/// word.</summary>
internal sealed class PreparedPortsCheck(IEnumerable<AskedPort> asked, IEnumerable<PortmapEndPoint> used, ILoggerFactory loggers) : IHostedService
{
    public Task StartAsync(CancellationToken cancellationToken)
    {
        PreparedPort[] unused = [.. PortmapEnvironment.PreparedPorts.Where(port => !used.Any(endPoint => endPoint.Owner == port.Owner))];
        if (unused.Length > 0)
        {
            Log.PreparedNotUsed(
                ContainedLogger.Of(loggers.CreateLogger<WorkerPort>()),
                string.Join(", ", unused.Select(port => $"{PortmapEnvironment.Said(port.Name)} (owner '{Printable.Of(port.Owner)}')")),
                string.Join(", ", asked));
        }

        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
