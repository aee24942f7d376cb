using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Portmap.Rpc;
using Portmap.TestKit.Processes;

namespace Portmap.Integration.Tests;

/// <summary><c>serve --portserver</c>: what unmodified clients of portpicker get from the registry.
/// They are Debian's python3-portpicker.</summary>
public sealed class PortServerTests
{
    private const string Library = "/usr/lib/python3/dist-packages/portpicker.py";

    private const string Pick = """
        import sys, portpicker
        for i in range(int(sys.argv[1])): print(portpicker.pick_unused_port(), flush=True)
        sys.stdin.readline()
        """;

    /// <summary>Uses the picked ports in every way a client may: without SO_REUSEADDR, with it, on
    /// one family, on both, for TCP and for UDP.</summary>
    private const string PickAndBind = """
        import sys, socket, portpicker
        s = []
        for family, kind, host, reuse in ((socket.AF_INET, socket.SOCK_STREAM, '', 0), (socket.AF_INET, socket.SOCK_STREAM, '127.0.0.1', 1),
                                          (socket.AF_INET6, socket.SOCK_STREAM, '::', 0), (socket.AF_INET, socket.SOCK_DGRAM, '', 0), (socket.AF_INET6, socket.SOCK_DGRAM, '::', 0)):
            s.append(socket.socket(family, kind))
            s[-1].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reuse)
            s[-1].bind((host, portpicker.pick_unused_port()))
            if kind == socket.SOCK_STREAM: s[-1].listen()
            print(s[-1].getsockname()[1], flush=True)
        sys.stdin.readline()
        """;

    [NeedsFact("python3", Also = [Library])]
    public async Task Portpicker_ThousandPicksByTwentyAtOnce_NoNumberTwiceAndAllBackAfterKill()
    {
        await using Scene scene = await Scene.StartAsync(ports: 1_200);
        List<ChildProcess> first = [.. Enumerable.Range(0, 20).Select(_ => scene.Python(Pick, "50"))];
        int[][] picked = await Task.WhenAll(first.Select(picker => ReadAsync(picker, 50)));
        picked.SelectMany(ports => ports).Should().OnlyHaveUniqueItems().And.OnlyContain(port => scene.Ports.Contains(port));

        // Half of them die; who comes then gets nothing of those that live.
        long revision = await scene.RevisionAsync();
        first[..10].ForEach(picker => picker.Kill());
        await scene.EndedAsync(revision, 1_000);   // on two protocols
        List<ChildProcess> second = [.. Enumerable.Range(0, 10).Select(_ => scene.Python(Pick, "50"))];
        int[][] again = await Task.WhenAll(second.Select(picker => ReadAsync(picker, 50)));
        int[] living = [.. picked[10..].Concat(again).SelectMany(ports => ports)];
        living.Should().OnlyHaveUniqueItems().And.OnlyContain(port => scene.Ports.Contains(port));

        revision = await scene.RevisionAsync();
        first[10..].Concat(second).ToList().ForEach(picker => picker.Kill());
        await scene.EndedAsync(revision, 2_000);
        (await scene.Client.SnapshotAsync().Within()).Entries.Should().OnlyContain(entry => entry.State == PortState.Cooling);
    }

    [NeedsFact("python3", Also = [Library])]
    public async Task Portpicker_WithAndWithoutReuseAddress_BindsWhatItWasGiven()
    {
        await using Scene scene = await Scene.StartAsync(ports: 20);

        (await ReadAsync(scene.Python(PickAndBind), 5)).Should().OnlyHaveUniqueItems().And.OnlyContain(port => scene.Ports.Contains(port));
    }

    [NeedsFact("python3", Also = [Library])]
    public async Task Portpicker_DaemonIsKilledAndStartedAgain_PortsStayWithTheirProcesses()
    {
        await using Scene scene = await Scene.StartAsync(ports: 8, withState: true);
        ChildProcess lives = scene.Python(Pick, "3"), dies = scene.Python(Pick, "2");
        int[] kept = await ReadAsync(lives, 3), back = await ReadAsync(dies, 2);

        await scene.KillAsync();
        dies.Kill();
        await dies.ExitAsync();
        await scene.StartAgainAsync();

        int another = int.Parse(await scene.AskAsync($"{lives.Id}\n"), CultureInfo.InvariantCulture);
        kept.Append(0).Should().NotContain(another);
        PortEntry[] held = [.. (await scene.Client.SnapshotAsync().Within()).Entries.Where(entry => entry.State == PortState.Reserved && entry.Protocol == PortProtocol.Tcp)];
        held.Where(entry => entry.Owner.StartsWith($"portpicker/{lives.Id}/", StringComparison.Ordinal)).Select(entry => entry.Port).Should().Contain(kept).And.HaveCount(4);
        held.Select(entry => entry.Port).Should().NotContain(back, "their process died while nobody looked");

        long revision = await scene.RevisionAsync();
        lives.Kill();
        await scene.EndedAsync(revision, 8);   // on two protocols
    }

    [NeedsFact("python3", Also = [Library])]
    public async Task Portpicker_NothingLeft_IsTold0AndWhatLivesKeepsItsPorts()
    {
        await using Scene scene = await Scene.StartAsync(ports: 4);
        ChildProcess picker = scene.Python(Pick, "4");
        (await ReadAsync(picker, 4)).Should().BeEquivalentTo(Enumerable.Range(scene.Ports.First, 4));

        (await scene.AskAsync($"{Environment.ProcessId}\n")).Should().Be("0\n");
    }

    [Theory]
    [InlineData("none\n")]
    [InlineData("-1\n")]
    [InlineData("0\n")]
    [InlineData("1\n")]
    [InlineData("2147483647\n")]
    [InlineData("123456789012345678901234567890")]
    public async Task Ask_ForNoProcess_IsTold0(string question)
    {
        await using Scene scene = await Scene.StartAsync(ports: 4);

        (await scene.AskAsync(question)).Should().Be("0\n");
        (await scene.AskAsync($"{Environment.ProcessId}\n")).Should().NotBe("0\n");
    }

    [Fact]
    public async Task Ask_ForAnotherProcessOfOneUser_ItGetsThePortUntilItDies()
    {
        await using Scene scene = await Scene.StartAsync(ports: 4);
        await using ChildProcess other = ChildProcess.Start(new ProcessStartInfo("cat"));
        int port = int.Parse(await scene.AskAsync($"{other.Id}\n"), CultureInfo.InvariantCulture);
        PortEntry held = (await scene.Client.SnapshotAsync().Within()).Entries.First(entry => entry.Port == port);
        held.Owner.Should().StartWith($"portpicker/{other.Id}/");
        long revision = await scene.RevisionAsync();

        other.Kill();

        await scene.EndedAsync(revision, 2);
    }

    [NeedsRootFact("setpriv")]
    public async Task Ask_ByAnotherUserForOurProcess_IsTold0()
    {
        await using Scene scene = await Scene.StartAsync(ports: 4);
        const string Ask = "import socket,sys; s=socket.socket(socket.AF_UNIX); s.connect('\\0'+sys.argv[1]); s.sendall((sys.argv[2]+'\\n').encode()); print(s.recv(99).decode().strip())";
        ProcessStartInfo start = new("setpriv", ["--reuid=65534", "--regid=65534", "--clear-groups", "/usr/bin/python3", "-c", Ask, scene.Address[1..], Environment.ProcessId.ToString(CultureInfo.InvariantCulture)]);

        await using ChildProcess stranger = ChildProcess.Start(start);

        (await stranger.ReadLineAsync()).Should().Be("0");
    }

    [Fact]
    public async Task Serve_AddressTakenOrImpossible_OneClearLine()
    {
        using TempFolder folder = new();
        await using Scene scene = await Scene.StartAsync(ports: 4);
        await using ChildProcess second = ChildProcess.Start(Samples.ManagementDaemon, "serve", "--unix", folder["d.sock"], "--portserver", scene.Address);
        await using ChildProcess bad = ChildProcess.Start(Samples.ManagementDaemon, "serve", "--unix", folder["e.sock"], "--portserver", "@");

        (await second.ExitAsync()).Should().Be(1);
        second.Errors.TrimEnd().Split('\n')[^1].Should().Match($"ManagementDaemon: *{scene.Address}*choose another address.");
        (await bad.ExitAsync()).Should().Be(2);
        bad.Errors.TrimEnd().Should().Contain("'@' is no address of a port server").And.NotContain("\n");
    }

    [Fact]
    public async Task Serve_AnOrdinaryFileLiesAtTheAddress_IsLeftAlone()
    {
        using TempFolder folder = new();
        await File.WriteAllTextAsync(folder["notes"], "mine").Within();
        await using ChildProcess daemon = ChildProcess.Start(Samples.ManagementDaemon, "serve", "--unix", folder["d.sock"], "--portserver", folder["notes"]);

        (await daemon.ExitAsync()).Should().Be(1);

        daemon.Errors.TrimEnd().Split('\n')[^1].Should().Match($"ManagementDaemon: *{folder["notes"]}*choose another address.");
        (await File.ReadAllTextAsync(folder["notes"]).Within()).Should().Be("mine");
    }

    private static async Task<int[]> ReadAsync(ChildProcess picker, int count)
    {
        List<int> ports = [];
        while (ports.Count < count)
        {
            ports.Add(int.Parse(await picker.ReadLineAsync(), CultureInfo.InvariantCulture));
        }

        return [.. ports];
    }

    private sealed class Scene(TempFolder folder, PortRange ports, string address, bool withState) : IAsyncDisposable
    {
        private readonly List<ChildProcess> _pickers = [];

        private ChildProcess _daemon = null!;

        public PortmapClient Client { get; private set; } = null!;

        public PortRange Ports => ports;

        public string Address => address;

        public static async Task<Scene> StartAsync(int ports, bool withState = false)
        {
            TempFolder folder = new();
            PortRange range = PortBlock.Take(ports);
            string address = string.Create(CultureInfo.InvariantCulture, $"@portmap-test-{Environment.ProcessId}-{range.First}");
            Scene scene = new(folder, range, address, withState);
            await scene.StartAgainAsync();
            return scene;
        }

        public async Task StartAgainAsync()
        {
            _daemon = await Samples.ServeAsync(
                ["--unix", folder["d.sock"], "--range", $"{ports}", "--portserver", address, .. withState ? ["--state", folder["state"]] : (string[])[]]);
            Client = await PatientClient.ConnectAsync(PortmapEndpoint.Parse($"unix:{folder["d.sock"]}")).Within();
        }

        public async Task KillAsync()
        {
            await Client.DisposeAsync();
            _daemon.Kill();
            await _daemon.DisposeAsync();
        }

        /// <summary>Starts a program that finds portpicker and the port server.</summary>
        public ChildProcess Python(string script, params string[] arguments)
        {
            ProcessStartInfo start = new("python3", ["-c", script, .. arguments]);
            start.Environment["PYTHONPATH"] = Path.GetDirectoryName(Library);
            start.Environment["PORTSERVER_ADDRESS"] = address;
            ChildProcess picker = ChildProcess.Start(start);
            _pickers.Add(picker);
            return picker;
        }

        /// <summary>The whole answer to a question.</summary>
        public async Task<string> AskAsync(string question)
        {
            using Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            await socket.ConnectAsync(new UnixDomainSocketEndPoint($"\0{address[1..]}")).Within();
            await socket.SendAsync(Encoding.ASCII.GetBytes(question)).Within();
            byte[] answer = new byte[100];
            return Encoding.ASCII.GetString(answer, 0, await socket.ReceiveAsync(answer).Within());
        }

        public async Task<long> RevisionAsync() => (await Client.SnapshotAsync().Within()).Revision;

        /// <summary>Waits until so many claims have ended since.</summary>
        public async Task EndedAsync(long afterRevision, int count)
        {
            using CancellationTokenSource end = Deadline.Source();
            HashSet<(string, PortProtocol)> ended = [];
            await foreach (PortUpdate update in Client.WatchAsync(afterRevision, cancellationToken: end.Token))
            {
                ended.UnionWith(update.Changes.Where(change => change.Kind == PortChangeKind.Released).Select(change => (change.Entry.Owner, change.Entry.Protocol)));
                if (ended.Count >= count)
                {
                    return;
                }
            }
        }

        public async ValueTask DisposeAsync()
        {
            foreach (ChildProcess picker in _pickers)
            {
                await picker.DisposeAsync();
            }

            await Client.DisposeAsync();
            await _daemon.DisposeAsync();
            folder.Dispose();
        }
    }
}
