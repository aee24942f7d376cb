using System.Net.Sockets;
using Microsoft.Extensions.Time.Testing;
using Portmap.Rpc.Calling;
using Portmap.Rpc.Protocol;
using Portmap.Rpc.Xdr;

namespace Portmap.Rpc.Tests.Working;

/// <summary>A daemon that is silent, restarts, or is none: workers and clients wait no longer than
/// they were told, and say what they waited for.</summary>
public sealed class UnreachableDaemonTests : BehindALine
{
    private static readonly TimeSpan s_short = TimeSpan.FromMilliseconds(300);

    public static TheoryData<string> NoDaemons { get; } =
    [
        nameof(LineToDaemon.Fault.ClosesAtOnce), nameof(LineToDaemon.Fault.Silent), nameof(LineToDaemon.Fault.SpeaksHttp),
        nameof(LineToDaemon.Fault.ServesAnotherProgram), nameof(LineToDaemon.Fault.SaysHalf), nameof(LineToDaemon.Fault.SaysTooMuch),
    ];

    public static TheoryData<string> Breaks { get; } =
    [
        nameof(LineToDaemon.Fault.ClosesAtOnce), nameof(LineToDaemon.Fault.ClosesAtTheSecondCall), nameof(LineToDaemon.Fault.LosesTheSecondAnswer),
    ];

    [Theory]
    [MemberData(nameof(NoDaemons))]
    public async Task Listen_WhereNoDaemonAnswers_IsUnreachableInTime(string fault)
    {
        await using LineToDaemon line = Line(_ => Enum.Parse<LineToDaemon.Fault>(fault));
        WorkerPortOptions options = Options();
        options.ConnectTimeout = s_short;

        Func<Task> listen = () => WorkerPort.ListenAsync(options).Within();

        PortmapUnreachableException e = (await listen.Should().ThrowExactlyAsync<PortmapUnreachableException>()).Which;
        e.Message.Should().Contain(Endpoint).And.Contain("ConnectTimeout").And.Contain("'b1'")
            .And.Contain("PORTMAP_ENDPOINT", Exactly.Once(), "what to do is said, and once").And.NotContain("..");
        e.Endpoint.ToString().Should().Be(Endpoint);
    }

    [Theory]
    [MemberData(nameof(NoDaemons))]
    public async Task Connect_WhereNoDaemonAnswers_IsUnreachableInTime(string fault)
    {
        await using LineToDaemon line = Line(_ => Enum.Parse<LineToDaemon.Fault>(fault));
        PortmapClientOptions options = fault == nameof(LineToDaemon.Fault.Silent) ? new() { ConnectTimeout = s_short } : new();   // only silence takes all the time there is

        Func<Task> connect = () => PortmapClient.ConnectAsync(PortmapEndpoint.Parse(Endpoint), options).Within();

        PortmapUnreachableException e = (await connect.Should().ThrowExactlyAsync<PortmapUnreachableException>()).Which;
        e.Message.Should().Contain(Endpoint);
        bool isSilent = fault == nameof(LineToDaemon.Fault.Silent);
        (e.InnerException is TimeoutException).Should().Be(isSilent);
        e.Message.Contains("continue or restart it", StringComparison.Ordinal).Should().Be(isSilent, "what to do goes by what is wrong");
        e.Message.Contains("MaxConnections", StringComparison.Ordinal).Should().Be(fault == nameof(LineToDaemon.Fault.ClosesAtOnce));
        e.Message.Should().NotContainAny("..", "Start the daemon");
    }

    /// <summary>As a host that disposes the registry a moment before its server.</summary>
    [Fact]
    public async Task Listen_WhereTheDaemonFailsInTheCall_TriesAgainAndSaysWhereTheReasonStands()
    {
        await _server.StartAsync().Within();
        await _registry.DisposeAsync().AsTask().Within();
        WorkerPortOptions options = Options();
        (options.Endpoint, options.ConnectTimeout) = ("unix:" + _folder["daemon.sock"], TimeSpan.FromSeconds(5));   // it is to be answered twice

        Func<Task> listen = () => WorkerPort.ListenAsync(options).Within();

        (await listen.Should().ThrowExactlyAsync<PortmapUnreachableException>()).Which.Message
            .Should().Contain("ProgramFailed").And.NotContainAny("of this version", "Start the daemon", "(1 attempts");
    }

    [Fact]
    public async Task Connect_ToASocketThatIsNotThere_SaysSo()
    {
        Func<Task> connect = () => PortmapClient.ConnectAsync(PortmapEndpoint.Parse(Endpoint)).Within();

        await connect.Should().ThrowExactlyAsync<PortmapUnreachableException>().WithMessage($"*there is no socket at {_folder["portmap.sock"]}*");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Connect_ToWhatIsNoSocket_SaysSo(bool isFolder)
    {
        string path = _folder["portmap.sock"];
        if (isFolder)
        {
            Directory.CreateDirectory(path);
        }
        else
        {
            await File.WriteAllTextAsync(path, "root:x:0:0");
        }

        Func<Task> connect = () => PortmapClient.ConnectAsync(PortmapEndpoint.Parse(Endpoint)).Within();

        await connect.Should().ThrowExactlyAsync<PortmapUnreachableException>().WithMessage($"*{path} is no socket.*");
    }

    [Fact]
    public void Complaint_InAFolderThatThisUserMayNotEnter_IsOfTheRightAndNotOfTheFile()
    {
        SocketException denied = new((int)SocketError.AccessDenied);

        Connection.Complaint(denied, PortmapEndpoint.Parse(Endpoint)).Should().Contain("may not connect").And.NotContain("no socket");
    }

    [Fact]
    public async Task Connect_ToADaemonThatTakesNobodyIn_WaitsAndSaysThatItHangs()
    {
        using Socket daemon = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        List<Socket> waiting = FillUp(daemon);
        try
        {
            Func<Task> connect = () => PortmapClient.ConnectAsync(PortmapEndpoint.Parse(Endpoint), new PortmapClientOptions { ConnectTimeout = s_short }).Within();

            PortmapUnreachableException e = (await connect.Should().ThrowExactlyAsync<PortmapUnreachableException>()).Which;
            e.Message.Should().Contain("0.3 s (ConnectTimeout)").And.Contain("continue or restart it");
            e.InnerException.Should().BeOfType<TimeoutException>();
        }
        finally
        {
            waiting.ForEach(socket => socket.Dispose());
        }
    }

    [Fact]
    public async Task Connect_ToADaemonThatTakesOneInAfterAll_IsConnected()
    {
        using Socket daemon = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        List<Socket> waiting = FillUp(daemon);
        try
        {
            Task connecting = PortmapClient.ConnectAsync(PortmapEndpoint.Parse(Endpoint));
            foreach (Socket _ in waiting)
            {
                (await daemon.AcceptAsync().Within()).Dispose();
            }

            using Socket accepted = await daemon.AcceptAsync().Within();
            byte[] call = new byte[44];
            (await accepted.ReceiveAsync(call).Within()).Should().Be(call.Length, "it asks once before it counts as connected");
            accepted.Dispose();
            await ((Func<Task>)(() => connecting.Within())).Should().ThrowAsync<PortmapUnreachableException>();
        }
        finally
        {
            waiting.ForEach(socket => socket.Dispose());
        }
    }

    /// <summary>A daemon that begins may take longer for its first answer than for any
    /// other.</summary>
    [Fact]
    public async Task Connect_ToADaemonWhoseFirstAnswerTakesLongerThanACallMay_IsConnected()
    {
        await _server.StartAsync().Within();
        await using LineToDaemon line = Line(_ => LineToDaemon.Fault.None);
        FakeTimeProvider clock = new();
        PortmapClientOptions options = new() { ConnectTimeout = TimeSpan.FromSeconds(30), CallTimeout = TimeSpan.FromSeconds(1), TimeProvider = clock };
        line.HoldCalls();
        Task<PortmapClient> connecting = PortmapClient.ConnectAsync(PortmapEndpoint.Parse(Endpoint), options);
        await line.Held.Within();

        clock.Advance(TimeSpan.FromSeconds(3));
        line.LetGo();

        await using PortmapClient client = await connecting.Within();
        await client.PingAsync().Within();
    }

    [Fact]
    public async Task Connect_ToASocketThatADaemonLeftBehind_SaysThatNobodyListens()
    {
        using (Socket left = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
        {
            left.Bind(new UnixDomainSocketEndPoint(_folder["left.sock"]));
            File.Move(_folder["left.sock"], _folder["portmap.sock"]);
        }

        Func<Task> connect = () => PortmapClient.ConnectAsync(PortmapEndpoint.Parse(Endpoint)).Within();

        await connect.Should().ThrowExactlyAsync<PortmapUnreachableException>().WithMessage("*nobody listens on the socket*");
    }

    [Theory]
    [MemberData(nameof(Breaks))]
    public async Task Listen_OverAConnectionThatBreaks_SignsInOverTheNextOne(string fault)
    {
        await _server.StartAsync().Within();
        await using LineToDaemon line = Line(connection => connection <= 3 ? Enum.Parse<LineToDaemon.Fault>(fault) : LineToDaemon.Fault.None);
        PortLease lease = await _registry.AcquireAsync(new PortRequest("b1") { Strategy = PortRegistryOptions.AllocatorPicks }).Within();
        lease.OpenGate();
        WorkerPortOptions options = Options();
        (options.Port, options.Epoch) = (lease.Port, lease.Epoch);

        await using WorkerPort worker = await WorkerPort.ListenAsync(options).Within();

        line.Connections.Should().Be(4);
        (await lease.WhenBound.Within()).Port.Should().Be(worker.Port).And.Be(lease.Port);
        worker.Epoch.Should().Be(lease.Epoch);
    }

    [Theory]
    [MemberData(nameof(Breaks))]
    public async Task SignIn_OverAConnectionThatBreaks_SignsInOverTheNextOne(string fault)
    {
        await _server.StartAsync().Within();
        await using LineToDaemon line = Line(connection => connection <= 2 ? Enum.Parse<LineToDaemon.Fault>(fault) : LineToDaemon.Fault.None);
        using Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Unspecified);
        socket.Bind(new System.Net.IPEndPoint(PortBlock.Loopback, _range.First));
        socket.Listen();

        await using WorkerPort worker = await WorkerPort.SignInAsync(socket, Options()).Within();

        _registry.TryGetPort("b1", out int port).Should().BeTrue();
        port.Should().Be(_range.First);
    }

    [Fact]
    public async Task Worker_WhoseConnectionBreaksWhileItAsks_SaysSoAndLooksForTheDaemon()
    {
        await _server.StartAsync().Within();
        LineToDaemon line = Line(_ => LineToDaemon.Fault.None);
        LogList logs = new();
        WorkerPortOptions options = Options();
        (options.CheckInterval, options.Logger) = (TimeSpan.FromMilliseconds(100), logs);
        await using WorkerPort worker = await WorkerPort.ListenAsync(options).Within();

        line.HoldCalls();
        await line.Held.Within();
        await line.DisposeAsync();

        await logs.SeenAsync("CheckFailed").Within();
        await logs.SeenAsync("DaemonLost").Within();
    }

    [Fact]
    public async Task Call_ThatIsNotAnswered_EndsAfterItsLimitAndNamesTheProcedure()
    {
        await _server.StartAsync().Within();
        await using LineToDaemon line = Line(_ => LineToDaemon.Fault.LosesTheSecondAnswer);
        (PairStream ours, PairStream theirs) = PairStream.Create();
        await using PairStream silent = theirs;
        await using PortmapClient client = PortmapClient.Over(ours, PortmapEndpoint.Parse(Endpoint), options: new PortmapClientOptions { CallTimeout = s_short });

        Func<Task> lookup = () => client.GetEntryAsync("b1").Within();
        Func<Task> list = () => client.SnapshotAsync().Within();

        PortmapUnreachableException e = (await lookup.Should().ThrowExactlyAsync<PortmapUnreachableException>()).Which;
        e.Message.Should().Contain("PORTMAP_LOOKUP").And.Contain("CallTimeout").And.Contain("not known");
        e.InnerException.Should().BeOfType<TimeoutException>();
        await list.Should().ThrowExactlyAsync<PortmapUnreachableException>().WithMessage("*PORTMAP_LIST*");
    }

    [Fact]
    public async Task Connect_ToADaemonThatIsSilent_LeavesNoConnection()
    {
        using Socket listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(_folder["portmap.sock"]));
        listener.Listen();
        FakeTimeProvider clock = new();
        Task<PortmapClient> connecting = PortmapClient.ConnectAsync(PortmapEndpoint.Parse(Endpoint), new PortmapClientOptions { ConnectTimeout = s_short, TimeProvider = clock });
        using Socket accepted = await listener.AcceptAsync().Within();
        byte[] buffer = new byte[1_024];
        (await accepted.ReceiveAsync(buffer).Within()).Should().BePositive("it asks whether a daemon is there");

        clock.Advance(s_short);

        Func<Task> connect = () => connecting.Within();
        await connect.Should().ThrowExactlyAsync<PortmapUnreachableException>();
        while (await accepted.ReceiveAsync(buffer).Within() > 0)
        {
        }
    }

    [Fact]
    public async Task Call_WhenTheDaemonTakesNothingOfALaterOne_EndsAndSaysThat()
    {
        (PairStream ours, PairStream theirs) = PairStream.Create();
        await using PairStream deaf = theirs;
        FakeTimeProvider clock = new();
        await using RpcCaller caller = new(ours, PortmapEndpoint.Parse(Endpoint), new PortmapClientOptions { CallTimeout = TimeSpan.FromSeconds(1), TimeProvider = clock });
        Task poll = MapCalls.WaitForChangeAsync(caller, after: 0, CancellationToken.None);   // it has more time than a call
        List<Task> calls = [];
        while (!ours.HeldBack.IsCompleted)
        {
            calls.Add(caller.CallAsync(PortmapProcedure.Lookup, writer => writer.WriteString(new string('x', 4_000)), static (ref XdrReader _) => true, CancellationToken.None));
        }

        clock.Advance(TimeSpan.FromSeconds(1));

        await FluentActions.Awaiting(() => poll.Within()).Should().ThrowAsync<IOException>().WithMessage("*did not take what was sent to it*");
        await Task.WhenAll(calls.Select(call => FluentActions.Awaiting(() => call.Within()).Should().ThrowAsync<IOException>()));
    }

    [Fact]
    public async Task Call_AfterTheDaemonSaysNothingMore_FailsAtOnceThoughItStillTakesCalls()
    {
        using Socket listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(_folder["half.sock"]));
        listener.Listen();
        Socket ours = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        ours.Connect(new UnixDomainSocketEndPoint(_folder["half.sock"]));
        using Socket theirs = await listener.AcceptAsync().Within();
        await using RpcCaller caller = new(new NetworkStream(ours, ownsSocket: true), PortmapEndpoint.Parse(Endpoint), new PortmapClientOptions { CallTimeout = Timeout.InfiniteTimeSpan });
        theirs.Shutdown(SocketShutdown.Send);
        await caller.Ended.Within();

        Func<Task> call = () => caller.PingAsync(CancellationToken.None).Within();

        await call.Should().ThrowAsync<IOException>();
    }

    [Fact]
    public async Task Call_AnsweredWithWhatMakesNoSense_FailsAloneAndSaysWhy()
    {
        (PairStream ours, PairStream theirs) = PairStream.Create();
        await using PairStream daemon = theirs;
        await using PortmapClient client = PortmapClient.Over(ours, PortmapEndpoint.Parse(Endpoint));
        Task lookup = client.GetEntryAsync("b1");
        byte[] call = new byte[64];
        await daemon.ReadAtLeastAsync(call, 44).AsTask().Within();

        await daemon.WriteAsync((byte[])[0x80, 0, 0, 28, .. call[4..8], 0, 0, 0, 1, .. new byte[16], 0, 0, 0, 77]).Within();

        await FluentActions.Awaiting(() => lookup.Within()).Should().ThrowExactlyAsync<InvalidDataException>();
        client.Ended.IsCompleted.Should().BeFalse("the next answer may be a good one");
    }

    [Fact]
    public async Task Call_CancelledBeforeItsAnswerComes_LeavesTheConnectionToTheOthers()
    {
        (PairStream ours, PairStream theirs) = PairStream.Create();
        await using PairStream daemon = theirs;
        await using PortmapClient client = PortmapClient.Over(ours, PortmapEndpoint.Parse(Endpoint));
        using CancellationTokenSource given = new();
        Task late = client.PingAsync(given.Token);
        byte[] first = await ReadPingAsync(daemon);
        await given.CancelAsync();
        await FluentActions.Awaiting(() => late.Within()).Should().ThrowAsync<OperationCanceledException>();
        Task next = client.PingAsync();
        byte[] second = await ReadPingAsync(daemon);

        await daemon.WriteAsync(Answer(first)).Within();
        await daemon.WriteAsync(Answer(second)).Within();

        await next.Within();

        static async Task<byte[]> ReadPingAsync(PairStream daemon)
        {
            byte[] call = new byte[44];
            await daemon.ReadExactlyAsync(call).Within();
            return call;
        }

        // Mark, xid, REPLY, MSG_ACCEPTED, no verifier, SUCCESS (RFC 5531).
        static byte[] Answer(byte[] call) => [0x80, 0, 0, 24, .. call[4..8], 0, 0, 0, 1, .. new byte[16]];
    }

    [Fact]
    public async Task Call_ThatNobodyTakesFromTheSocket_EndsAfterItsLimit()
    {
        (PairStream ours, PairStream theirs) = PairStream.Create();
        await using PairStream deaf = theirs;
        await using PortmapClient client = PortmapClient.Over(ours, PortmapEndpoint.Parse(Endpoint), options: new PortmapClientOptions { CallTimeout = s_short });
        List<Task<PortEntry?>> calls = [];
        while (!ours.HeldBack.IsCompleted)
        {
            calls.Add(client.GetEntryAsync(new string('x', 4_000)));
        }

        calls.Add(client.GetEntryAsync("last"));   // it waits for its turn to be sent

        foreach (Task<PortEntry?> call in calls)
        {
            Func<Task> wait = () => call.Within();
            (await wait.Should().ThrowAsync<IOException>()).Which.Message.Should().ContainAny("CallTimeout", "did not take");
        }
    }

    [Fact]
    public async Task Call_CancelledWhileNobodyTakesItFromTheSocket_EndsAtOnce()
    {
        (PairStream ours, PairStream theirs) = PairStream.Create();
        await using PairStream deaf = theirs;
        await using PortmapClient client = PortmapClient.Over(ours, PortmapEndpoint.Parse(Endpoint), options: new PortmapClientOptions { CallTimeout = Timeout.InfiniteTimeSpan });
        using CancellationTokenSource given = new();
        List<Task<PortEntry?>> calls = [];
        while (!ours.HeldBack.IsCompleted)
        {
            calls.Add(client.GetEntryAsync(new string('x', 4_000), cancellationToken: given.Token));
        }

        await given.CancelAsync();

        foreach (Task<PortEntry?> call in calls)
        {
            await FluentActions.Awaiting(() => call.Within()).Should().ThrowAsync<OperationCanceledException>();
        }

        client.Ended.IsCompleted.Should().BeFalse("what is half written goes on, and others may call");
    }

    /// <summary>Whoever gave up is not there to see that the daemon takes nothing.</summary>
    [Fact]
    public async Task Call_CancelledWhileNobodyTakesItFromTheSocket_StillEndsTheConnectionAfterItsLimit()
    {
        (PairStream ours, PairStream theirs) = PairStream.Create();
        await using PairStream deaf = theirs;
        FakeTimeProvider clock = new();
        await using RpcCaller caller = new(ours, PortmapEndpoint.Parse(Endpoint), new PortmapClientOptions { CallTimeout = TimeSpan.FromSeconds(1), TimeProvider = clock });
        using CancellationTokenSource given = new();
        List<Task> calls = [];
        while (!ours.HeldBack.IsCompleted)
        {
            calls.Add(caller.CallAsync(PortmapProcedure.Lookup, writer => writer.WriteString(new string('x', 4_000)), static (ref XdrReader _) => true, given.Token));
        }

        await given.CancelAsync();
        await Task.WhenAll(calls.Select(call => FluentActions.Awaiting(() => call.Within()).Should().ThrowAsync<OperationCanceledException>()));
        clock.Advance(TimeSpan.FromSeconds(1));

        await caller.Ended.Within();
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-5)]
    [InlineData(86_401)]
    public async Task Connect_WithALimitOutOfBounds_IsMisuse(int seconds)
    {
        PortmapClientOptions connect = new() { ConnectTimeout = TimeSpan.FromSeconds(seconds) }, call = new() { CallTimeout = TimeSpan.FromSeconds(seconds) };
        foreach (PortmapClientOptions options in new[] { connect, call })
        {
            Func<Task> act = () => PortmapClient.ConnectAsync(PortmapEndpoint.Parse(Endpoint), options).Within();
            await act.Should().ThrowAsync<ArgumentOutOfRangeException>();
        }
    }

    /// <summary>Has a daemon that takes nobody in, and as many at its socket as the kernel lets
    /// wait.</summary>
    private List<Socket> FillUp(Socket daemon)
    {
        UnixDomainSocketEndPoint place = new(_folder["portmap.sock"]);
        daemon.Bind(place);
        daemon.Listen(0);
        List<Socket> waiting = [];
        while (true)
        {
            Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) { Blocking = false };
            try
            {
                socket.Connect(place);
                waiting.Add(socket);
            }
            catch (SocketException e) when (e.SocketErrorCode == SocketError.WouldBlock)
            {
                socket.Dispose();
                return waiting;
            }
        }
    }
}
