using Microsoft.Extensions.Logging;

namespace Portmap.Rpc;

#pragma warning disable CA1822, CS9113, CS1591
/// <summary>Serves a registry to the processes of the host.</summary>
public sealed class PortmapServer : IAsyncDisposable
{
    public PortmapServer(PortRegistry registry, PortmapServerOptions? options = null, ILogger<PortmapServer>? logger = null, TimeProvider? timeProvider = null) => throw new NotImplementedException();

    public IReadOnlyList<PortmapEndpoint> Endpoints => throw new NotImplementedException();

    public Task StartAsync(CancellationToken cancellationToken = default) => throw new NotImplementedException();

    public Task StopAsync(CancellationToken cancellationToken = default) => throw new NotImplementedException();

    public ValueTask DisposeAsync() => throw new NotImplementedException();
}
