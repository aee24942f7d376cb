using System.Diagnostics;
using System.Globalization;
using System.Threading.Channels;
using Examples;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Portmap.Rpc;

namespace Portmap.Docs.Tests;

/// <summary>The examples of the pages run. Each speaks to a daemon of its own.</summary>
public sealed class ExampleTests
{
    /// <summary>A worker has to start in it, also beside busy programs.</summary>
    private static readonly TimeSpan s_leaseTimeout = TimeSpan.FromSeconds(15);

    /// <summary>Until the worker serves that is started when such a lease is over.</summary>
    private static readonly TimeSpan s_overALease = TimeSpan.FromSeconds(90);

    [Fact]
    public async Task HostedDaemon_TwoOwners_StartsAWorkerForEachAndAnotherWhenOneDies()
    {
        using TempFolder folder = new();
        File.CreateSymbolicLink(folder["Worker"], Programs.Brick.FileName);
        using IHost host = await StartSupervisorAsync(folder);
        PortRegistry registry = host.Services.GetRequiredService<PortRegistry>();
        try
        {
            PortEntry web = await BoundAsync(registry, "web"), api = await BoundAsync(registry, "api");
            web.Port.Should().NotBe(api.Port);

            using Process worker = Process.GetProcessById(web.ProcessId!.Value);
            worker.Kill();
            PortEntry again = await BoundAsync(registry, "web", unlike: web.ProcessId);

            again.Epoch.Should().BeGreaterThan(web.Epoch!.Value);
            registry.TryGetEntry("api", out PortEntry same).Should().BeTrue();
            same.ProcessId.Should().Be(api.ProcessId);
        }
        finally
        {
            await host.StopAsync().Within();
            EndWorkers(registry);
        }
    }

    [Fact]
    public async Task HostedDaemon_WorkerEndsAtItsStart_TheOthersServeAndItIsStartedAgain()
    {
        using TempFolder folder = new();
        await WriteWorkerAsync(folder, """if [ "$PORTMAP_OWNER" = web ] && [ ! -e failed ]; then touch failed; exit 3; fi""");
        using IHost host = await StartSupervisorAsync(folder);
        PortRegistry registry = host.Services.GetRequiredService<PortRegistry>();
        try
        {
            await BoundAsync(registry, "api");
            await BoundAsync(registry, "web");

            File.Exists(folder["failed"]).Should().BeTrue();
        }
        finally
        {
            await host.StopAsync().Within();
            EndWorkers(registry);
        }
    }

    [Fact]
    public async Task HostedDaemon_WorkerDoesNotSignIn_EndsBeforeTheNextOneIsStarted()
    {
        using TempFolder folder = new();
        await WriteWorkerAsync(folder, """if [ "$PORTMAP_OWNER" = web ] && [ ! -e first ]; then echo $$ > first; exec sleep 600; fi""");
        using IHost host = await StartSupervisorAsync(folder, "--Portmap:LeaseTimeout", s_leaseTimeout.ToString());
        PortRegistry registry = host.Services.GetRequiredService<PortRegistry>();
        try
        {
            await BoundAsync(registry, "web", limit: s_overALease);

            await EndedAsync(int.Parse(await File.ReadAllTextAsync(folder["first"]), CultureInfo.InvariantCulture));
        }
        finally
        {
            await host.StopAsync().Within();
            EndWorkers(registry);
        }
    }

    [Fact]
    public async Task HostedDaemon_LeaseOfTheRunBefore_IsWaitedForAndTheHostGoesOn()
    {
        using TempFolder folder = new();
        File.CreateSymbolicLink(folder["Worker"], Programs.Brick.FileName);
        PortRegistryOptions options = new() { StateFolder = folder["state"], LeaseTimeout = s_leaseTimeout };
        await using (PortRegistry before = await PortRegistry.OpenAsync(options).Within())
        {
            await before.AcquireAsync("web");
        }

        using IHost host = await StartSupervisorAsync(folder, "--Portmap:LeaseTimeout", s_leaseTimeout.ToString());
        PortRegistry registry = host.Services.GetRequiredService<PortRegistry>();
        try
        {
            await BoundAsync(registry, "web", limit: s_overALease);
        }
        finally
        {
            await host.StopAsync().Within();
            EndWorkers(registry);
        }
    }

    [Fact]
    public async Task KestrelWorker_StartedByADaemon_AnswersOnItsPort()
    {
        using TempFolder folder = new();
        await using Daemon daemon = await Daemon.StartAsync(folder);
        PortLease lease = await daemon.Registry.AcquireAsync("web");
        using LeaseVariables variables = new(lease);
        await using WebApplication app = KestrelWorker.Build(["--Logging:LogLevel:Default", "Warning"]);
        await app.StartAsync().Within();

        PortEntry entry = await lease.WhenBound.Within();
        using HttpClient http = new();
        (await http.GetStringAsync(new Uri($"http://127.0.0.1:{entry.Port}/")).Within()).Should().Be("hello");
        await app.StopAsync().Within();
    }

    [NeedsFact("python3")]
    public async Task ForeignProgram_Python_IsRegisteredWhenItListens()
    {
        using TempFolder folder = new();
        await using Daemon daemon = await Daemon.StartAsync(folder);

        PortEntry entry = await ForeignProgram.StartAsync(daemon.Registry, folder.FullName).Within();

        using Process server = Process.GetProcessById(entry.ProcessId!.Value);
        daemon.Registry.TryGetPort("files", out int port).Should().BeTrue();
        port.Should().Be(entry.Port);
        server.Kill();
    }

    [NeedsFact("python3")]
    public async Task ForeignProgram_DaemonStartsAgain_IsFoundWhenItIsAdopted()
    {
        using TempFolder folder = new();
        PortRegistryOptions options = new() { Ports = PortBlock.Take(10).ToString(), StateFolder = folder["state"] };
        PortEntry before;
        await using (PortRegistry first = await PortRegistry.OpenAsync(options).Within())
        {
            before = await ForeignProgram.StartAsync(first, folder.FullName).Within();
        }

        using Process server = Process.GetProcessById(before.ProcessId!.Value);
        await using PortRegistry registry = await PortRegistry.OpenAsync(options).Within();
        registry.TryGetPort("files", out _).Should().BeFalse("nobody has signed in");

        await ForeignProgram.AdoptAsync(registry, ["files"]).Within();

        registry.TryGetEntry("files", out PortEntry after).Should().BeTrue();
        (after.Port, after.ProcessId, after.Epoch).Should().Be((before.Port, before.ProcessId, before.Epoch));
        server.Kill();
        using CancellationTokenSource deadline = new(Deadline.Default);
        await foreach (PortUpdate update in registry.WatchAsync(cancellationToken: deadline.Token))
        {
            if (!registry.TryGetPort("files", out _))
            {
                return;   // the entry ended with its process
            }
        }
    }

    [NeedsFact("python3")]
    public async Task PassedSocket_PythonServer_AnswersOnTheSocketOfTheDaemon()
    {
        using TempFolder folder = new();
        await using Daemon daemon = await Daemon.StartAsync(folder);
        await File.WriteAllTextAsync(
            folder["server.py"],
            """
            import http.server, socket
            server = http.server.HTTPServer(("", 0), http.server.SimpleHTTPRequestHandler, bind_and_activate=False)
            server.socket = socket.socket(fileno=3)
            server.serve_forever()
            """);

        PortEntry entry = await PassedSocket.StartAsync(daemon.Registry, folder["server.py"]).Within();

        using Process server = Process.GetProcessById(entry.ProcessId!.Value);
        entry.Guarantee.Should().Be(PortGuarantee.Exclusive);
        using HttpClient http = new();
        using HttpResponseMessage response = await http.GetAsync(new Uri($"http://127.0.0.1:{entry.Port}/")).Within();
        response.IsSuccessStatusCode.Should().BeTrue();
        server.Kill();
    }

    [Fact]
    public async Task SeveralPorts_OneProcess_HasTwoOwners()
    {
        using TempFolder folder = new();
        await using Daemon daemon = await Daemon.StartAsync(folder);
        using LeaseVariables variables = new(await daemon.Registry.AcquireAsync("web"));

        (WorkerPort main, WorkerPort admin) = await SeveralPorts.ListenAsync().Within();

        await using (main)
        await using (admin)
        {
            daemon.Registry.TryGetPort("web", out int first).Should().BeTrue();
            daemon.Registry.TryGetPort("web/admin", out int second).Should().BeTrue();
            (first, second).Should().Be((main.Port, admin.Port));
        }
    }

    [Fact]
    public async Task SeveralPorts_ByName_EachIsServed()
    {
        using TempFolder folder = new();
        await using Daemon daemon = await Daemon.StartAsync(folder);
        ProcessStartInfo start = new("worker");
        await SeveralPorts.PrepareAsync(daemon.Registry, start);
        using LeaseVariables variables = new(start);

        (WorkerPort http, WorkerPort metrics) = await SeveralPorts.ListenByNameAsync().Within();

        await using (http)
        await using (metrics)
        {
            daemon.Registry.TryGetPort("web/http", out int first).Should().BeTrue();
            daemon.Registry.TryGetPort("web/metrics", out int second).Should().BeTrue();
            (first, second).Should().Be((http.Port, metrics.Port));
        }
    }

    [Fact]
    public async Task Clients_OwnerIsServed_FindItAndMirrorIt()
    {
        using TempFolder folder = new();
        await using Daemon daemon = await Daemon.StartAsync(folder);
        PortLease lease = await daemon.Registry.AcquireAsync("web");
        using LeaseVariables variables = new(lease);
        WorkerPort worker = await WorkerPort.ListenAsync().Within();
        await using PortmapClient client = await PortmapClient.ConnectAsync();
        Channel<PortEntry[]> seen = Channel.CreateUnbounded<PortEntry[]>();
        using CancellationTokenSource stop = Deadline.Source();
        Task mirroring = Clients.MirrorAsync(client, entries => seen.Writer.TryWrite([.. entries]), stop.Token);

        (await Clients.FindAsync().Within()).Should().Be(worker.Port);
        await UntilAsync(seen.Reader, entries => entries.Any(entry => entry.State == PortState.Bound && entry.Port == worker.Port));
        await worker.DisposeAsync();
        await UntilAsync(seen.Reader, entries => entries.Length == 0);
        await stop.CancelAsync();
        Func<Task> ended = () => mirroring.Within();
        await ended.Should().ThrowAsync<OperationCanceledException>();
    }

    [Fact]
    public async Task Firewalls_WorkerIsRestarted_GetsTheSamePort()
    {
        using TempFolder folder = new();
        PortRegistryOptions options = Firewalls.Options(folder["state"]);
        options.Ports = PortBlock.Take(10).ToString();
        options.ForeignRecheck = TimeSpan.FromMilliseconds(100);
        int first;
        await using (PortRegistry registry = await PortRegistry.OpenAsync(options))
        {
            PortLease lease = await registry.AcquireAsync("web");
            first = lease.Port;
            await lease.ReleaseAsync();
            (await SamePortInTheEndAsync(registry)).Port.Should().Be(first);
        }
    }

    [Fact]
    public async Task EvenPorts_HalfOfTheRange_AreEven()
    {
        PortRegistryOptions options = EvenPortsOptions.Make();
        options.Probe = false;
        options.Ports = PortBlock.Take(10).ToString();
        using PortRegistry registry = new(options);

        List<int> ports = [];
        for (int i = 0; i < 10; i++)
        {
            ports.Add((await registry.AcquireAsync($"owner{i}")).Port);
        }

        ports.Take(5).Should().OnlyContain(port => port % 2 == 0);
        ports.Should().OnlyHaveUniqueItems("the other half comes after it");
    }

    [Fact]
    public async Task SharedStore_DaemonIsStartedAgain_HasItsLeases()
    {
        DictionaryStore shared = new();
        PortRegistryOptions options = new() { Ports = PortBlock.Take(10).ToString(), Strategy = PortRegistryOptions.AllocatorPicks };
        int port;
        await using (PortRegistry registry = await PortRegistry.OpenAsync(options, new SharedStore(shared)))
        {
            port = (await registry.AcquireAsync("web")).Port;
        }

        await using PortRegistry again = await PortRegistry.OpenAsync(options, new SharedStore(shared));

        again.TryGetEntry("web", out PortEntry entry).Should().BeTrue();
        (entry.State, entry.Port).Should().Be((PortState.Reserved, port));
    }

    /// <summary>A child that another test starts holds a copy of every descriptor until it has
    /// called exec, also of the placeholder of the port: it is foreign then. Once a child of our
    /// own runs, that one has as well.</summary>
    private static async Task<PortLease> SamePortInTheEndAsync(PortRegistry registry)
    {
        using CancellationTokenSource end = Deadline.Source();
        while (true)
        {
            try
            {
                return await Firewalls.SamePortAsync(registry);
            }
            catch (PortRefusedException e) when (e.Refusal.Reason == PortRefusalReason.Foreign && !end.IsCancellationRequested)
            {
                await using ChildProcess child = ChildProcess.Start(new ProcessStartInfo("true"));
                await child.ExitAsync();
            }
        }
    }

    private static async Task<IHost> StartSupervisorAsync(TempFolder folder, params string[] more)
    {
        IHost host = HostedDaemon.Build(
        [
            "--contentRoot", folder.FullName, "--Portmap:StateFolder", folder["state"], "--Portmap:Ports", PortBlock.Take(10).ToString(),
            "--PortmapServer:Endpoints:0", $"unix:{folder["portmap.sock"]}", "--Logging:LogLevel:Default", "Error", .. more,
        ]);
        await host.StartAsync().Within();
        return host;
    }

    /// <summary>A worker that does something else first.</summary>
    private static async Task WriteWorkerAsync(TempFolder folder, string first)
    {
        // Not by this process: a program that it wrote may be open for writing still, in a child of
        // another test.
        await using ChildProcess sh = ChildProcess.Start(
            new ProcessStartInfo("sh"), "-c", "printf '%s' \"$1\" >\"$0\" && chmod 500 \"$0\"", folder["Worker"], $"#!/bin/sh\ncd {folder.FullName}\n{first}\nexec {Programs.Brick.FileName}\n");
        (await sh.ExitAsync()).Should().Be(0, sh.Errors);
    }

    private static async Task<PortEntry> BoundAsync(PortRegistry registry, string owner, int? unlike = null, TimeSpan? limit = null)
    {
        using CancellationTokenSource end = Deadline.Source(limit);
        await foreach (PortUpdate update in registry.WatchAsync(cancellationToken: end.Token))
        {
            if (registry.TryGetEntry(owner, out PortEntry entry) && entry.State == PortState.Bound && (unlike is null || entry.ProcessId != unlike))
            {
                return entry;
            }
        }

        throw new InvalidOperationException("The watch ended.");
    }

    private static async Task UntilAsync(ChannelReader<PortEntry[]> seen, Func<PortEntry[], bool> matches)
    {
        while (!matches(await seen.ReadAsync().Within()))
        {
            // Older states of the map.
        }
    }

    /// <summary>It has been ended; one that goes on does not outlive the test.</summary>
    private static async Task EndedAsync(int processId)
    {
        try
        {
            using Process process = Process.GetProcessById(processId);
            try
            {
                await process.WaitForExitAsync().Within();
            }
            finally
            {
                process.Kill();
            }
        }
        catch (ArgumentException)
        {
            // It is gone already.
        }
    }

    private static void EndWorkers(PortRegistry registry)
    {
        foreach (int processId in registry.Snapshot().Entries.Select(entry => entry.ProcessId).OfType<int>().Distinct())
        {
            using Process worker = Process.GetProcessById(processId);
            worker.Kill();
        }
    }

    private sealed class DictionaryStore : IKeyValueStore
    {
        private IReadOnlyDictionary<string, PortFact> _facts = new Dictionary<string, PortFact>();

        public Task LockAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public void Unlock()
        {
            // Nobody else is here.
        }

        public Task PutAsync(IReadOnlyDictionary<string, PortFact> changes, CancellationToken cancellationToken)
        {
            _facts = new Dictionary<string, PortFact>(changes);
            return Task.CompletedTask;
        }

        public Task<IReadOnlyCollection<PortFact>> ReadAllAsync(CancellationToken cancellationToken) =>
            Task.FromResult<IReadOnlyCollection<PortFact>>([.. _facts.Values]);
    }
}
