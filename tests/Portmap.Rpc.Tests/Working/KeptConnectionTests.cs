using Microsoft.Extensions.Time.Testing;

namespace Portmap.Rpc.Tests.Working;

/// <summary>The connection of a worker that has signed out is kept for the next one of the process,
/// as long as it was told. The process keeps one, so these tests are one class.</summary>
public sealed class KeptConnectionTests : BehindALine
{
    [Fact]
    public async Task Listen_AfterAWorkerThatKeptItsConnection_GoesOnWithIt()
    {
        await _server.StartAsync().Within();
        await using LineToDaemon line = Line(_ => LineToDaemon.Fault.None);
        WorkerPortOptions options = Options();
        options.KeepConnection = TimeSpan.FromMinutes(10);
        for (int i = 0; i < 3; i++)
        {
            await using WorkerPort worker = await WorkerPort.ListenAsync(options).Within();
            _registry.TryGetPort("b1", out int port).Should().BeTrue();
            port.Should().Be(worker.Port);
        }

        line.Connections.Should().Be(1);
        options.KeepConnection = TimeSpan.Zero;
        await using (await WorkerPort.ListenAsync(options).Within())
        {
        }

        await using WorkerPort last = await WorkerPort.ListenAsync(options).Within();
        line.Connections.Should().Be(2, "the one before kept none");
    }

    [Fact]
    public async Task Listen_OverAKeptConnectionOfADaemonThatHangs_IsUnreachableInTime()
    {
        await _server.StartAsync().Within();
        await using LineToDaemon line = Line(_ => LineToDaemon.Fault.None);
        WorkerPortOptions options = Options();
        options.KeepConnection = TimeSpan.FromMinutes(10);
        options.CallTimeout = Timeout.InfiniteTimeSpan;
        await using (await WorkerPort.ListenAsync(options).Within())
        {
        }

        line.HoldCalls();   // its connections stay, and nothing is answered
        options.ConnectTimeout = TimeSpan.FromMilliseconds(300);
        Func<Task> listen = () => WorkerPort.ListenAsync(options).Within();

        await listen.Should().ThrowExactlyAsync<PortmapUnreachableException>().WithMessage("*ConnectTimeout*");
    }

    [Fact]
    public async Task Listen_OverAKeptConnectionWhoseAnswerTakesLongerThanACallMay_GoesOnWithIt()
    {
        await _server.StartAsync().Within();
        await using LineToDaemon line = Line(_ => LineToDaemon.Fault.None);
        WorkerPortOptions options = Options();
        FakeTimeProvider clock = new();
        options.KeepConnection = TimeSpan.FromMinutes(10);
        (options.CallTimeout, options.TimeProvider) = (TimeSpan.FromSeconds(1), clock);
        await using (await WorkerPort.ListenAsync(options).Within())
        {
        }

        line.HoldCalls();
        Task<WorkerPort> listening = WorkerPort.ListenAsync(options);
        await line.Held.Within();
        clock.Advance(TimeSpan.FromSeconds(3));
        line.LetGo();
        await using WorkerPort worker = await listening.Within();

        line.Connections.Should().Be(1, "the daemon has as long to answer as over a new one");
    }

    /// <summary>The daemon that takes nothing more from this connection takes the next one.</summary>
    [Fact]
    public async Task Listen_OverAKeptConnectionThatIsSilent_SignsInOverANewOne()
    {
        await _server.StartAsync().Within();
        await using LineToDaemon line = Line(_ => LineToDaemon.Fault.None);
        WorkerPortOptions options = Options();
        FakeTimeProvider clock = new();   // so that the new one has all the time there is
        options.KeepConnection = TimeSpan.FromMinutes(10);
        (options.CallTimeout, options.TimeProvider) = (Timeout.InfiniteTimeSpan, clock);
        await using (await WorkerPort.ListenAsync(options).Within())
        {
        }

        line.HoldCallsOfOpenConnections();
        Task<WorkerPort> listening = WorkerPort.ListenAsync(options);
        await line.Held.Within();
        clock.Advance(options.ConnectTimeout);
        await using WorkerPort worker = await listening.Within();

        _registry.TryGetPort("b1", out int port).Should().BeTrue();
        port.Should().Be(worker.Port);
        line.Connections.Should().Be(2);
        long revision = _registry.Snapshot().Revision;
        line.LetGo();
        await line.OneEnded.Within();
        _registry.Snapshot().Revision.Should().Be(revision, "what comes late over the old one changes nothing");
    }

    [Fact]
    public async Task Listen_AfterAWorkerOfAnotherEndpointKeptItsConnection_MakesItsOwn()
    {
        await _server.StartAsync().Within();
        await using LineToDaemon line = Line(_ => LineToDaemon.Fault.None), other = new(_folder["other.sock"], _folder["daemon.sock"], _ => LineToDaemon.Fault.None);
        WorkerPortOptions options = Options();
        options.KeepConnection = TimeSpan.FromMinutes(10);
        await using (await WorkerPort.ListenAsync(options).Within())
        {
        }

        options.Endpoint = "unix:" + _folder["other.sock"];
        await using WorkerPort worker = await WorkerPort.ListenAsync(options).Within();

        other.Connections.Should().Be(1);
    }

    [Fact]
    public async Task Dispose_OfTwoWorkersThatKeepTheirConnections_ClosesOneOfThem()
    {
        await _server.StartAsync().Within();
        await using LineToDaemon line = Line(_ => LineToDaemon.Fault.None);
        WorkerPortOptions options = Options(), others = Options();
        options.KeepConnection = others.KeepConnection = TimeSpan.FromMinutes(10);
        others.Owner = "b2";
        WorkerPort worker = await WorkerPort.ListenAsync(options).Within(), other = await WorkerPort.ListenAsync(others).Within();
        line.Connections.Should().Be(2);

        await worker.DisposeAsync().AsTask().Within();
        line.OneEnded.IsCompleted.Should().BeFalse("it is kept");
        await other.DisposeAsync().AsTask().Within();

        await line.OneEnded.Within();
    }

    [Fact]
    public async Task Listen_TheDaemonWasRestartedSinceTheConnectionWasKept_SignsInOverANewOne()
    {
        WorkerPortOptions options = Options();
        options.KeepConnection = TimeSpan.FromMinutes(10);
        options.ConnectTimeout = TimeSpan.Zero;   // no second attempt but that for the old connection
        await _server.StartAsync().Within();
        await using (LineToDaemon line = Line(_ => LineToDaemon.Fault.None))
        {
            await using (await WorkerPort.ListenAsync(options).Within())
            {
            }
        }

        File.Delete(_folder["portmap.sock"]);
        await using LineToDaemon next = Line(_ => LineToDaemon.Fault.None);
        await using WorkerPort worker = await WorkerPort.ListenAsync(options).Within();

        _registry.TryGetPort("b1", out int port).Should().BeTrue();
        port.Should().Be(worker.Port);
    }

    [Fact]
    public async Task Listen_AfterAWorkerThatWaitsAnotherTimeForAnswers_MakesItsOwn()
    {
        await _server.StartAsync().Within();
        await using LineToDaemon line = Line(_ => LineToDaemon.Fault.None);
        WorkerPortOptions options = Options();
        options.KeepConnection = TimeSpan.FromMinutes(10);
        await using (await WorkerPort.ListenAsync(options).Within())
        {
        }

        options.CallTimeout += TimeSpan.FromSeconds(1);
        await using WorkerPort worker = await WorkerPort.ListenAsync(options).Within();

        line.Connections.Should().Be(2);
    }

    [Fact]
    public async Task Dispose_NobodyTakesTheConnectionInItsTime_IsClosed()
    {
        FakeTimeProvider clock = new();
        await _server.StartAsync().Within();
        await using LineToDaemon line = Line(_ => LineToDaemon.Fault.None);
        WorkerPortOptions options = Options();
        (options.KeepConnection, options.TimeProvider) = (TimeSpan.FromMinutes(1), clock);
        await using (await WorkerPort.ListenAsync(options).Within())
        {
        }

        clock.Advance(TimeSpan.FromSeconds(59));
        line.OneEnded.IsCompleted.Should().BeFalse("it is kept");
        clock.Advance(TimeSpan.FromSeconds(1));

        await line.OneEnded.Within();
    }

    [Fact]
    public async Task Dispose_TimeIsOverBeforeTheConnectionIsKept_IsClosed()
    {
        await _server.StartAsync().Within();
        await using LineToDaemon line = Line(_ => LineToDaemon.Fault.None);
        WorkerPortOptions options = Options();
        HastyClock clock = new();
        (options.KeepConnection, options.TimeProvider) = (HastyClock.Step, clock);

        await using (await WorkerPort.ListenAsync(options).Within())
        {
        }

        clock.Advance(HastyClock.Step);
        await line.OneEnded.Within();
    }

    /// <summary>A clock that goes on while a timer is made: as where the thread that makes it is
    /// suspended.</summary>
    private sealed class HastyClock : FakeTimeProvider
    {
        public static TimeSpan Step { get; } = TimeSpan.FromMilliseconds(1);

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            ITimer timer = base.CreateTimer(callback, state, dueTime, period);
            Advance(Step);
            return timer;
        }
    }
}
