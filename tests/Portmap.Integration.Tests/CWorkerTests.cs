using System.Diagnostics;
using System.Globalization;
using Portmap.Rpc;
using Portmap.TestKit.Processes;

namespace Portmap.Integration.Tests;

/// <summary>A worker in C, on the stubs that rpcgen makes of portmap.x: any language can be one.
/// Nothing of .NET is on its side.</summary>
public sealed class CWorkerTests
{
    private const string Header = "/usr/include/tirpc/rpc/rpc.h";
    private const string Owner = "vol0:/bricks/c";

    [NeedsFact("gcc", Also = ["rpcgen", Header])]
    public Task Worker_OverUnix_AcquiresRegistersLooksUpAndReleases() => PlayAsync(overTcp: false, "ProcessBinds");

    [NeedsFact("gcc", Also = ["rpcgen", Header])]
    public Task Worker_OverTcp_AcquiresRegistersLooksUpAndReleases() => PlayAsync(overTcp: true, "ProcessBinds");

    [NeedsFact("gcc", Also = ["rpcgen", Header])]
    public Task Worker_OfAPortThatTheDaemonPicks_AcquiresRegistersLooksUpAndReleases() => PlayAsync(overTcp: true, "AllocatorPicks");

    [NeedsFact("gcc", Also = ["rpcgen", Header])]
    public async Task Worker_WhosePortIsTakenMeanwhile_ReportsItAndListensOnAnother()
    {
        await using Scene scene = await Scene.StartAsync(overTcp: false, "AllocatorPicks");
        int taken = await scene.StepAsync("acquired");
        await using ChildProcess stranger = await Samples.StrangerOnAsync(taken);

        await scene.GoOnAsync();
        int healed = await scene.StepAsync("healed");
        (await scene.StepAsync("registered")).Should().Be(healed).And.NotBe(taken);
        (await scene.EntryAsync())!.Value.Should().Match<PortEntry>(entry => entry.Port == healed && entry.State == PortState.Bound && entry.ProcessId == scene.Worker.Id);
    }

    [NeedsFact("gcc", Also = ["rpcgen", Header])]
    public async Task Worker_OfSeveralOwners_AcquiresPortsInARowInOneCall()
    {
        await using Scene scene = await Scene.StartAsync(overTcp: false, "AllocatorPicks", arguments: ["-r", Owner, $"{Owner}/admin", $"{Owner}/metrics"]);
        int[] leased = [await scene.StepAsync("acquired"), await scene.StepAsync("acquired"), await scene.StepAsync("acquired")];
        leased.Should().Equal(leased[0], leased[0] + 1, leased[0] + 2);

        await scene.GoOnAsync();
        foreach (int port in leased)
        {
            (await scene.StepAsync("registered")).Should().Be(port);
            (await scene.StepAsync("found")).Should().Be(port);
        }

        (await scene.EntryAsync())!.Value.Should().Match<PortEntry>(entry => entry.Port == leased[0] && entry.State == PortState.Bound && entry.ProcessId == scene.Worker.Id);
        await scene.GoOnAsync();
        foreach (int port in leased)
        {
            (await scene.StepAsync("released")).Should().Be(port);
        }

        await scene.GoOnAsync();
        (await scene.Worker.ExitAsync()).Should().Be(0, scene.Worker.Errors);
    }

    [NeedsFact("gcc", Also = ["rpcgen", Header])]
    public Task Worker_OfARangeThatTheDaemonPicksIn_IsGivenThere() => PlayAsync(overTcp: false, "AllocatorPicks", PortBlock.Take(2));

    [NeedsFact("gcc", Also = ["rpcgen", Header])]
    public Task Worker_OfARangeThatItBindsIn_ListensThere() => PlayAsync(overTcp: false, "ProcessBinds", PortBlock.Take(2));

    [NeedsFact("gcc", Also = ["rpcgen", Header])]
    public async Task Worker_OfTwoPortsByName_RegistersBothAndReleasesBoth()
    {
        using TempFolder folder = new();
        string program = await Scene.BuildAsync(folder);
        await using TestDaemon daemon = await TestDaemon.StartAsync(folder, new PortRegistryOptions { Ports = PortBlock.Take(8).ToString(), Strategy = "AllocatorPicks" });
        PortLease data = await daemon.Registry.AcquireAsync(Owner).Within(), admin = await daemon.Registry.AcquireAsync(Owner + "/admin").Within();
        ProcessStartInfo start = new(program);
        data.PrepareStart(start, name: "data");
        admin.PrepareStart(start, name: "admin");
        await using ChildProcess worker = ChildProcess.Start(start, "-n", "data", "admin");

        foreach (PortLease lease in (PortLease[])[data, admin])
        {
            PortEntry entry = await lease.WhenBound.Within();
            (entry.Port, entry.ProcessId, entry.Epoch).Should().Be((lease.Port, worker.Id, lease.Epoch));
            (await worker.ReadLineAsync()).Should().Be($"registered {lease.Port}");
            (await worker.ReadLineAsync()).Should().Be($"found {lease.Port}");
        }

        (await Line.FromAsync(admin.Port)).Should().Be($"C worker {Owner}/admin pid {worker.Id}");
        (await Line.FromAsync(data.Port)).Should().Be($"C worker {Owner} pid {worker.Id}");
        await worker.Process.StandardInput.WriteLineAsync().Within();
        (await worker.ReadLineAsync()).Should().Be($"released {data.Port}");
        (await worker.ReadLineAsync()).Should().Be($"released {admin.Port}");
        daemon.Registry.TryGetPort(Owner + "/admin", out _).Should().BeFalse();
    }

    [NeedsFact("gcc", Also = ["rpcgen", Header])]
    public async Task Worker_ThatMayNotTakeTheFirstPorts_TakesAnother()
    {
        using TempFolder folder = new();
        string program = await Scene.BuildAsync(folder);
        PortRange range = PortBlock.Take(8);
        await using TestDaemon daemon = await TestDaemon.StartAsync(
            folder, new PortRegistryOptions { Ports = range.ToString(), Exclude = $"{range.First},{range.First + 1}-{range.First + 2}", KeptPorts = { ["other"] = range.First + 4 }, Strategy = "ProcessBinds" });
        PortLease lease = await daemon.Registry.AcquireAsync(Owner).Within();
        ProcessStartInfo start = new(program);
        lease.PrepareStart(start, name: "data");
        await using ChildProcess worker = ChildProcess.Start(start, "-n", "data");

        PortEntry entry = await lease.WhenBound.Within();

        entry.Port.Should().BeOneOf(range.First + 3, range.First + 5, range.First + 6, range.First + 7);
    }

    [NeedsFact("gcc", Also = ["rpcgen", Header])]
    public async Task Worker_WhoseDaemonIsKilled_SaysThatThereIsNoAnswer()
    {
        await using Scene scene = await Scene.StartAsync(overTcp: false, "ProcessBinds");
        await scene.StepAsync("acquired");
        await scene.GoOnAsync();
        await scene.StepAsync("registered");
        await scene.StepAsync("found");

        await scene.KillDaemonAsync();
        await scene.GoOnAsync();

        (await scene.Worker.ExitAsync()).Should().Be(1, scene.Worker.Errors);
        scene.Worker.Errors.Should().Contain("no answer");
    }

    private static async Task PlayAsync(bool overTcp, string strategy, PortRange? asked = null)
    {
        await using Scene scene = await Scene.StartAsync(overTcp, strategy, asked);
        int leased = await scene.StepAsync("acquired");
        (leased == 0).Should().Be(strategy == "ProcessBinds", "who picks the port is the daemon's choice");
        PortEntry lease = (await scene.EntryAsync())!.Value;
        (lease.State, lease.Port, lease.Strategy).Should().Be((PortState.Reserved, leased, strategy));

        await scene.GoOnAsync();
        int port = await scene.StepAsync("registered");
        asked?.Contains(port).Should().BeTrue("it asked for {0} and has {1}", asked, port);
        PortEntry entry = (await scene.EntryAsync())!.Value;
        (entry.State, entry.Port, entry.ProcessId, entry.Epoch).Should().Be((PortState.Bound, port, scene.Worker.Id, lease.Epoch));
        (await scene.StepAsync("found")).Should().Be(port);
        (await Line.FromAsync(port)).Should().Be($"C worker {Owner} pid {scene.Worker.Id}");

        await scene.GoOnAsync();
        (await scene.StepAsync("released")).Should().Be(port);
        (await scene.EntryAsync()).Should().BeNull();
        await scene.GoOnAsync();
        (await scene.Worker.ExitAsync()).Should().Be(0, scene.Worker.Errors);
    }

    /// <summary>A daemon and the worker in C, which has been built and started.</summary>
    private sealed class Scene(TempFolder folder, ChildProcess daemon, PortmapClient client, ChildProcess worker) : IAsyncDisposable
    {
        public ChildProcess Worker => worker;

        public static async Task<Scene> StartAsync(bool overTcp, string strategy, PortRange? asked = null, string[]? arguments = null)
        {
            TempFolder folder = new();
            string program = await BuildAsync(folder);
            string unix = $"unix:{folder["d.sock"]}", tcp = $"tcp:{PortBlock.Loopback}:{PortBlock.TakeOne()}";
            ChildProcess daemon = await Samples.ServeAsync(
                "--unix", folder["d.sock"], "--tcp", tcp["tcp:".Length..], "--strategy", strategy, "--range", string.Join(',', [PortBlock.Take(8), .. asked is { } one ? [one] : (PortRange[])[]]));
            ProcessStartInfo start = new("env", ["--default-signal=PIPE", program]);   // as a shell starts it: .NET ignores the signal, and what it starts would too
            start.Environment["PORTMAP_ENDPOINT"] = overTcp ? tcp : unix;
            ChildProcess worker = ChildProcess.Start(start, arguments ?? [Owner, .. asked is { } ports ? [ports.ToString()] : (string[])[]]);
            return new Scene(folder, daemon, await PatientClient.ConnectAsync(PortmapEndpoint.Parse(unix)).Within(), worker);
        }

        /// <summary>Builds the worker.</summary>
        /// <returns>The program.</returns>
        public static async Task<string> BuildAsync(TempFolder folder)
        {
            string source = Path.Combine(AppContext.BaseDirectory, "samples", "CWorker");
            await using ChildProcess build = ChildProcess.Start(
                new ProcessStartInfo("sh"), Path.Combine(source, "build.sh"), Path.Combine(AppContext.BaseDirectory, "portmap.x"), folder["bin"]);
            (await build.ExitAsync(TimeSpan.FromMinutes(2))).Should().Be(0, build.Errors);
            return folder["bin/worker"];
        }

        /// <summary>The port of the worker's next line, which must name this step.</summary>
        public async Task<int> StepAsync(string name)
        {
            string[] words = (await worker.ReadLineAsync()).Split(' ');
            words[0].Should().Be(name);
            return int.Parse(words[1], CultureInfo.InvariantCulture);
        }

        public Task<int> KillDaemonAsync()
        {
            daemon.Kill();
            return daemon.ExitAsync();
        }

        public Task GoOnAsync() => worker.Process.StandardInput.WriteLineAsync().Within();

        /// <summary>What the daemon's map says of the owner.</summary>
        public Task<PortEntry?> EntryAsync() => client.GetEntryAsync(Owner).Within();

        public async ValueTask DisposeAsync()
        {
            await worker.DisposeAsync();
            await client.DisposeAsync();
            await daemon.DisposeAsync();
            folder.Dispose();
        }
    }
}
