using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Portmap.Diagnostics;
using Portmap.Rpc;

namespace Portmap.AspNetCore;

/// <summary>Kestrel's own socket transport, on a socket that listens and is signed in
/// already.</summary>
/// <remarks>ListenHandle and CreateBoundListenSocket would listen there too. But only a transport
/// hears that Kestrel has stopped accepting, which is long before its last request has ended: until
/// then the map would send clients to a port that nobody serves.</remarks>
internal sealed class PortmapTransport(IOptions<SocketTransportOptions> sockets, ILoggerFactory loggers, IHostApplicationLifetime lifetime)
    : IConnectionListenerFactory, IConnectionListenerFactorySelector
{
    private static readonly int s_unsaidBacklog = new WorkerPortOptions().Backlog;

    private readonly ILogger _logger = ContainedLogger.Of(loggers.CreateLogger<WorkerPort>());

    public bool CanBind(EndPoint endpoint) => endpoint is PortmapEndPoint;

    public async ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default)
    {
        var wanted = (PortmapEndPoint)endpoint;
        wanted.Options.Logger ??= _logger;
        WorkerPort port = await WorkerPort.ListenAsync(wanted.Options, cancellationToken).ConfigureAwait(false);
        try
        {
            if (port.Socket.SocketType != SocketType.Stream)
            {
                throw new InvalidOperationException($"The port of '{Printable.Of(port.Owner)}' is UDP alone, and Kestrel listens on TCP; acquire it for TCP.");
            }

            SocketTransportFactory transport = new(Options.Create(On(port.Socket, wanted.Options.Backlog)), loggers);
            IConnectionListener listener = await transport.BindAsync(port.Socket.LocalEndPoint!, cancellationToken).ConfigureAwait(false);
            _ = StopWhenLostAsync(port);
            return new PortmapListener(port, listener);
        }
        catch
        {
            await port.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>The transport listens once more, which sets the backlog anew: to what is said for this
    /// port, else to what is said for all sockets.</summary>
    private SocketTransportOptions On(Socket listening, int backlog) => new()
    {
        CreateBoundListenSocket = _ => listening,
        Backlog = backlog != s_unsaidBacklog ? backlog : sockets.Value.Backlog,
        IOQueueCount = sockets.Value.IOQueueCount,
        MaxReadBufferSize = sockets.Value.MaxReadBufferSize,
        MaxWriteBufferSize = sockets.Value.MaxWriteBufferSize,
        NoDelay = sockets.Value.NoDelay,
        UnsafePreferInlineScheduling = sockets.Value.UnsafePreferInlineScheduling,
        WaitForDataBeforeAllocatingBuffer = sockets.Value.WaitForDataBeforeAllocatingBuffer,
    };

    private async Task StopWhenLostAsync(WorkerPort port)
    {
        await ((Task)port.WhenLost).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (port.WhenLost.IsCompletedSuccessfully)
        {
            Log.Stopping(_logger, Printable.Of(port.Owner), port.Port);
            lifetime.StopApplication();
        }
    }
}
