using System.Diagnostics;

namespace Portmap.AspNetCore.Tests;

/// <summary>A daemon inside this test process, and the real Kestrel processes it starts.</summary>
internal sealed class TestDaemon : IAsyncDisposable
{
    private readonly TempFolder _folder = new();
    private readonly PortRegistryOptions _options;
    private readonly List<ChildProcess> _workers = [];
    private PortmapServer _server;

    private TestDaemon()
    {
        _options = new PortRegistryOptions { Ports = PortBlock.Take(16).ToString(), Strategy = "AllocatorPicks", Endpoint = $"unix:{_folder["portmap.sock"]}" };
        (Registry, _server) = Make();
    }

    public PortRegistry Registry { get; private set; }

    public string Endpoint => _options.Endpoint!;

    public static async Task<TestDaemon> StartAsync()
    {
        TestDaemon daemon = new();
        await daemon._server.StartAsync().Within();
        return daemon;
    }

    /// <summary>The program, told nothing of any daemon.</summary>
    public static ProcessStartInfo Program(params string[] arguments) => Sample("Portmap.Kestrel", arguments);

    /// <summary>A program that was built with these tests, told nothing of any daemon.</summary>
    public static ProcessStartInfo Sample(string name, params string[] arguments)
    {
        ProcessStartInfo start = TestPrograms.Start([name, name], "ASPNETCORE_");
        foreach (string argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        return start;
    }

    /// <summary>Starts a server under a lease of its own, and waits until it is registered and says
    /// that it listens.</summary>
    public async Task<Worker> LaunchAsync(string owner, params string[] arguments) =>
        await LaunchAsync(await Registry.AcquireAsync(owner).Within(), arguments);

    public async Task<Worker> LaunchAsync(PortLease lease, params string[] arguments)
    {
        ProcessStartInfo start = Program(arguments);
        lease.PrepareStart(start);
        var process = ChildProcess.Start(start);
        _workers.Add(process);
        Task<PortEntry> bound = lease.WhenBound;
        (await Task.WhenAny(bound, process.ExitAsync()).Within()).Should().BeSameAs(bound, "the server should listen, not end: {0}", process.Errors);
        string line = await process.ReadLineAsync();
        return new Worker(process, await bound, line.Split(' ')[1..]);
    }

    /// <summary>Waits for a change that comes after a revision.</summary>
    public Task<PortChange> ChangeAsync(long afterRevision, Func<PortChange, bool> matches) => Registry.ChangeAsync(afterRevision, matches);

    /// <summary>The daemon ends with all it knew, and another one comes up at its
    /// endpoint.</summary>
    /// <param name="between">What is done while there is none.</param>
    /// <returns>The revision of the new one at its beginning.</returns>
    public async Task<long> RestartAsync(Func<Task> between)
    {
        await _server.DisposeAsync().Within();
        await Registry.DisposeAsync().Within();
        await between();
        (Registry, _server) = Make();
        long revision = Registry.Snapshot().Revision;
        await _server.StartAsync().Within();
        return revision;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (ChildProcess worker in _workers)
        {
            await worker.DisposeAsync();
        }

        await _server.DisposeAsync().Within();
        await Registry.DisposeAsync().Within();
        _folder.Dispose();
    }

    private (PortRegistry Registry, PortmapServer Server) Make()
    {
        PortRegistry registry = new(_options);
        return (registry, new PortmapServer(registry, new PortmapServerOptions { Endpoints = { _options.Endpoint! } }));
    }
}
