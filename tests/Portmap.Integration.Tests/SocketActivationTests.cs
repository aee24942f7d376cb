using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using Portmap.Rpc;
using Portmap.TestKit.Processes;

namespace Portmap.Integration.Tests;

/// <summary>A daemon whose socket is made by who starts it, as systemd does for a socket unit:
/// while it is started again, connections wait.</summary>
public sealed class SocketActivationTests
{
    private const int Workers = 2_000;

    /// <summary>For all of them to sign in, or to sign in again.</summary>
    private static readonly TimeSpan s_crowdLimit = TimeSpan.FromMinutes(2);

    /// <summary>The table of PORTMAP_TEST_SCALE: 4 is twenty restarts.</summary>
    private static readonly int s_restarts = 5 * int.Parse(Environment.GetEnvironmentVariable("PORTMAP_TEST_SCALE") ?? "1", CultureInfo.InvariantCulture);

    [NeedsFact("python3")]
    public async Task Connect_WhileTheDaemonIsDown_WaitsAndIsAnsweredByTheNextOne()
    {
        using TempFolder folder = new();
        await using Activation activation = await Activation.StartAsync(folder);
        await activation.KillAsync();

        Task<PortmapClient> connecting = PatientClient.ConnectAsync(activation.Endpoint);
        using (Socket probe = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
        {
            await probe.ConnectAsync(new UnixDomainSocketEndPoint(folder["d.sock"])).Within();   // the kernel takes it in
        }

        connecting.IsCompleted.Should().BeFalse("nobody is there to answer");
        await activation.GoOnAsync();
        await using PortmapClient client = await connecting.Within();
        await client.PingAsync().Within();
    }

    [NeedsFact("python3")]
    public async Task Serve_SocketOfItsStarter_LeavesTheFileAndHandsTheSocketToNoWorker()
    {
        using TempFolder folder = new();
        await using Activation activation = await Activation.StartAsync(folder);

        // Descriptor 4 is the endpoint's; 3 listens somewhere else and stays as it was.
        Flags(activation.ProcessId, 4).Should().Be(CloseOnExec, "a worker that inherits it takes in connections that nobody answers");
        Flags(activation.ProcessId, 3).Should().Be(0);
        Signal.Terminate.SendTo(activation.ProcessId);
        (await activation.Starter.ReadLineAsync()).Should().Be($"ended {activation.ProcessId}");

        File.Exists(folder["d.sock"]).Should().BeTrue("it is not the daemon's to delete");
        File.Exists(folder["d.sock.lock"]).Should().BeFalse("nor to lock");
        await activation.GoOnAsync();
        await using PortmapClient client = await PatientClient.ConnectAsync(activation.Endpoint).Within();
    }

    [NeedsFact("python3")]
    public async Task Serve_TcpSocketOfItsStarter_ListensOnIt()
    {
        await using ChildProcess daemon = StartOnTcp(listenPid: null);

        string ready = await daemon.ReadLineAsync();

        ready.Should().StartWith("ready tcp:");
        await using PortmapClient client = await PatientClient.ConnectAsync(PortmapEndpoint.Parse(ready["ready ".Length..])).Within();
        await client.PingAsync().Within();
    }

    [NeedsFact("python3")]
    public async Task Serve_SocketThatWasPassedToAnotherProcess_IsLeftToIt()
    {
        await using ChildProcess daemon = StartOnTcp(listenPid: 1);

        (await daemon.ReadToEndAsync()).Should().NotContain(line => line.StartsWith("ready ", StringComparison.Ordinal), "the address is another's");
        (await daemon.ExitAsync()).Should().NotBe(0);
    }

    [NeedsFact("python3")]
    public async Task Workers_DaemonKilledAgainAndAgain_AreNeverRefusedAndAllComeBack()
    {
        using TempFolder folder = new();
        await using Activation activation = await Activation.StartAsync(folder);
        Refusals refusals = new();
        using TcpListener listener = new(PortBlock.Loopback, PortBlock.TakeOne());
        listener.Start();
        WorkerPort[] workers = await Task.WhenAll(Enumerable.Range(0, Workers).Select(i => WorkerPort.SignInAsync(
            listener.Server, new WorkerPortOptions { Endpoint = activation.Endpoint.ToString(), Owner = $"w{i}", Logger = refusals, ConnectTimeout = s_crowdLimit }))).Within(s_crowdLimit);
        try
        {
            for (int restart = 0; restart < s_restarts; restart++)
            {
                await activation.KillAsync();
                await activation.GoOnAsync();
                await AllAreServedAsync(activation.Endpoint);
            }

            refusals.Count.Should().Be(0);
        }
        finally
        {
            await Task.WhenAll(workers.Select(worker => worker.DisposeAsync().AsTask())).Within(s_crowdLimit);
        }
    }

    [Fact]
    public async Task Workers_DaemonThatMakesItsOwnSocketKilled_AreRefusedMeanwhile()
    {
        using TempFolder folder = new();
        ChildProcess daemon = await Samples.ServeAsync("--unix", folder["d.sock"]);
        Refusals refusals = new();
        using TcpListener listener = new(PortBlock.Loopback, PortBlock.TakeOne());
        listener.Start();
        await using WorkerPort worker = await WorkerPort.SignInAsync(listener.Server, new WorkerPortOptions { Endpoint = $"unix:{folder["d.sock"]}", Owner = "w", Logger = refusals, ConnectTimeout = Deadline.Default }).Within();

        await daemon.DisposeAsync();

        await refusals.First.Within();   // what the test above counts is seen
    }

    /// <summary>A daemon that is to serve a TCP address which its starter listens at, with that
    /// socket as descriptor 3.</summary>
    private static ChildProcess StartOnTcp(int? listenPid)
    {
        const string Script = """
            import os, socket, sys
            listener = socket.socket()
            listener.bind((sys.argv[1], 0))
            listener.listen()
            os.dup2(listener.fileno(), 3)
            os.set_inheritable(3, True)
            os.environ["LISTEN_PID"] = sys.argv[2] or str(os.getpid())
            os.environ["LISTEN_FDS"] = "1"
            os.execv(sys.argv[3], [sys.argv[3], "serve", "--tcp", "%s:%d" % listener.getsockname()])
            """;
        ProcessStartInfo daemon = Samples.ManagementDaemon, start = new("python3");
        foreach ((string name, string? value) in daemon.Environment)
        {
            start.Environment[name] = value;
        }

        return ChildProcess.Start(start, "-c", Script, $"{PortBlock.TakeLoopback()}", string.Create(CultureInfo.InvariantCulture, $"{listenPid}"), daemon.FileName);
    }

    private static async Task AllAreServedAsync(PortmapEndpoint endpoint)
    {
        using CancellationTokenSource end = Deadline.Source(s_crowdLimit);
        await using PortmapClient client = await PortmapClient.ConnectAsync(endpoint, new PortmapClientOptions { ConnectTimeout = s_crowdLimit }, end.Token);
        HashSet<string> served = [];
        await foreach (PortUpdate update in client.WatchAsync(cancellationToken: end.Token))
        {
            served.UnionWith((update.Snapshot?.Entries ?? []).Where(entry => entry.State == PortState.Bound).Select(entry => entry.Owner));
            served.UnionWith(update.Changes.Where(change => change.Kind == PortChangeKind.Registered).Select(change => change.Entry.Owner));
            if (served.Count == Workers)
            {
                return;
            }
        }
    }

    private const int CloseOnExec = 0x80000;   // O_CLOEXEC

    private static int Flags(int processId, int descriptor) => File.ReadLines($"/proc/{processId}/fdinfo/{descriptor}")
        .Where(line => line.StartsWith("flags:", StringComparison.Ordinal))
        .Select(line => Convert.ToInt32(line["flags:".Length..].Trim(), 8) & CloseOnExec).Single();

    /// <summary>The starter with the socket, and the daemon that it started last.</summary>
    private sealed class Activation(ChildProcess starter, string path) : IAsyncDisposable
    {
        public ChildProcess Starter => starter;

        public PortmapEndpoint Endpoint { get; } = PortmapEndpoint.Parse("unix:" + path);

        public int ProcessId { get; private set; }

        public static async Task<Activation> StartAsync(TempFolder folder)
        {
            ProcessStartInfo daemon = Samples.ManagementDaemon;
            ProcessStartInfo start = new("python3", [Path.Combine(AppContext.BaseDirectory, "Servers", "activate.py"), folder["d.sock"], daemon.FileName, "serve", "--unix", folder["d.sock"]]);
            foreach ((string name, string? value) in daemon.Environment)
            {
                start.Environment[name] = value;
            }

            start.Environment["PortmapServer__MaxConnectionsPerPeer"] = (2 * Workers).ToString(CultureInfo.InvariantCulture);   // all of them in one process
            Activation activation = new(ChildProcess.Start(start), folder["d.sock"]);
            await activation.IsUpAsync();
            return activation;
        }

        public async Task KillAsync()
        {
            using (Process daemon = Process.GetProcessById(ProcessId))
            {
                daemon.Kill();
            }

            (await starter.ReadLineAsync()).Should().Be($"ended {ProcessId}");
        }

        public async Task GoOnAsync()
        {
            await starter.Process.StandardInput.WriteLineAsync("go on").Within();
            await IsUpAsync();
        }

        public ValueTask DisposeAsync() => starter.DisposeAsync();

        private async Task IsUpAsync()
        {
            // Two processes write to one pipe, the starter first.
            string[] lines = [await starter.ReadLineAsync(), await starter.ReadLineAsync()];
            ProcessId = int.Parse(lines.Single(line => line.StartsWith("started ", StringComparison.Ordinal))["started ".Length..], CultureInfo.InvariantCulture);
            lines.Should().Contain($"ready {Endpoint}");
        }
    }

    /// <summary>Counts the connects that were refused, out of what workers report.</summary>
    private sealed class Refusals : ILogger
    {
        private readonly TaskCompletionSource _first = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private int _count;

        public int Count => Volatile.Read(ref _count);

        public Task First => _first.Task;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            for (Exception? e = exception; e is not null; e = e.InnerException)
            {
                if (e is SocketException { SocketErrorCode: SocketError.ConnectionRefused } or SocketException { SocketErrorCode: SocketError.AddressNotAvailable })
                {
                    Interlocked.Increment(ref _count);
                    _first.TrySetResult();
                }
            }
        }
    }
}
