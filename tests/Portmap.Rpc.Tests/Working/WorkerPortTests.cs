using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Time.Testing;
using Portmap.Rpc.Working;
using Portmap.TestKit.Processes;

namespace Portmap.Rpc.Tests.Working;

/// <summary>A worker against a real server over a real socket, on an address of this test process
/// alone.</summary>
public sealed class WorkerPortTests : AsyncTest
{
    private readonly TempFolder _folder = new();
    private readonly PortRange _range = PortBlock.Take(12);
    private PortRegistry _registry;
    private PortmapServer _server;

    public WorkerPortTests() => (_registry, _server) = Daemon();

    private string Endpoint => "unix:" + _folder["portmap.sock"];

    public override async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        await _registry.DisposeAsync();
        _folder.Dispose();
    }

    [Theory]
    [InlineData("AllocatorPicks", PortProtocol.Tcp)]
    [InlineData("AllocatorPicks", PortProtocol.Udp)]
    [InlineData("AllocatorPicks", PortProtocol.TcpAndUdp)]
    [InlineData("ProcessBinds", PortProtocol.Tcp)]
    [InlineData("ProcessBinds", PortProtocol.Udp)]
    [InlineData("ProcessBinds", PortProtocol.TcpAndUdp)]
    public async Task Listen_WithALease_IsBoundAndItsDisposalReleases(string strategy, PortProtocol protocol)
    {
        await _server.StartAsync().Within();
        PortLease lease = await _registry.AcquireAsync(new PortRequest("b1") { Strategy = strategy, Protocol = protocol }).Within();
        WorkerPort worker = await WorkerPort.ListenAsync(Options(lease)).Within();
        PortEntry entry = await lease.WhenBound.Within();
        worker.Port.Should().Be(entry.Port).And.BeInRange(_range.First, _range.Last);
        worker.Epoch.Should().Be(lease.Epoch);
        worker.Owner.Should().Be("b1");
        (worker.UdpSocket is not null).Should().Be(protocol != PortProtocol.Tcp);
        foreach (PortProtocol one in protocol == PortProtocol.TcpAndUdp ? [PortProtocol.Tcp, PortProtocol.Udp] : (PortProtocol[])[protocol])
        {
            _registry.TryGetPort("b1", out int port, one).Should().BeTrue();
            port.Should().Be(worker.Port);
        }

        long revision = _registry.Snapshot().Revision;
        await worker.DisposeAsync();
        await worker.DisposeAsync();
        await ExpectReleasedAsync(protocol, revision);
        _registry.TryGetPort("b1", out _, protocol == PortProtocol.Udp ? PortProtocol.Udp : PortProtocol.Tcp).Should().BeFalse();
        Rebind(worker.Port).Dispose();
    }

    /// <summary>Of each protocol the first that is told is that it was released: not that a
    /// connection broke off.</summary>
    private async Task ExpectReleasedAsync(PortProtocol protocol, long revision)
    {
        List<PortProtocol> left = protocol == PortProtocol.TcpAndUdp ? [PortProtocol.Tcp, PortProtocol.Udp] : [protocol];
        using CancellationTokenSource end = Deadline.Source();
        await foreach (PortChange change in _registry.ChangesAsync(revision, end.Token))
        {
            change.Kind.Should().Be(PortChangeKind.Released, "a worker that goes signs out, on {0}", change.Entry.Protocol);
            left.Remove(change.Entry.Protocol).Should().BeTrue();
            if (left.Count == 0)
            {
                return;
            }
        }
    }

    [Fact]
    public async Task Dispose_DaemonThatTakesItsTime_ServesUntilItIsSignedOut()
    {
        await _server.StartAsync().Within();
        await using LineToDaemon line = new(_folder["line.sock"], _folder["portmap.sock"], _ => LineToDaemon.Fault.None);
        WorkerPortOptions options = Options();
        (options.Endpoint, options.Port) = ("unix:" + _folder["line.sock"], _range.First);
        options.TimeProvider = new FakeTimeProvider();   // so that signing out has all the time there is
        WorkerPort worker = await WorkerPort.ListenAsync(options).Within();

        line.HoldCalls();
        Task disposing = worker.DisposeAsync().AsTask();
        await line.Held.Within();

        using (Socket client = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp))
        {
            await client.ConnectAsync(PortBlock.Loopback, worker.Port).Within();   // who looked it up just now is served
        }

        line.LetGo();
        await disposing.Within();
        _registry.TryGetPort("b1", out _).Should().BeFalse();
    }

    [Fact]
    public async Task Dispose_Again_WaitsUntilItIsSignedOut()
    {
        await _server.StartAsync().Within();
        await using LineToDaemon line = new(_folder["line.sock"], _folder["portmap.sock"], _ => LineToDaemon.Fault.None);
        WorkerPortOptions options = Options();
        (options.Endpoint, options.TimeProvider) = ("unix:" + _folder["line.sock"], new FakeTimeProvider());
        WorkerPort worker = await WorkerPort.ListenAsync(options).Within();
        line.HoldCalls();

        Task first = worker.DisposeAsync().AsTask();
        await line.Held.Within();
        Task second = worker.DisposeAsync().AsTask();

        second.IsCompleted.Should().BeFalse("the daemon has heard nothing yet");
        line.LetGo();
        await second.Within();
        _registry.TryGetPort("b1", out _).Should().BeFalse();
        await first.Within();
    }

    [Fact]
    public async Task Dispose_DaemonThatDoesNotAnswer_GoesAfterTwoSeconds()
    {
        await _server.StartAsync().Within();
        await using LineToDaemon line = new(_folder["line.sock"], _folder["portmap.sock"], _ => LineToDaemon.Fault.None);
        FakeTimeProvider clock = new();
        WorkerPortOptions options = Options();
        (options.Endpoint, options.CallTimeout, options.TimeProvider) = ("unix:" + _folder["line.sock"], Timeout.InfiniteTimeSpan, clock);
        WorkerPort worker = await WorkerPort.ListenAsync(options).Within();
        line.HoldCalls();
        Task disposing = worker.DisposeAsync().AsTask();
        await line.Held.Within();

        clock.Advance(TimeSpan.FromSeconds(2));

        await disposing.Within();
    }

    [NeedsFact("sleep")]
    public async Task Listen_OnAPortThatIsAnotherOwners_IsHealed()
    {
        await _server.StartAsync().Within();
        await using ChildProcess other = ChildProcess.Start(new ProcessStartInfo("sleep"), "60");
        await using PortSession session = _registry.OpenSession(other.Id);
        await session.RegisterAsync(new PortClaimRequest("other", _range.First)).Within();
        WorkerPortOptions options = Options();
        options.Port = _range.First;   // nobody listens there: it is bound, and the daemon says whose it is

        await using WorkerPort worker = await WorkerPort.ListenAsync(options).Within();

        worker.Port.Should().NotBe(_range.First).And.BeInRange(_range.First, _range.Last);
        _registry.TryGetPort("b1", out int port).Should().BeTrue();
        port.Should().Be(worker.Port);
        _registry.TryGetPort("other", out port).Should().BeTrue();
        port.Should().Be(_range.First);
    }

    [Fact]
    public async Task Listen_BindAttempts_AreAsManyAsItWasToldAndNamed()
    {
        await using PortRegistry registry = new(new PortRegistryOptions { Ports = _range.ToString(), Probe = false });   // which offers whatever it has not been told of
        await using PortmapServer server = new(registry, new PortmapServerOptions { Endpoints = { Endpoint } });
        await server.StartAsync().Within();
        PortLease lease = await registry.AcquireAsync(new PortRequest("b1") { Strategy = PortRegistryOptions.AllocatorPicks }).Within();
        List<Socket> strangers = [.. Enumerable.Range(_range.First, _range.Count).Select(Rebind)];
        WorkerPortOptions options = Options(lease);
        options.BindAttempts = 3;

        Func<Task> listen = () => WorkerPort.ListenAsync(options).Within();

        PortRefusal refusal = (await listen.Should().ThrowAsync<PortRefusedException>()).Which.Refusal;
        refusal.Reason.Should().Be(PortRefusalReason.AttemptsExhausted);
        refusal.Message.Should().Contain("None of 3 ports");
        strangers.ForEach(socket => socket.Dispose());
    }

    [Fact]
    public async Task Listen_OnBothProtocolsWhereUdpIsBusy_LeavesTheTcpPortToOthers()
    {
        await _server.StartAsync().Within();
        using Socket stranger = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        stranger.Bind(new IPEndPoint(PortBlock.Loopback, _range.First));
        WorkerPortOptions options = Options();
        (options.Protocol, options.Port) = (PortProtocol.TcpAndUdp, _range.First);

        await using WorkerPort worker = await WorkerPort.ListenAsync(options).Within();

        worker.Port.Should().NotBe(_range.First);
        Rebind(_range.First).Dispose();
    }

    [Fact]
    public void TryOpen_UdpIsBusy_ClosesTheTcpSocketAtOnce()
    {
        using Socket stranger = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        stranger.Bind(new IPEndPoint(PortBlock.Loopback, _range.First));
        WorkerPortOptions options = Options();
        options.Protocol = PortProtocol.TcpAndUdp;
        Socket? tcp = null;

        ListeningSockets? opened = ListeningSockets.TryOpen(WorkerSettings.Resolve(options), _range.First, isInsisted: false, socket => tcp = socket, out SocketException? inUse);

        opened.Should().BeNull();
        inUse!.SocketErrorCode.Should().Be(SocketError.AddressAlreadyInUse);
        tcp!.SafeHandle.IsClosed.Should().BeTrue();
    }

    [Fact]
    public void TryPick_OnlyTheLastPortIsFree_IsFound()
    {
        const int Ports = 4;
        List<Socket> strangers = [];
        for (int port = _range.First; port < _range.First + Ports - 1; port++)
        {
            Socket stranger = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            strangers.Add(stranger);
            stranger.Bind(new IPEndPoint(PortBlock.Loopback, port));
            stranger.Listen();
        }

        WorkerPortOptions options = Options();
        options.Ports = new PortRange(_range.First, _range.First + Ports - 1).ToString();
        using ListeningSockets? picked = new PortPicker(WorkerSettings.Resolve(options), new NoChance()).TryPick();

        picked!.Port.Should().Be(_range.First + Ports - 1);
        strangers.ForEach(socket => socket.Dispose());
    }

    [Fact]
    public void TryPick_PortThatAnotherIsAboutToListenOn_IsLeftToIt()
    {
        using Socket other = BoundToTheFirstOfTwo(out WorkerPortOptions options);
        for (int seed = 0; seed < 8; seed++)
        {
            using ListeningSockets? picked = new PortPicker(WorkerSettings.Resolve(options), new Random(seed)).TryPick();

            picked!.Port.Should().Be(_range.First + 1, "the other one is bound, and whoever bound it has yet to listen");
        }
    }

    /// <summary>As before, where each number of the range has to be tried.</summary>
    [Fact]
    public void TryPick_AllInTurnAndThePortThatAnotherIsAboutToListenOnFirst_IsLeftToIt()
    {
        using Socket other = BoundToTheFirstOfTwo(out WorkerPortOptions options);

        using ListeningSockets? picked = new PortPicker(WorkerSettings.Resolve(options), new NoChance()).TryPick();

        picked!.Port.Should().Be(_range.First + 1, "it is free, and the other one is somebody's");
    }

    [Fact]
    public async Task Listen_OnAllAddresses_IsReachedOverBothFamilies()
    {
        await _server.StartAsync().Within();
        WorkerPortOptions options = Options();
        options.Address = IPAddress.IPv6Any;

        await using WorkerPort worker = await WorkerPort.ListenAsync(options).Within();

        foreach (IPAddress address in (IPAddress[])[IPAddress.Loopback, IPAddress.IPv6Loopback])
        {
            using Socket client = new(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            await client.ConnectAsync(address, worker.Port).Within();
        }
    }

    [Theory]
    [InlineData("AllocatorPicks")]
    [InlineData("ProcessBinds")]
    public async Task Listen_OnAPortThatAStrangerTook_IsHealedOverTheSameConnection(string strategy)
    {
        await _server.StartAsync().Within();
        PortLease lease = await _registry.AcquireAsync(new PortRequest("b1") { Strategy = strategy, Guard = PortGuardMode.None }).Within();
        List<Socket> strangers = [];
        LogList logs = new();
        WorkerPortOptions options = Options(lease);
        options.Logger = logs;
        int first = lease.Port;
        if (first != 0)
        {
            strangers.Add(Rebind(first));
        }
        else
        {
            // The process brings its own: all ports but the last one are taken.
            strangers.AddRange(Enumerable.Range(_range.First, _range.Count - 1).Select(Rebind));
        }

        await using WorkerPort worker = await WorkerPort.ListenAsync(options).Within();
        (await lease.WhenBound.Within()).Port.Should().Be(worker.Port);
        strangers.Select(socket => ((IPEndPoint)socket.LocalEndPoint!).Port).Should().NotContain(worker.Port);
        logs.Lines.Where(line => line.Id.Name == "BindHealed").Select(line => line.Text.Contains($"{first}", StringComparison.Ordinal))
            .Should().Equal(first != 0 ? [true] : [], "who picks by itself asks for no other port");
        strangers.ForEach(socket => socket.Dispose());
    }

    [Fact]
    public async Task Listen_TheDaemonHasNoOtherPort_IsExhaustedAndNamesTheOneThatWasTried()
    {
        await _server.StartAsync().Within();
        PortLease lease = await _registry.AcquireAsync(new PortRequest("b1") { Strategy = PortRegistryOptions.AllocatorPicks, Guard = PortGuardMode.None }).Within();
        int first = lease.Port;

        // A daemon probes the wildcard; a stranger on this process's own address is only seen by
        // who binds there.
        List<Socket> strangers = [.. Enumerable.Range(_range.First, _range.Count).Select(Rebind)];
        WorkerPortOptions options = Options(lease);
        options.BindAttempts = 3;
        Func<Task> listen = () => WorkerPort.ListenAsync(options).Within();
        PortRefusal refusal = (await listen.Should().ThrowAsync<PortRefusedException>()).Which.Refusal;
        refusal.Reason.Should().Be(PortRefusalReason.Exhausted, "a daemon that probes hands out no port of a stranger");
        refusal.Message.Should().Contain($"Tried here: {first};");
        strangers.ForEach(socket => socket.Dispose());
    }

    [Fact]
    public async Task Listen_WithNothingLeftInTheRange_IsExhausted()
    {
        await _server.StartAsync().Within();
        List<Socket> strangers = [.. Enumerable.Range(_range.First, _range.Count).Select(Rebind)];
        Func<Task> listen = () => WorkerPort.ListenAsync(Options()).Within();
        (await listen.Should().ThrowAsync<PortRefusedException>()).Which.Refusal.Reason.Should().Be(PortRefusalReason.Exhausted);
        strangers.ForEach(socket => socket.Dispose());
    }

    [Fact]
    public async Task Listen_ManyTimes_FillsTheRangeToItsLastPortAndKeepsOffTheExcluded()
    {
        await _server.StartAsync().Within();
        List<WorkerPort> workers = [];
        for (int i = 0; i < _range.Count - 2; i++)
        {
            WorkerPortOptions options = Options();
            options.Owner = $"b{i}";
            options.Exclude = $"{_range.First},{_range.First + 3}";
            workers.Add(await WorkerPort.ListenAsync(options).Within());
        }

        workers.Select(worker => worker.Port).Should().BeEquivalentTo(Enumerable.Range(_range.First, _range.Count).Except([_range.First, _range.First + 3]));
        foreach (WorkerPort worker in workers)
        {
            await worker.DisposeAsync();
        }
    }

    [Fact]
    public void Listen_InsideTheEphemeralRange_LetsTheKernelChooseThere()
    {
        PortRange ephemeral = TestKit.EphemeralPorts.Range;
        PortRange inside = new(ephemeral.First + 100, ephemeral.First + 400);
        WorkerPortOptions options = Options();
        options.Ports = inside.ToString();
        using ListeningSockets? sockets = new PortPicker(WorkerSettings.Resolve(options), new Random(1)).TryPick();
        inside.Contains(sockets!.Port).Should().BeTrue();
    }

    [Fact]
    public async Task Listen_OverTimeWaitLeftovers_HasItsPortBack()
    {
        await _server.StartAsync().Within();
        int port = _range.First;
        for (int turn = 0; turn < 2; turn++)
        {
            Rebind(port).Dispose();   // over the leftovers as well, once no child has a copy of what listened
            WorkerPortOptions options = Options();
            options.Port = port;
            await using WorkerPort worker = await WorkerPort.ListenAsync(options).Within();
            worker.Port.Should().Be(port, "the leftovers of the last turn are ours");
            using Socket client = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            await client.ConnectAsync(PortBlock.Loopback, port).Within();
            using (Socket accepted = await worker.Socket.AcceptAsync().Within())
            {
                accepted.Shutdown(SocketShutdown.Both); // the side that closes first keeps the TIME_WAIT
            }

            (await client.ReceiveAsync(new byte[1]).Within()).Should().Be(0);
        }
    }

    [Fact]
    public async Task SignIn_OfASocketOfItsOwn_LeavesItOpenWhenDisposed()
    {
        await _server.StartAsync().Within();
        using Socket socket = Rebind(_range.First);
        WorkerPort worker = await WorkerPort.SignInAsync(socket, Options()).Within();
        _registry.TryGetPort("b1", out int port).Should().BeTrue();
        port.Should().Be(_range.First);
        await worker.DisposeAsync();
        _registry.TryGetPort("b1", out _).Should().BeFalse();
        using Socket client = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await client.ConnectAsync(socket.LocalEndPoint!).Within();
    }

    [Fact]
    public async Task SignIn_OfAUdpSocket_IsFoundByUdpOnly()
    {
        await _server.StartAsync().Within();
        using Socket socket = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        socket.Bind(new IPEndPoint(PortBlock.Loopback, _range.First));

        await using WorkerPort worker = await WorkerPort.SignInAsync(socket, Options()).Within();

        worker.UdpSocket.Should().BeSameAs(socket);
        _registry.TryGetPort("b1", out int port, PortProtocol.Udp).Should().BeTrue();
        port.Should().Be(_range.First);
        _registry.TryGetPort("b1", out _, PortProtocol.Tcp).Should().BeFalse();
    }

    [Fact]
    public async Task SignIn_OfASocketThatDoesNotListen_IsMisuse()
    {
        using Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Unspecified);
        Func<Task> signIn = () => WorkerPort.SignInAsync(socket, Options()).Within();
        await signIn.Should().ThrowAsync<ArgumentException>();
        socket.Bind(new IPEndPoint(PortBlock.Loopback, _range.First));
        await signIn.Should().ThrowAsync<ArgumentException>();
    }

    [Theory]
    [InlineData(PortProtocol.Tcp)]
    [InlineData(PortProtocol.TcpAndUdp)]
    public async Task Worker_WhenTheDaemonWasRestarted_SignsInAgainWithItsPort(PortProtocol protocol)
    {
        await _server.StartAsync().Within();
        PortLease lease = await _registry.AcquireAsync(new PortRequest("b1") { Protocol = protocol }).Within();
        await using WorkerPort worker = await WorkerPort.ListenAsync(Options(lease)).Within();
        await _server.DisposeAsync();
        await _registry.DisposeAsync();

        (_registry, _server) = Daemon();
        long revision = _registry.Snapshot().Revision;
        await _server.StartAsync().Within();
        using CancellationTokenSource end = Deadline.Source();
        int registered = 0;
        await foreach (PortChange change in _registry.ChangesAsync(revision, end.Token))
        {
            change.Kind.Should().Be(PortChangeKind.Registered);
            change.Entry.Port.Should().Be(worker.Port);
            change.Entry.ProcessId.Should().Be(Environment.ProcessId);
            if (++registered == (protocol == PortProtocol.Tcp ? 1 : 2))
            {
                break;
            }
        }
    }

    [Fact]
    public async Task Worker_WhoseDaemonStaysAwayForAWhile_KeepsTryingAndServingAndIsDisposedAllTheSame()
    {
        await _server.StartAsync().Within();
        LogList logs = new();
        WorkerPortOptions options = Options();
        options.Logger = logs;
        await using WorkerPort worker = await WorkerPort.ListenAsync(options).Within();
        await _server.DisposeAsync();
        await logs.SeenAsync("SignInDelayed", times: 4).Within();
        using (Socket client = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp))
        {
            await client.ConnectAsync(PortBlock.Loopback, worker.Port).Within();
        }

        _server = NewServer(_registry);
        await _server.StartAsync().Within();
        await logs.SeenAsync("SignedIn", times: 2).Within();
        _registry.TryGetPort("b1", out _).Should().BeTrue();
        await _server.DisposeAsync();
        await logs.SeenAsync("DaemonLost", times: 2).Within();
        await worker.DisposeAsync().Within();
        logs.Lines.Should().ContainSingle(line => line.Id.Name == "SignOutFailed");
    }

    [Theory]
    [InlineData(PortProtocol.Tcp)]
    [InlineData(PortProtocol.Udp)]
    [InlineData(PortProtocol.TcpAndUdp)]
    public async Task Worker_SignedInAgain_HasTheNewEpochAndGivesThatBack(PortProtocol protocol)
    {
        await _server.StartAsync().Within();
        LogList logs = new();
        WorkerPortOptions options = Options();
        (options.Protocol, options.Logger) = (protocol, logs);
        await using WorkerPort worker = await WorkerPort.ListenAsync(options).Within();
        long first = worker.Epoch;
        await _server.DisposeAsync();
        await _registry.DisposeAsync();

        (_registry, _server) = Daemon();
        await _server.StartAsync().Within();
        await logs.SeenAsync("SignedIn", times: 2).Within();

        PortProtocol[] protocols = protocol == PortProtocol.TcpAndUdp ? [PortProtocol.Tcp, PortProtocol.Udp] : [protocol];
        _registry.TryGetEntry("b1", out PortEntry entry, protocols[0]).Should().BeTrue();
        worker.Epoch.Should().Be(entry.Epoch).And.NotBe(first);
        await worker.DisposeAsync();
        foreach (PortProtocol one in protocols)
        {
            _registry.TryGetEntry("b1", out _, one).Should().BeFalse("it signs out with the epoch it has now");
            _registry.TryGetEntry(worker.Port, out entry, one).Should().BeTrue();
            entry.State.Should().Be(PortState.Cooling);
        }
    }

    [NeedsFact("sleep")]
    public async Task Worker_WhoseOwnerSomebodyElseHasMeanwhile_TriesUntilItIsFree()
    {
        await _server.StartAsync().Within();
        LogList logs = new();
        WorkerPortOptions options = Options();
        options.Logger = logs;
        await using WorkerPort worker = await WorkerPort.ListenAsync(options).Within();
        await _server.DisposeAsync();
        await _registry.DisposeAsync();

        (_registry, _server) = Daemon();
        await using ChildProcess other = ChildProcess.Start(new ProcessStartInfo("sleep"), "60");
        await using PortSession session = _registry.OpenSession(other.Id);
        await session.RegisterAsync(new PortClaimRequest("b1", 1_024)).Within();
        await _server.StartAsync().Within();
        await logs.SeenAsync("SignInRefused", times: 3).Within();
        logs.Lines.Should().Contain(line => line.Id.Name == "SignInRefused" && line.Text.Contains("Conflict", StringComparison.Ordinal));
        await session.ReleaseAsync("b1").Within();

        await logs.SeenAsync("SignedIn", times: 2).Within();
        _registry.TryGetPort("b1", out int port).Should().BeTrue();
        port.Should().Be(worker.Port);
    }

    [NeedsFact("sleep")]
    public async Task Worker_WhoseSecondHalfIsRefused_GivesTheFirstBackBeforeItTriesAgain()
    {
        await _server.StartAsync().Within();
        LogList logs = new();
        WorkerPortOptions options = Options();
        (options.Protocol, options.Logger) = (PortProtocol.TcpAndUdp, logs);
        await using WorkerPort worker = await WorkerPort.ListenAsync(options).Within();
        await _server.DisposeAsync();
        await _registry.DisposeAsync();

        (_registry, _server) = Daemon();
        await using ChildProcess other = ChildProcess.Start(new ProcessStartInfo("sleep"), "60");
        await using PortSession session = _registry.OpenSession(other.Id);
        await session.RegisterAsync(new PortClaimRequest("b1", 1_024) { Protocol = PortProtocol.Udp }).Within();
        long revision = _registry.Snapshot().Revision;
        await _server.StartAsync().Within();

        List<PortChangeKind> changes = [];
        using CancellationTokenSource end = Deadline.Source();
        await foreach (PortChange change in _registry.ChangesAsync(revision, end.Token))
        {
            change.Entry.Protocol.Should().Be(PortProtocol.Tcp);
            changes.Add(change.Kind);
            if (changes.Count == 4)
            {
                break;
            }
        }

        changes.Should().Equal(PortChangeKind.Registered, PortChangeKind.Released, PortChangeKind.Registered, PortChangeKind.Released);
        await session.ReleaseAsync(new PortClaimRequest("b1") { Protocol = PortProtocol.Udp }).Within();
        await logs.SeenAsync("SignedIn", times: 2).Within();
        _registry.TryGetPort("b1", out _, PortProtocol.Udp).Should().BeTrue();
        _registry.TryGetPort("b1", out _, PortProtocol.Tcp).Should().BeTrue();
    }

    [Fact]
    public async Task Worker_WhoseOwnerWasAcquiredAgainMeanwhile_GivesUpWithALine()
    {
        await _server.StartAsync().Within();
        LogList logs = new();
        PortLease lease = await _registry.AcquireAsync("b1").Within();
        WorkerPortOptions options = Options(lease);
        options.Logger = logs;
        await using WorkerPort worker = await WorkerPort.ListenAsync(options).Within();
        await _server.DisposeAsync();
        _registry.OpenSession(Environment.ProcessId).TryRelease("b1", out _).Should().BeTrue();
        PortLease next = await _registry.AcquireAsync("b1").Within();
        _server = NewServer(_registry);
        await _server.StartAsync().Within();
        await logs.SeenAsync("SignInRefused").Within();
        next.WhenBound.IsCompleted.Should().BeFalse();
        await worker.DisposeAsync().Within();
        next.WhenBound.IsCompleted.Should().BeFalse("the epoch of the old lease must not end the new one");
    }

    [Fact]
    public async Task Worker_WithoutADaemon_IsToldTheEndpointAndWhatWasTried()
    {
        WorkerPortOptions options = Options();
        options.ConnectTimeout = TimeSpan.FromMilliseconds(60);
        Func<Task> listen = () => WorkerPort.ListenAsync(options).Within();
        PortmapUnreachableException e = (await listen.Should().ThrowAsync<PortmapUnreachableException>()).Which;
        e.Message.Should().Contain(Endpoint).And.Contain("attempts").And.Contain("PORTMAP_ENDPOINT");
    }

    [Fact]
    public async Task Worker_ThatNobodyGaveAnOwner_IsTold()
    {
        Func<Task> listen = () => WorkerPort.ListenAsync(new WorkerPortOptions { Endpoint = Endpoint }).Within();
        await listen.Should().ThrowAsync<InvalidOperationException>().WithMessage("*PORTMAP_OWNER*");
    }

    [Fact]
    public async Task Listen_WhenTheLeaseIsStale_IsRefusedWithoutTryingOthers()
    {
        await _server.StartAsync().Within();
        PortLease old = await _registry.AcquireAsync(new PortRequest("b1") { Strategy = PortRegistryOptions.AllocatorPicks }).Within();
        WorkerPortOptions options = Options(old);
        await old.ReleaseAsync().Within();
        PortLease next = await _registry.AcquireAsync(new PortRequest("b1") { Strategy = PortRegistryOptions.AllocatorPicks }).Within();
        Func<Task> listen = () => WorkerPort.ListenAsync(options).Within();
        (await listen.Should().ThrowAsync<PortRefusedException>()).Which.Refusal.Reason.Should().Be(PortRefusalReason.Stale);
        Rebind(old.Port).Dispose();
        next.WhenBound.IsCompleted.Should().BeFalse();
    }

    /// <summary>Listens on a port that was let go.</summary>
    private static Socket Rebind(int port) => LetGo.Listen(port);

    private (PortRegistry Registry, PortmapServer Server) Daemon()
    {
        PortRegistry registry = new(new PortRegistryOptions { Ports = _range.ToString() });
        return (registry, NewServer(registry));
    }

    private PortmapServer NewServer(PortRegistry registry)
    {
        PortmapServerOptions options = new();
        options.Endpoints.Add(Endpoint);
        return new PortmapServer(registry, options);
    }

    [Fact]
    public async Task Listen_WhereSomebodyTraces_IsASpanOfItsCaller()
    {
        List<Activity> stopped = [];
        using ActivityListener listener = new()
        {
            ShouldListenTo = source => source.Name == "Portmap.Rpc",
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllData,
            ActivityStopped = span =>
            {
                lock (stopped)
                {
                    stopped.Add(span);
                }
            },
        };
        ActivitySource.AddActivityListener(listener);
        await _server.StartAsync().Within();
        PortLease lease = await _registry.AcquireAsync("traced").Within();
        using Activity caller = new Activity("worker").Start();

        await using WorkerPort worker = await WorkerPort.ListenAsync(Options(lease)).Within();

        Activity span;
        lock (stopped)
        {
            span = stopped.Single(it => it.TraceId == caller.TraceId);   // other tests listen as well
        }

        Activity.Current.Should().BeSameAs(caller);
        span.OperationName.Should().Be("portmap.listen");
        span.ParentSpanId.Should().Be(caller.SpanId);
        span.GetTagItem("portmap.port").Should().Be(worker.Port);
    }

    private WorkerPortOptions Options(PortLease? lease = null) => new()
    {
        Endpoint = Endpoint,
        Owner = "b1",
        Port = lease?.Port ?? 0,
        Epoch = lease?.Epoch ?? 0,
        Protocol = lease?.Protocol ?? PortProtocol.Tcp,
        Ports = _range.ToString(),
        Exclude = string.Empty,
        Address = PortBlock.Loopback,
        ConnectTimeout = TimeSpan.FromSeconds(20),
    };

    /// <summary>A socket that admits others and does not listen, and the options of a worker that may
    /// have its port or the next one.</summary>
    private Socket BoundToTheFirstOfTwo(out WorkerPortOptions options)
    {
        Socket other = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Unspecified);
        Native.SocketOptions.SetReuseAddress(other, isOn: true);
        other.Bind(new IPEndPoint(PortBlock.Loopback, _range.First));
        options = Options();
        options.Ports = new PortRange(_range.First, _range.First + 1).ToString();
        return other;
    }

    /// <summary>Draws the lowest number each time.</summary>
    private sealed class NoChance : Random
    {
        public override int Next(int maxValue) => 0;
    }
}
