using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using Portmap.TestKit.Processes;

namespace Portmap.Rpc.Tests.Working;

/// <summary>A worker that gave up signing in has closed its socket: the daemon must not come to it
/// later and find it signed in.</summary>
public sealed class GivenUpSignInTests : AsyncTest
{
    private readonly TempFolder _folder = new();
    private readonly PortRange _range = PortBlock.Take(4);
    private readonly FakeTimeProvider _clock = new();
    private readonly PortRegistry _registry;
    private readonly PortmapServer _server;

    public GivenUpSignInTests()
    {
        _registry = new PortRegistry(new PortRegistryOptions { Ports = _range.ToString() });
        _server = new PortmapServer(_registry, new PortmapServerOptions { Endpoints = { "unix:" + _folder["daemon.sock"] } });
    }

    public static TheoryData<PortProtocol> Protocols { get; } = [PortProtocol.Tcp, PortProtocol.Udp, PortProtocol.TcpAndUdp];

    public override async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        await _registry.DisposeAsync();
        _folder.Dispose();
    }

    [Fact]
    public async Task Listen_GivenUpBeforeTheDaemonAnswered_IsNotSignedInAfterwards()
    {
        await _server.StartAsync().Within();
        await using LineToDaemon line = Line(LineToDaemon.Fault.None);
        line.HoldCalls();
        Task listening = WorkerPort.ListenAsync(Options());
        await line.Held.Within();

        _clock.Advance(Options().ConnectTimeout);
        await FluentActions.Awaiting(() => listening.Within()).Should().ThrowExactlyAsync<PortmapUnreachableException>();
        line.LetGo();
        await line.OneEnded.Within();

        _registry.TryGetEntry("b1", out _).Should().BeFalse("nobody listens there");
    }

    [Theory]
    [MemberData(nameof(Protocols))]
    public Task Listen_CancelledWhileItSignsIn_SignsOut(PortProtocol protocol) => CancelAtTheSecondCallAsync(protocol, asksForAPort: false);

    [Theory]
    [MemberData(nameof(Protocols))]
    public Task Listen_CancelledWhileItAsksForAPort_GivesThatBack(PortProtocol protocol) => CancelAtTheSecondCallAsync(protocol, asksForAPort: true);

    /// <summary>The daemon probes nothing, so that each port that it names is a stranger's.</summary>
    [Fact]
    public async Task Listen_CancelledWhileItsPortIsHealed_GivesTheNextOneBack()
    {
        await using PortRegistry registry = new(new PortRegistryOptions { Ports = _range.ToString(), Probe = false });
        await using PortmapServer server = new(registry, new PortmapServerOptions { Endpoints = { "unix:" + _folder["portmap.sock"] } });
        await server.StartAsync().Within();
        using Occupied strangers = new(_range);
        using CancellationTokenSource given = new();
        WorkerPortOptions options = Options();
        (options.Ports, options.Logger) = (null, new WhenHealed(given.Cancel));

        Func<Task> listen = () => WorkerPort.ListenAsync(options, given.Token).Within();

        await listen.Should().ThrowAsync<OperationCanceledException>();
        registry.Snapshot().Entries.Should().NotContain(entry => entry.State == PortState.Reserved);
    }

    [Fact]
    public async Task Listen_SignInNotAnsweredInTime_SignsOut()
    {
        await _server.StartAsync().Within();
        await using LineToDaemon line = Line(LineToDaemon.Fault.HoldsTheSecondCall);
        long revision = _registry.Snapshot().Revision;
        Task listening = WorkerPort.ListenAsync(Options());
        await line.Held.Within();

        _clock.Advance(Options().CallTimeout);   // longer than ConnectTimeout: it was the only attempt

        await FluentActions.Awaiting(() => listening.Within()).Should().ThrowExactlyAsync<PortmapUnreachableException>().WithMessage("*PORTMAP_REGISTER*CallTimeout*");
        await ExpectSignedOutAsync(revision, PortProtocol.Tcp);
    }

    /// <summary>Over another connection the first call could be carried out after the second
    /// one.</summary>
    [Fact]
    public async Task Listen_SignInNotAnsweredInTime_IsAskedAgainOverTheSameConnection()
    {
        await _server.StartAsync().Within();
        await using LineToDaemon line = Line(LineToDaemon.Fault.HoldsTheSecondCall);
        WorkerPortOptions options = Options();
        (options.CallTimeout, options.TimeProvider) = (TimeSpan.FromSeconds(3), TimeProvider.System);   // the first call is answered in it

        await using WorkerPort worker = await WorkerPort.ListenAsync(options).Within();

        line.Connections.Should().Be(1);
        _registry.TryGetPort("b1", out int port).Should().BeTrue();
        port.Should().Be(worker.Port);
    }

    /// <summary>Who gives up waits for its sign-out as long as one that goes.</summary>
    [Fact]
    public async Task Listen_CancelledWhileTheDaemonDoesNotAnswer_GoesAfterTwoSeconds()
    {
        await _server.StartAsync().Within();
        await using LineToDaemon line = Line(LineToDaemon.Fault.HoldsTheSecondCall);
        using CancellationTokenSource given = new();
        Task listening = WorkerPort.ListenAsync(Options(), given.Token);
        await line.Held.Within();

        await given.CancelAsync();
        while (!listening.IsCompleted)
        {
            _clock.Advance(TimeSpan.FromSeconds(2));   // its wait may not have begun yet
            await Task.Yield();
        }

        await FluentActions.Awaiting(() => listening).Should().ThrowAsync<OperationCanceledException>();
    }

    /// <summary>The worker is cancelled while the daemon answers its second call, the first after the
    /// greeting: nothing of what that brought is left.</summary>
    private async Task CancelAtTheSecondCallAsync(PortProtocol protocol, bool asksForAPort)
    {
        await _server.StartAsync().Within();
        await using LineToDaemon line = Line(LineToDaemon.Fault.HoldsTheSecondCall);
        WorkerPortOptions options = Options();
        options.Protocol = protocol;
        options.Ports = asksForAPort ? null : options.Ports;
        using CancellationTokenSource given = new();
        long revision = _registry.Snapshot().Revision;
        Task listening = WorkerPort.ListenAsync(options, given.Token);
        await line.Held.Within();

        await given.CancelAsync();
        line.LetGo();

        await FluentActions.Awaiting(() => listening.Within()).Should().ThrowAsync<OperationCanceledException>();
        await ExpectSignedOutAsync(revision, protocol);
    }

    /// <summary>The first that is told of each protocol is that it was released: not that a
    /// connection broke off.</summary>
    private async Task ExpectSignedOutAsync(long revision, PortProtocol protocol)
    {
        foreach (PortProtocol one in protocol == PortProtocol.TcpAndUdp ? [PortProtocol.Tcp, PortProtocol.Udp] : (PortProtocol[])[protocol])
        {
            (await _registry.ChangeAsync(revision, change => change.Entry.Protocol == one && change.Kind is not (PortChangeKind.Acquired or PortChangeKind.Registered or PortChangeKind.GuaranteeChanged))).Kind.Should().Be(PortChangeKind.Released);
            _registry.TryGetEntry("b1", out _, one).Should().BeFalse();
        }
    }

    private LineToDaemon Line(LineToDaemon.Fault fault) => new(_folder["portmap.sock"], _folder["daemon.sock"], _ => fault);

    private WorkerPortOptions Options() => new()
    {
        Endpoint = "unix:" + _folder["portmap.sock"],
        Owner = "b1",
        Ports = _range.ToString(),
        Address = PortBlock.Loopback,
        ConnectTimeout = TimeSpan.FromSeconds(20),
        TimeProvider = _clock,
    };

    /// <summary>Listens on all ports of a range.</summary>
    private sealed class Occupied : IDisposable
    {
        private readonly List<TcpListener> _listeners = [];

        public Occupied(PortRange range)
        {
            for (int port = range.First; port <= range.Last; port++)
            {
                _listeners.Add(new TcpListener(PortBlock.Loopback, port));
                _listeners[^1].Start();
            }
        }

        public void Dispose() => _listeners.ForEach(listener => listener.Dispose());
    }

    /// <summary>Does something before the port that heals another one is tried.</summary>
    private sealed class WhenHealed(Action act) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (eventId.Name == "BindHealed")
            {
                act();
            }
        }
    }
}
