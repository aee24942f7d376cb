using System.Net;
using System.Net.Sockets;
using Portmap.TestKit.Processes;

namespace Portmap.Rpc.Tests.Working;

/// <summary>A worker learns that it is not found any more, comes back where nobody took its place,
/// and asks the daemon where it was told nothing.</summary>
public sealed class LostWorkerTests : AsyncTest
{
    private readonly TempFolder _folder = new();
    private readonly PortRange _range = PortBlock.Take(6);
    private readonly PortRegistry _registry;
    private PortmapServer _server;

    public LostWorkerTests()
    {
        _registry = new PortRegistry(new PortRegistryOptions { Ports = _range.ToString() });
        _server = Server(new PortmapServerOptions());
    }

    public override async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        await _registry.DisposeAsync();
        _folder.Dispose();
    }

    [Theory]
    [InlineData(PortProtocol.Tcp)]
    [InlineData(PortProtocol.Udp)]
    [InlineData(PortProtocol.TcpAndUdp)]
    public async Task WhenLost_ReplacedByANewerLease_SaysByWhom(PortProtocol protocol)
    {
        await _server.StartAsync().Within();
        PortProtocol one = protocol == PortProtocol.Tcp ? PortProtocol.Tcp : PortProtocol.Udp;
        await using WorkerPort worker = await WorkerPort.ListenAsync(Options(protocol)).Within();
        worker.WhenLost.IsCompleted.Should().BeFalse();
        PortLease next = await _registry.AcquireAsync(new PortRequest("b1") { Protocol = one, Strategy = PortRegistryOptions.AllocatorPicks }).Within();
        await using PortSession other = _registry.OpenSession(Environment.ProcessId);
        using Socket listening = Listen(next, one);

        PortEntry entry = await other.RegisterAsync(new PortClaimRequest("b1", next.Port) { Epoch = next.Epoch, Protocol = one }).AsTask().Within();

        PortRefusal lost = await worker.WhenLost.Within();
        lost.Reason.Should().Be(PortRefusalReason.Stale);
        lost.HolderEpoch.Should().Be(entry.Epoch);
        await worker.DisposeAsync().AsTask().Within();
        _registry.TryGetPort("b1", out int port, one).Should().BeTrue("a worker that was replaced signs nobody out");
        port.Should().Be(next.Port);
        if (protocol == PortProtocol.TcpAndUdp)
        {
            _registry.TryGetPort("b1", out _).Should().BeFalse("the other half was not replaced, and nobody listens any more");
        }
    }

    [Fact]
    public async Task WhenLost_ReleasedByTheHost_SaysThatItEnded()
    {
        await _server.StartAsync().Within();
        PortLease lease = await _registry.AcquireAsync(new PortRequest("b1") { Strategy = PortRegistryOptions.AllocatorPicks }).Within();
        WorkerPortOptions options = Options();
        LogList logs = new();
        (options.Port, options.Epoch, options.Logger) = (lease.Port, lease.Epoch, logs);
        await using WorkerPort worker = await WorkerPort.ListenAsync(options).Within();

        await lease.ReleaseAsync().AsTask().Within();

        (await worker.WhenLost.Within()).Reason.Should().Be(PortRefusalReason.LeaseEnded);
        logs.Lines.Should().ContainSingle(line => line.Id.Name == "Lost").Which.Text.Should().Contain("b1").And.Contain($"{worker.Port}");
    }

    [Fact]
    public async Task WhenLost_ReplacedWhileTheDaemonWasAway_SaysSo()
    {
        await _server.StartAsync().Within();
        WorkerPortOptions options = Options();
        options.CheckInterval = Timeout.InfiniteTimeSpan;
        PortLease lease = await _registry.AcquireAsync(new PortRequest("b1") { Strategy = PortRegistryOptions.AllocatorPicks }).Within();
        (options.Port, options.Epoch) = (lease.Port, lease.Epoch);
        await using WorkerPort worker = await WorkerPort.ListenAsync(options).Within();
        await _server.DisposeAsync();
        await lease.ReleaseAsync().AsTask().Within();
        PortLease next = await _registry.AcquireAsync("b1").Within();

        _server = Server(new PortmapServerOptions());
        await _server.StartAsync().Within();

        PortRefusal lost = await worker.WhenLost.Within();
        lost.Reason.Should().Be(PortRefusalReason.Stale);
        lost.HolderEpoch.Should().Be(next.Epoch);
    }

    [Fact]
    public async Task WhenLost_OfAWorkerThatGoes_IsCancelled()
    {
        await _server.StartAsync().Within();
        WorkerPort worker = await WorkerPort.ListenAsync(Options()).Within();
        Task<PortRefusal> lost = worker.WhenLost;

        await worker.DisposeAsync().AsTask().Within();

        lost.IsCanceled.Should().BeTrue();
    }

    [Fact]
    public async Task Listen_WithAnEpochThatHasEndedAndNobodyNewer_IsSignedIn()
    {
        await _server.StartAsync().Within();
        PortLease lease = await _registry.AcquireAsync(new PortRequest("b1") { Strategy = PortRegistryOptions.AllocatorPicks }).Within();
        WorkerPortOptions options = Options();
        (options.Port, options.Epoch) = (lease.Port, lease.Epoch);
        await lease.ReleaseAsync().AsTask().Within();

        await using WorkerPort worker = await WorkerPort.ListenAsync(options).Within();

        _registry.TryGetPort("b1", out int port).Should().BeTrue();
        port.Should().Be(worker.Port);
    }

    [Theory]
    [InlineData(PortProtocol.Tcp)]
    [InlineData(PortProtocol.Udp)]
    [InlineData(PortProtocol.TcpAndUdp)]
    public async Task Listen_ToldNeitherPortNorRange_HasAPortOfTheDaemonsRange(PortProtocol protocol)
    {
        await _server.StartAsync().Within();

        await using WorkerPort worker = await WorkerPort.ListenAsync(Untold(protocol)).Within();

        worker.Port.Should().BeInRange(_range.First, _range.Last);
        _registry.TryGetPort("b1", out int port, protocol == PortProtocol.Udp ? PortProtocol.Udp : PortProtocol.Tcp).Should().BeTrue();
        port.Should().Be(worker.Port);
        _registry.Snapshot().Entries.Should().NotContain(entry => entry.State == PortState.Reserved, "the lease that was asked for is used up");
    }

    [Fact]
    public async Task Listen_ToldNothingWhileALeaseIsOpen_ListensOnItsPort()
    {
        await _server.StartAsync().Within();
        PortLease lease = await _registry.AcquireAsync(new PortRequest("b1") { Strategy = PortRegistryOptions.AllocatorPicks }).Within();
        lease.OpenGate();

        await using WorkerPort worker = await WorkerPort.ListenAsync(Untold()).Within();

        worker.Port.Should().Be(lease.Port);
        (await lease.WhenBound.Within()).Port.Should().Be(lease.Port);
    }

    [Fact]
    public async Task Listen_ToldNothingAndCannotListen_LeavesTheLeaseOfAnother()
    {
        await _server.StartAsync().Within();
        PortLease lease = await _registry.AcquireAsync(new PortRequest("b1") { Strategy = PortRegistryOptions.AllocatorPicks }).Within();
        WorkerPortOptions options = Untold();
        options.Address = IPAddress.Parse("192.0.2.1");

        Func<Task> listen = () => WorkerPort.ListenAsync(options).Within();

        (await listen.Should().ThrowAsync<PortRefusedException>()).Which.Refusal.Reason.Should().Be(PortRefusalReason.AddressUnavailable);
        _registry.TryGetEntry("b1", out PortEntry entry).Should().BeTrue("the host acquired it for the worker that it starts");
        entry.Should().BeEquivalentTo(new { State = PortState.Reserved, lease.Port, lease.Epoch });
    }

    [NeedsFact("sleep")]
    public async Task Listen_ToldNothingWhileAnotherProcessServes_IsRefusedAndLeavesNothingBehind()
    {
        await using ChildProcess other = ChildProcess.Start(new System.Diagnostics.ProcessStartInfo("sleep"), "600");
        await _server.StartAsync().Within();
        await using PortSession serving = _registry.OpenSession(other.Id);
        await serving.RegisterAsync(new PortClaimRequest("b1", _range.First)).AsTask().Within();

        Func<Task> listen = () => WorkerPort.ListenAsync(Untold()).Within();

        (await listen.Should().ThrowAsync<PortRefusedException>()).Which.Refusal.Reason.Should().Be(PortRefusalReason.Conflict);
        _registry.TryGetPort("b1", out int port).Should().BeTrue();
        port.Should().Be(_range.First);
        _registry.Snapshot().Entries.Should().NotContain(entry => entry.State == PortState.Reserved, "the lease that was asked for is given back");
    }

    /// <summary>The daemon probes nothing, so that each port that it names is a stranger's.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Listen_AllPortsThatItIsToldAreTaken_GivesUpAndListsThem(bool isTold)
    {
        await using PortRegistry registry = new(new PortRegistryOptions { Ports = _range.ToString(), Strategy = PortRegistryOptions.AllocatorPicks, Probe = false });
        await using PortmapServer server = new(registry, new PortmapServerOptions { Endpoints = { "unix:" + _folder["blind.sock"] } });
        await server.StartAsync().Within();
        List<Socket> strangers = [.. Enumerable.Range(_range.First, _range.Count).Select(Stranger)];
        WorkerPortOptions options = Untold();
        (options.Endpoint, options.BindAttempts) = ("unix:" + _folder["blind.sock"], 3);
        PortLease? lease = isTold ? await registry.AcquireAsync("b1").Within() : null;
        (options.Port, options.Epoch) = (lease?.Port ?? 0, lease?.Epoch ?? 0);

        Func<Task> listen = () => WorkerPort.ListenAsync(options).Within();

        PortRefusal refusal = (await listen.Should().ThrowAsync<PortRefusedException>()).Which.Refusal;
        strangers.ForEach(socket => socket.Dispose());
        refusal.Reason.Should().Be(PortRefusalReason.AttemptsExhausted);
        Enumerable.Range(_range.First, _range.Count).Count(port => refusal.Message.Contains($"{port}", StringComparison.Ordinal)).Should().Be(3, "it was: {0}", refusal.Message);
        registry.Snapshot().Entries.Any(entry => entry.State == PortState.Reserved).Should().Be(isTold, "who asked by itself gives the last lease back");
    }

    [Fact]
    public async Task Listen_ToldNothingByADaemonThatAcquiresForNobody_PicksByItself()
    {
        await _server.DisposeAsync();
        _server = Server(new PortmapServerOptions { AllowAcquire = false });
        await _server.StartAsync().Within();

        await using WorkerPort worker = await WorkerPort.ListenAsync(Untold()).Within();

        _registry.TryGetPort("b1", out int port).Should().BeTrue();
        port.Should().Be(worker.Port);
    }

    [Fact]
    public async Task Listen_ToldNothingByADaemonWithoutTheStrategy_PicksByItself()
    {
        await _server.StartAsync().Within();
        await using LineToDaemon line = new(_folder["line.sock"], _folder["portmap.sock"], _ => LineToDaemon.Fault.RefusesTheSecondCall);
        WorkerPortOptions options = Untold();
        options.Endpoint = "unix:" + _folder["line.sock"];

        await using WorkerPort worker = await WorkerPort.ListenAsync(options).Within();

        _registry.TryGetPort("b1", out int port).Should().BeTrue();
        port.Should().Be(worker.Port);
    }

    private static Socket Stranger(int port)
    {
        Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(PortBlock.Loopback, port));
        socket.Listen();
        return socket;
    }

    private static Socket Listen(PortLease lease, PortProtocol protocol)
    {
        lease.OpenGate();
        return LetGo.Listen(lease.Port, protocol);
    }

    private PortmapServer Server(PortmapServerOptions options)
    {
        options.Endpoints.Add("unix:" + _folder["portmap.sock"]);
        return new PortmapServer(_registry, options);
    }

    private WorkerPortOptions Options(PortProtocol protocol = PortProtocol.Tcp)
    {
        WorkerPortOptions options = Untold(protocol);
        options.Ports = _range.ToString();
        return options;
    }

    private WorkerPortOptions Untold(PortProtocol protocol = PortProtocol.Tcp) => new()
    {
        Endpoint = "unix:" + _folder["portmap.sock"],
        Owner = "b1",
        Protocol = protocol,
        Address = PortBlock.Loopback,
        ConnectTimeout = TimeSpan.FromSeconds(20),
        CheckInterval = TimeSpan.FromMilliseconds(100),
    };
}
