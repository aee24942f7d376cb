using Portmap.Rpc;

namespace Portmap.Storm.Contestants;

/// <summary>A registry and its server at a socket of its own.</summary>
internal sealed class Daemon : IAsyncDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("portmap-storm-");
    private readonly PortmapServer _server;

    private Daemon()
    {
        string endpoint = $"unix:{Path.Combine(_folder.FullName, "portmap.sock")}";
        Registry = new PortRegistry(new PortRegistryOptions
        {
            Ports = StormNamespace.Ports.ToString(),
            Endpoint = endpoint,
            BindAttempts = StormPlan.Attempts,

            // The range is narrow and its ports change hands all the time: with the defaults of 60
            // s and 30 s it would soon be full of ports not looked at again.
            ReuseDelay = TimeSpan.FromMilliseconds(100),
            ForeignRecheck = TimeSpan.FromMilliseconds(100),
        });
        _server = new PortmapServer(Registry, new PortmapServerOptions { Endpoints = { endpoint } });
    }

    public PortRegistry Registry { get; }

    public static async Task<Daemon> OpenAsync()
    {
        Daemon daemon = new();
        await daemon._server.StartAsync();
        return daemon;
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        await Registry.DisposeAsync();
        _folder.Delete(recursive: true);
    }
}
