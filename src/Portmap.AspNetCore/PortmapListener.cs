using System.Net;
using Microsoft.AspNetCore.Connections;
using Portmap.Rpc;

namespace Portmap.AspNetCore;

/// <summary>Accepts as Kestrel's own listener does, and signs out when Kestrel stops
/// accepting.</summary>
internal sealed class PortmapListener(WorkerPort port, IConnectionListener listener) : IConnectionListener
{
    public EndPoint EndPoint => listener.EndPoint;

    public ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken = default) => listener.AcceptAsync(cancellationToken);

    /// <summary>Kestrel calls this first and then waits for its requests. Who was looked up until
    /// the sign-out is accepted still; then the socket closes.</summary>
    public async ValueTask UnbindAsync(CancellationToken cancellationToken = default)
    {
        await port.DisposeAsync().ConfigureAwait(false);
        await listener.UnbindAsync(cancellationToken).ConfigureAwait(false);
    }

    public async ValueTask DisposeAsync()
    {
        await port.DisposeAsync().ConfigureAwait(false);
        await listener.DisposeAsync().ConfigureAwait(false);
    }
}
