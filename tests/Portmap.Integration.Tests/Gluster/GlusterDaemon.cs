using System.Collections.Immutable;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using Portmap.Rpc;
using Portmap.TestKit.Processes;

namespace Portmap.Integration.Tests.Gluster;

/// <summary>The sample daemon as a process of its own in glusterd's place: on the port that
/// Gluster's programs know, at an address of its own, and with volfiles. What it serves is looked
/// at over its Unix socket.</summary>
internal sealed class GlusterDaemon : IAsyncDisposable
{
    /// <summary>The port that GlusterFS' clients have built in.</summary>
    public const int Port = 24007;

    private readonly TempFolder _folder = new();
    private readonly List<ChildProcess> _programs = [];
    private readonly TimeSpan? _grace;
    private ChildProcess? _daemon;
    private PortmapClient? _client;

    private GlusterDaemon(TimeSpan? grace)
    {
        _grace = grace;
        Directory.CreateDirectory(_folder["volfiles"]);
    }

    /// <summary>Where it listens, and where its bricks do.</summary>
    public IPAddress Address { get; } = PortBlock.TakeLoopback();

    public IPEndPoint TcpEndPoint => new(Address, Port);

    public string SocketPath => _folder["d.sock"];

    /// <summary>A daemon, up when this returns.</summary>
    /// <param name="grace">How long the bricks of a connection that ended are served; null is the
    /// default.</param>
    public static async Task<GlusterDaemon> StartAsync(TimeSpan? grace = null)
    {
        GlusterDaemon daemon = new(grace);
        await daemon.StartProcessAsync();
        return daemon;
    }

    /// <summary>SIGKILL and another daemon in its place, which knows nothing of the
    /// first.</summary>
    public async Task RestartAsync()
    {
        await StopProcessAsync();
        await StartProcessAsync();
    }

    public void AddVolfile(string key, string text) => File.WriteAllText(_folder[$"volfiles/{key}.vol"], text);

    /// <summary>Starts glusterfsd as glusterd does; it is under way when this returns.</summary>
    /// <param name="key">The volfile it asks for.</param>
    /// <param name="name">The brick.</param>
    /// <param name="port">Its port.</param>
    /// <param name="rdmaPort">A second one, as glusterd gives it to bricks with two transports; 0
    /// is none.</param>
    /// <param name="daemonPort">Where it looks for its daemon; 0 is <see cref="Port"/>.</param>
    public ChildProcess StartBrick(string key, string name, int port, int rdmaPort = 0, int daemonPort = 0)
    {
        string id = $"{key}-{_programs.Count}";
        string listen = port.ToString(CultureInfo.InvariantCulture);
        ChildProcess brick = ChildProcess.Start(
            new ProcessStartInfo("glusterfsd"),
            "-N", "-s", $"{Address}", "--volfile-server-port", $"{(daemonPort == 0 ? Port : daemonPort)}", "--volfile-id", key, "-p", _folder[$"{id}.pid"],
            "--brick-name", name, "-l", _folder[$"{id}.log"], "--process-name", "brick",
            "--brick-port", rdmaPort == 0 ? listen : $"{listen},{rdmaPort}", "--xlator-option", $"{Volfile.Server}.listen-port={listen}");
        _programs.Add(brick);
        return brick;
    }

    /// <summary>As <see cref="StartBrick"/>, and found when this returns.</summary>
    public async Task<(ChildProcess Brick, PortEntry Entry)> StartBrickAsync(string key, string name, int port, int rdmaPort = 0, int daemonPort = 0)
    {
        ChildProcess brick = StartBrick(key, name, port, rdmaPort, daemonPort);
        string last = rdmaPort == 0 ? name : name + ".rdma";
        Task<ImmutableArray<PortEntry>> found = UntilAsync(bound => bound.Any(entry => entry.Owner == last && entry.ProcessId == brick.Id));
        (await Task.WhenAny(found, brick.ExitAsync())).Should().BeSameAs(found, "the brick should serve, not end: {0}", LogOf(brick, key));
        return (brick, (await found).Single(entry => entry.Owner == name));
    }

    /// <summary>Waits until what is bound satisfies a condition.</summary>
    public async Task<ImmutableArray<PortEntry>> UntilAsync(Func<ImmutableArray<PortEntry>, bool> condition)
    {
        using CancellationTokenSource end = Deadline.Source();
        while (true)
        {
            (ImmutableArray<PortEntry> bound, long revision) = await BoundAsync(end.Token);
            if (condition(bound))
            {
                return bound;
            }

            await foreach (PortUpdate update in _client!.WatchAsync(revision, cancellationToken: end.Token))
            {
                break; // whatever it is: what is bound now decides
            }
        }
    }

    /// <summary>Does something and waits for the change of an owner that comes of it.</summary>
    /// <param name="name">The brick.</param>
    /// <param name="cause">What is done.</param>
    public async Task<PortChangeKind> ChangeAsync(string name, Action cause)
    {
        using CancellationTokenSource end = Deadline.Source();
        (_, long revision) = await BoundAsync(end.Token);
        cause();
        await foreach (PortUpdate update in _client!.WatchAsync(revision, cancellationToken: end.Token))
        {
            foreach (PortChange change in update.Changes.Where(change => change.Entry.Owner == name))
            {
                return change.Kind;
            }
        }

        throw new InvalidOperationException("The watch ended by itself.");
    }

    /// <summary>Terminates a brick and waits until it is signed out. It exits right after it has
    /// written its sign-out, and its death may be seen before that is read.</summary>
    public async Task TerminateAsync(string name, ChildProcess brick) =>
        (await ChangeAsync(name, () => brick.Send(Signal.Terminate))).Should().BeOneOf(PortChangeKind.Released, PortChangeKind.Died);

    public async Task<ImmutableArray<PortEntry>> BoundAsync() => (await BoundAsync(CancellationToken.None).Within()).Bound;

    /// <summary>What <c>gluster system:: portmap brick2port</c> prints and how it ends.</summary>
    /// <param name="name">The brick.</param>
    /// <param name="overTcp">Over TCP instead of the Unix socket.</param>
    public async Task<(string Output, int ExitCode)> Brick2PortAsync(string name, bool overTcp = false)
    {
        await using ChildProcess gluster = ChildProcess.Start(
            new ProcessStartInfo("gluster"),
            overTcp ? $"--remote-host={Address}" : $"--glusterd-sock={SocketPath}", $"--log-file={_folder["cli.log"]}", "system::", "portmap", "brick2port", name);
        IReadOnlyList<string> lines = await gluster.ReadToEndAsync();
        return (string.Join('\n', lines), await gluster.ExitAsync());
    }

    /// <summary>Asserts that one brick is served and nothing else: by the map and by the port that
    /// <c>gluster</c> prints.</summary>
    public async Task StillServesAsync(PortEntry brick)
    {
        (await Brick2PortAsync(brick.Owner)).Should().Be(($"{brick.Port}", 0));
        (await BoundAsync()).Select(one => (one.Owner, one.Port, one.ProcessId)).Should().Equal((brick.Owner, brick.Port, brick.ProcessId));
    }

    /// <summary>One call of the Gluster Portmap program over TCP from this test process, whom no
    /// brick knows.</summary>
    public async Task<byte[]> CallAsync(uint procedure, string name, int port, int last) =>
        await RawCall.InvokeAsync(new IPEndPoint(Address, Port), 34123456, 1, procedure, [.. RawCall.Opaque(name), .. RawCall.Words((uint)port, (uint)last)]);

    /// <summary>A path in the daemon's folder, which goes with it.</summary>
    public string PathOf(string name) => _folder[name];

    public async ValueTask DisposeAsync()
    {
        foreach (ChildProcess program in _programs)
        {
            await program.DisposeAsync();
        }

        await StopProcessAsync();
        _folder.Dispose();
    }

    private async Task StartProcessAsync()
    {
        ProcessStartInfo start = Samples.ManagementDaemon;
        if (_grace is { } grace)
        {
            start.Environment["Portmap__DisconnectGrace"] = grace.ToString();
        }

        _daemon = ChildProcess.Start(start, "serve", "--unix", SocketPath, "--tcp", $"{Address}:{Port}", "--volfiles", _folder["volfiles"]);
        (await _daemon.ReadLineAsync()).Should().StartWith("ready ");
        _client = await PatientClient.ConnectAsync(PortmapEndpoint.Parse($"unix:{SocketPath}")).Within();
    }

    private async Task StopProcessAsync()
    {
        if (_client is not null)
        {
            await _client.DisposeAsync();
        }

        if (_daemon is not null)
        {
            await _daemon.DisposeAsync();
        }
    }

    private async Task<(ImmutableArray<PortEntry> Bound, long Revision)> BoundAsync(CancellationToken cancellationToken)
    {
        (ImmutableArray<PortEntry> entries, long revision) = await _client!.SnapshotAsync(cancellationToken);
        return ([.. entries.Where(entry => entry.State == PortState.Bound)], revision);
    }

    private string LogOf(ChildProcess brick, string key)
    {
        string path = _folder[$"{key}-{_programs.IndexOf(brick)}.log"];
        return File.Exists(path) ? File.ReadAllText(path) : "it wrote no log";
    }
}
