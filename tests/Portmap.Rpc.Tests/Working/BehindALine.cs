using Portmap.TestKit.Processes;

namespace Portmap.Rpc.Tests.Working;

/// <summary>A daemon that a test starts, and the socket before it that workers are told.</summary>
public abstract class BehindALine : AsyncTest
{
    private protected readonly TempFolder _folder = new();
    private protected readonly PortRange _range = PortBlock.Take(4);
    private protected readonly PortRegistry _registry;
    private protected readonly PortmapServer _server;

    private protected BehindALine()
    {
        _registry = new PortRegistry(new PortRegistryOptions { Ports = _range.ToString() });
        _server = new PortmapServer(_registry, new PortmapServerOptions { Endpoints = { "unix:" + _folder["daemon.sock"] } });
    }

    private protected string Endpoint => "unix:" + _folder["portmap.sock"];

    /// <inheritdoc/>
    public override async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        await _registry.DisposeAsync();
        _folder.Dispose();
        GC.SuppressFinalize(this);
    }

    private protected LineToDaemon Line(Func<int, LineToDaemon.Fault> faultOf) => new(_folder["portmap.sock"], _folder["daemon.sock"], faultOf);

    private protected WorkerPortOptions Options() => new()
    {
        Endpoint = Endpoint,
        Owner = "b1",
        Ports = _range.ToString(),
        Address = PortBlock.Loopback,
        ConnectTimeout = TimeSpan.FromSeconds(20),
    };
}
