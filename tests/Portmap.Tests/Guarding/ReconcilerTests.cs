using System.Globalization;
using Portmap.Tests.Support;

namespace Portmap.Tests.Guarding;

/// <summary>The book held against the kernel: a manual clock, real sockets, real
/// processes.</summary>
public sealed class ReconcilerTests
{
    [Fact]
    public async Task Reconcile_NobodyListensAnyMore_EndsAtTheThirdSightingAndSaysSo()
    {
        await using Scene scene = Scene.OnRealPorts(PortBlock.Take(1));
        int port = PortBlock.TakeOne();
        Stranger socket = Stranger.Listening(port);
        scene.Here.Register("b1", port);
        await using WatchReader changes = WatchReader.FromNow(scene.Registry);
        scene.Registry.Reconcile();
        socket.Dispose();

        scene.Registry.Reconcile();
        scene.Registry.Reconcile();
        scene.PortOf("b1").Should().Be(port, "twice is not enough");
        scene.Registry.Reconcile();

        scene.PortOf("b1").Should().Be(0);
        PortChange change = await changes.NextAsync();
        (change.Kind, change.Entry.Owner, change.Entry.Port).Should().Be((PortChangeKind.StoppedListening, "b1", port));
        scene.Log.Of("StoppedListening").Should().ContainSingle().Which.Should().Contain("b1");
    }

    [Fact]
    public async Task Reconcile_ByTheClock_EveryInterval()
    {
        await using Scene scene = Scene.OnRealPorts(PortBlock.Take(1));
        scene.Here.Register("b1", PortBlock.TakeOne());

        scene.Clock.Advance(scene.Options.ReconcileInterval * 2);
        scene.PortOf("b1").Should().NotBe(0);
        scene.Clock.Advance(scene.Options.ReconcileInterval);

        await Eventually.TrueAsync(() => scene.PortOf("b1") == 0);
    }

    [Fact]
    public async Task Reconcile_ListenerComesBack_TheCountBeginsAnew()
    {
        await using Scene scene = Scene.OnRealPorts(PortBlock.Take(1));
        int port = PortBlock.TakeOne();
        scene.Here.Register("b1", port);
        scene.Registry.Reconcile();
        scene.Registry.Reconcile();
        using (Stranger.Listening(port))
        {
            scene.Registry.Reconcile();
        }

        scene.Registry.Reconcile();
        scene.Registry.Reconcile();

        scene.PortOf("b1").Should().Be(port);
    }

    [Fact]
    public async Task Reconcile_ProcessDied_EndsAtOnce()
    {
        await using Scene scene = Scene.OnRealPorts(PortBlock.Take(1), options => options.LivenessInterval = TimeSpan.FromHours(1));
        Child child = scene.StartChild();
        scene.SessionOf(child).Register("b1", PortBlock.TakeOne());
        await using WatchReader changes = WatchReader.FromNow(scene.Registry);
        child.Kill();

        scene.Registry.Reconcile();

        scene.PortOf("b1").Should().Be(0);
        (await changes.NextAsync()).Kind.Should().Be(PortChangeKind.Died);
    }

    [Fact]
    public async Task Reconcile_SeveralProcessesDied_AllEndAtOnce()
    {
        await using PortTestWorld world = new(options => (options.LivenessInterval, options.ReconcileInterval) = (TimeSpan.FromHours(1), TimeSpan.FromSeconds(10)));
        FakeProcess[] processes = [.. Enumerable.Range(0, 4).Select(_ => world.StartProcess())];
        for (int i = 0; i < processes.Length; i++)
        {
            processes[i].Listen(50_000 + i);
            processes[i].Connect(world.Registry).Register(FormattableString.Invariant($"b{i}"), 50_000 + i);
        }

        await using WatchReader changes = WatchReader.FromNow(world.Registry);
        Array.ForEach(processes, process => process.Kill(keepConnections: true));

        world.Clock.Advance(TimeSpan.FromSeconds(10));

        for (int i = 0; i < processes.Length; i++)
        {
            world.PortOf(FormattableString.Invariant($"b{i}")).Should().BeNull("process {0} of {1} is dead", i, processes.Length);
            (await changes.NextAsync()).Kind.Should().Be(PortChangeKind.Died);
        }
    }

    [Fact]
    public async Task Reconcile_UdpSocketIsBound_StaysAndEndsWithoutIt()
    {
        await using Scene scene = Scene.OnRealPorts(PortBlock.Take(1));
        int port = PortBlock.TakeOne();
        using (Stranger.OnUdp(port))
        {
            scene.Here.Register("dns", port, protocol: PortProtocol.Udp);
            Times(3, scene.Registry.Reconcile);
            scene.PortOf("dns", PortProtocol.Udp).Should().Be(port);
        }

        Times(3, scene.Registry.Reconcile);

        scene.PortOf("dns", PortProtocol.Udp).Should().Be(0);
    }

    [Fact]
    public async Task Reconcile_UnknownProcess_IsLeftAlone()
    {
        await using Scene scene = Scene.OnRealPorts(PortBlock.Take(1));
        await using PortSession unknown = scene.Registry.OpenSession(null);
        int port = PortBlock.TakeOne();
        unknown.Register("b1", port);

        Times(4, scene.Registry.Reconcile);

        scene.PortOf("b1").Should().Be(port, "what cannot be seen is not ended");
    }

    [NeedsNamespaceFact]
    public async Task Reconcile_ProcessListensInANetworkOfItsOwn_IsLeftAlone()
    {
        const string Server = "import socket,time; s=socket.socket(); s.bind(('0.0.0.0',int(__import__('sys').argv[1]))); s.listen(); print('listening',flush=True); time.sleep(600)";
        int port = PortBlock.TakeOne();
        await using Scene scene = Scene.OnRealPorts(PortBlock.Take(1));
        using Child server = Child.Start("unshare", "-n", "python3", "-c", Server, port.ToString(CultureInfo.InvariantCulture));
        (await server.Process.StandardOutput.ReadLineAsync().Within()).Should().Be("listening");
        scene.SessionOf(server).Register("b1", port);

        Times(4, scene.Registry.Reconcile);

        scene.PortOf("b1").Should().Be(port);
    }

    [NeedsTheory("python3")]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Reconcile_ProcessClosedItsListenerAndAStrangerListens_TheInodeDecidesWhereItWasAskedFor(bool verifies)
    {
        await using Scene scene = Scene.OnRealPorts(PortBlock.Take(1), options => options.VerifyProcess = verifies);
        int port = PortBlock.TakeOne();
        using Programs programs = new();
        System.Diagnostics.Process server = programs.Start(Programs.Closes, ports: port);
        await programs.NextAsync(server);
        await scene.Registry.OpenSession(server.Id).RegisterAsync(new PortClaimRequest("b1", port)).AsTask().Within();
        Times(6, scene.Registry.Reconcile);
        scene.PortOf("b1").Should().Be(port, "it listens");
        await server.StandardInput.WriteLineAsync().Within();
        await programs.NextAsync(server);
        using Stranger stranger = Stranger.Listening(port);
        await using WatchReader changes = WatchReader.FromNow(scene.Registry);

        Times(6, scene.Registry.Reconcile);

        scene.PortOf("b1").Should().Be(verifies ? 0 : port);
        if (verifies)
        {
            (await changes.NextAsync()).Kind.Should().Be(PortChangeKind.StoppedListening);
            scene.StateOf(port).Should().Be(PortState.Foreign, "the stranger has it");
        }
    }

    [NeedsFact("python3")]
    public async Task Reconcile_UdpSocketOfTheProcessGotAPeer_IsItsAllTheSame()
    {
        await using Scene scene = Scene.OnRealPorts(PortBlock.Take(1), options => options.VerifyProcess = true);
        int port = PortBlock.TakeOne();
        using System.Net.Sockets.Socket socket = new(System.Net.Sockets.AddressFamily.InterNetwork, System.Net.Sockets.SocketType.Dgram, System.Net.Sockets.ProtocolType.Udp);
        socket.Bind(new System.Net.IPEndPoint(System.Net.IPAddress.Loopback, port));
        await scene.Here.RegisterAsync(new PortClaimRequest("dns", port) { Protocol = PortProtocol.Udp }).AsTask().Within();
        await socket.ConnectAsync(System.Net.IPAddress.Loopback, PortBlock.TakeOne()).Within();

        Times(6, scene.Registry.Reconcile);

        scene.PortOf("dns", PortProtocol.Udp).Should().Be(port);
    }

    [NeedsFact("python3")]
    public async Task Reconcile_MasterOfAProgramClosesItsListenerAndAWorkerKeepsIt_TheEntryPassesOn()
    {
        await using Scene scene = Scene.OnRealPorts(PortBlock.Take(1));
        PortLease lease = scene.Acquire("b1");
        lease.OpenGate();
        using Programs programs = new();
        System.Diagnostics.Process master = programs.Start(Programs.LeavesItToAWorker, ports: lease.Port);
        (_, int worker) = await programs.NextAsync(master);
        (await lease.RegisterAsync(master).Within()).ProcessId.Should().Be(master.Id);
        await master.StandardInput.WriteLineAsync().Within();
        await programs.NextAsync(master);

        Times(3, scene.Registry.Reconcile);

        scene.Registry.TryGetEntry("b1", out PortEntry entry).Should().BeTrue();
        (entry.Port, entry.ProcessId).Should().Be((lease.Port, worker));
    }

    [Fact]
    public async Task Reconcile_TakesOneReadForAllPorts()
    {
        await using Scene scene = Scene.OnRealPorts(PortBlock.Take(1));
        PortRange ports = PortBlock.Take(50);
        Stranger[] sockets = [.. Enumerable.Range(ports.First, ports.Count).Select(port => Stranger.Listening(port))];
        foreach (int port in Enumerable.Range(ports.First, ports.Count))
        {
            scene.Here.Register($"b{port}", port);
        }

        int before = scene.Registry.Listeners.Reads;

        Times(4, scene.Registry.Reconcile);

        (scene.Registry.Listeners.Reads - before).Should().Be(4);
        scene.Registry.Snapshot().Entries.Count(entry => entry.State == PortState.Bound).Should().Be(ports.Count);
        scene.Registry.Guard.Count.Should().Be(0, "it never binds");
        Array.ForEach(sockets, socket => socket.Dispose());
    }

    private static void Times(int count, Action action)
    {
        for (int i = 0; i < count; i++)
        {
            action();
        }
    }
}
