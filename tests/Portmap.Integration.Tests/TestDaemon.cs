using System.Diagnostics;
using Portmap.Rpc;
using Portmap.TestKit.Processes;

namespace Portmap.Integration.Tests;

/// <summary>A host with a registry and its wire inside this test process, and the real workers it
/// starts.</summary>
internal sealed class TestDaemon : IAsyncDisposable
{
    private readonly PortmapServer _server;
    private readonly List<ChildProcess> _workers = [];

    private TestDaemon(PortRegistryOptions options, string endpoint)
    {
        options.Endpoint = endpoint;
        Endpoint = PortmapEndpoint.Parse(endpoint);
        Registry = new PortRegistry(options);
        PortmapServerOptions serverOptions = new();
        serverOptions.Endpoints.Add(endpoint);
        _server = new PortmapServer(Registry, serverOptions);
    }

    public PortRegistry Registry { get; }

    public PortmapEndpoint Endpoint { get; }

    /// <summary>Starts one that serves a socket in a test's folder.</summary>
    public static async Task<TestDaemon> StartAsync(TempFolder folder, PortRegistryOptions options)
    {
        TestDaemon daemon = new(options, $"unix:{folder["portmap.sock"]}");
        await daemon._server.StartAsync().Within();
        return daemon;
    }

    /// <summary>Acquires a port, starts a worker with the lease, and waits until it is
    /// registered.</summary>
    public async Task<(ChildProcess Worker, PortEntry Entry)> StartAsync(ProcessStartInfo program, PortRequest request)
    {
        PortLease lease = await Registry.AcquireAsync(request).Within();
        return await LaunchAsync(program, lease);
    }

    /// <summary>Starts a worker with a lease and waits until it is registered.</summary>
    public async Task<(ChildProcess Worker, PortEntry Entry)> LaunchAsync(ProcessStartInfo program, PortLease lease)
    {
        lease.PrepareStart(program);
        ChildProcess worker = ChildProcess.Start(program);
        _workers.Add(worker);
        Task<PortEntry> bound = lease.WhenBound;
        (await Task.WhenAny(bound, worker.ExitAsync()).Within()).Should().BeSameAs(bound, "the worker should listen, not end: {0}", worker.Errors);
        return (worker, await bound);
    }

    /// <summary>Waits for a change that comes after a revision.</summary>
    public Task<PortChange> ChangeAsync(long afterRevision, Func<PortChange, bool> matches) => Registry.ChangeAsync(afterRevision, matches);

    public async ValueTask DisposeAsync()
    {
        foreach (ChildProcess worker in _workers)
        {
            await worker.DisposeAsync();
        }

        await _server.DisposeAsync().Within();
        await Registry.DisposeAsync().Within();
    }
}
