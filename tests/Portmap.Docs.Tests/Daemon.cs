using Portmap.Rpc;

namespace Portmap.Docs.Tests;

/// <summary>A registry and its server in this process.</summary>
internal sealed class Daemon : IAsyncDisposable
{
    private readonly PortmapServer _server;

    private Daemon(PortRegistry registry, PortmapServer server)
    {
        Registry = registry;
        _server = server;
    }

    public PortRegistry Registry { get; }

    public static async Task<Daemon> StartAsync(TempFolder folder)
    {
        string endpoint = $"unix:{folder["portmap.sock"]}";
        PortRegistry registry = new(new PortRegistryOptions { Endpoint = endpoint, Ports = PortBlock.Take(10).ToString() });
        PortmapServer server = new(registry, new PortmapServerOptions { Endpoints = { endpoint } });
        await server.StartAsync();
        return new Daemon(registry, server);
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        await Registry.DisposeAsync();
    }
}
