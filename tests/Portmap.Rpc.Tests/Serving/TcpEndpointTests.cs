using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Portmap.Native;
using Portmap.Rpc.Protocol;
using Portmap.Rpc.Serving;

namespace Portmap.Rpc.Tests.Serving;

public sealed class TcpEndpointTests : AsyncTest
{
    private readonly PortRegistry _registry = new(new PortRegistryOptions());

    public override ValueTask DisposeAsync() => _registry.DisposeAsync();

    [Fact]
    public async Task Accept_FailsForNoReasonThatIsKnown_IsToldAndTriedAgain()
    {
        Harness harness = new();
        using EndpointListener listener = EndpointListener.Open(PortmapEndpoint.Parse($"tcp:{PortBlock.Loopback}:0"), default, _ => { });
        Task accepting = harness.Connections.AcceptAsync(listener);

        listener.Socket.Dispose();

        await harness.Logs.SeenAsync("AcceptFailed").Within();
        accepting.IsCompleted.Should().BeFalse("a server that stopped accepting would be found by nobody");
        await harness.DisposeAsync();
        await accepting.Within();
    }

    [Fact]
    public async Task Start_OnPortZero_SaysThePortAndBelievesAProcessOfThisHost()
    {
        await using PortmapServer server = Server($"tcp:{PortBlock.Loopback}:0");
        await server.StartAsync().Within();
        server.Endpoints.Should().ContainSingle();
        await using PortmapClient client = await PortmapClient.ConnectAsync(server.Endpoints[0]).Within();
        PortEntry entry = await client.RegisterAsync(new PortClaimRequest("b1", 49200)).Within();
        entry.ProcessId.Should().Be(Environment.ProcessId);
    }

    [Fact]
    public async Task Start_OnATakenPort_IsRefusedByName()
    {
        using Socket other = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        other.Bind(new IPEndPoint(PortBlock.Loopback, PortBlock.TakeOne()));
        other.Listen();
        await using PortmapServer server = Server($"tcp:{other.LocalEndPoint}");
        Func<Task> start = () => server.StartAsync().Within();
        await start.Should().ThrowAsync<IOException>().WithMessage($"*{other.LocalEndPoint}*");
    }

    [Fact]
    public async Task Start_AtAnAddressOfAnotherHost_SaysWhatToDo()
    {
        await using PortmapServer server = Server("tcp:192.0.2.1:0", options => options.AllowRemote = true);
        Func<Task> start = () => server.StartAsync().Within();
        (await start.Should().ThrowAsync<IOException>()).Which.Message.Should().ContainAll("tcp:192.0.2.1:0", "EADDRNOTAVAIL", "ip addr");
    }

    [Fact]
    public async Task Start_OnAPortThatNeedsAPrivilege_SaysWhatToDo()
    {
        await using PortmapServer server = Server("tcp:127.0.0.1:600");
        Exception? failed = Deprived.Run(() => Record.Exception(() => server.StartAsync().GetAwaiter().GetResult()));
        failed.Should().BeOfType<IOException>().Which.Message.Should().ContainAll("tcp:127.0.0.1:600", "EACCES", "CAP_NET_BIND_SERVICE");
    }

    [Fact]
    public void Connection_OverTcp_EndsAfterTwoMinutesOfWhatIsNotAcknowledged()
    {
        const int Tcp = 6, UserTimeout = 18;   // TCP_USER_TIMEOUT, tcp(7)
        using Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        TcpSocket.Prepare(socket, TimeSpan.FromSeconds(30));
        byte[] milliseconds = new byte[sizeof(int)];
        socket.GetRawSocketOption(Tcp, UserTimeout, milliseconds);
        BitConverter.ToInt32(milliseconds).Should().Be(120_000);
    }

    /// <summary>The kernel ends what takes nothing by the same limit, although it answers.</summary>
    [Fact]
    public async Task Connection_OverTcpWhereRecordsAndCallsMayTakeLonger_EndsNoEarlier()
    {
        const int Tcp = 6, UserTimeout = 18;   // TCP_USER_TIMEOUT, tcp(7)
        await using PortmapServer server = Server($"tcp:{PortBlock.Loopback}:0", options => options.RecordTimeout = TimeSpan.FromMinutes(10));
        await server.StartAsync().Within();
        await using PortmapClient client = await PortmapClient.ConnectAsync(server.Endpoints[0], new PortmapClientOptions { CallTimeout = TimeSpan.FromMinutes(15) }).Within();
        await client.PingAsync().Within();

        // Of each end the kernel's list shows the number of its socket, and our descriptors show
        // which one that is.
        string port = ":" + server.Endpoints[0].Address!.Port.ToString("X4", System.Globalization.CultureInfo.InvariantCulture);
        Dictionary<string, int> descriptors = [];
        foreach (string file in Directory.GetFiles("/proc/self/fd"))
        {
            if (DescriptorLinks.TryRead(file) is { } link)
            {
                descriptors[link] = int.Parse(Path.GetFileName(file), System.Globalization.CultureInfo.InvariantCulture);
            }
        }

        Dictionary<bool, int> byEnd = [];
        foreach (string[] row in File.ReadLines("/proc/net/tcp").Skip(1).Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries)).Where(row => row[3] == "01"))
        {
            bool isServer = row[1].EndsWith(port, StringComparison.Ordinal);
            if ((isServer || row[2].EndsWith(port, StringComparison.Ordinal)) && descriptors.TryGetValue($"socket:[{row[9]}]", out int descriptor))
            {
                int length = sizeof(int);
                GetOption(descriptor, Tcp, UserTimeout, out int milliseconds, ref length).Should().Be(0);
                byEnd[!isServer] = milliseconds;
            }
        }

        byEnd.Should().Equal(new Dictionary<bool, int> { [false] = 601_000, [true] = 901_000 });
    }

    [Fact]
    public async Task Connection_OverTcp_HasAKeepAliveTimerAtBothEnds()
    {
        await using PortmapServer server = Server($"tcp:{PortBlock.Loopback}:0");
        await server.StartAsync().Within();
        await using PortmapClient client = await PortmapClient.ConnectAsync(server.Endpoints[0]).Within();
        await client.PingAsync().Within();

        // Of each end the kernel's list shows the timer that runs: 02 is the one that asks a silent
        // peer, 01 runs until the last bytes are acknowledged.
        string address = InTheKernelsList(server.Endpoints[0].Address!);
        string[][] ends;
        using CancellationTokenSource end = Deadline.Source();
        do
        {
            await Task.Yield();
            ends = [.. File.ReadLines("/proc/net/tcp").Skip(1).Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
                .Where(row => row[3] == "01" && (row[1] == address || row[2] == address))];
        }
        while (ends.Any(row => row[5].StartsWith("01:", StringComparison.Ordinal)) && !end.IsCancellationRequested);

        ends.Should().HaveCount(2).And.OnlyContain(row => row[5].StartsWith("02:", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("tcp:0.0.0.0:0")]
    [InlineData("tcp:[::]:0")]
    [InlineData("tcp:192.0.2.1:0")]
    public async Task Start_OnAnAddressThatOthersReach_NeedsToBeAllowed(string endpoint)
    {
        await using PortmapServer server = Server(endpoint);
        Func<Task> start = () => server.StartAsync().Within();
        await start.Should().ThrowAsync<InvalidOperationException>().WithMessage("*AllowRemote*");
    }

    [Fact]
    public async Task Start_OnAnAddressThatOthersReach_WhenAllowedWarns()
    {
        LogList logs = new();
        await using PortmapServer server = new(_registry, new PortmapServerOptions { Endpoints = { "tcp:0.0.0.0:0" }, AllowRemote = true, MaxConnections = 100 }, new ServerLog(logs));
        await server.StartAsync().Within();
        logs.Warnings.Should().ContainSingle().Which.Text.Should().Contain("0.0.0.0").And.Contain("AllowRemote");
    }

    [Fact]
    public async Task Start_OnLoopback_DoesNotWarn()
    {
        LogList logs = new();
        await using PortmapServer server = new(_registry, new PortmapServerOptions { Endpoints = { $"tcp:{PortBlock.Loopback}:0" }, MaxConnections = 100 }, new ServerLog(logs));
        await server.StartAsync().Within();
        logs.Warnings.Should().BeEmpty();
    }

    [Fact]
    public async Task Connection_PastTheLimit_IsClosedAndTheNextAfterOneEndedIsServed()
    {
        await using PortmapServer server = Server($"tcp:{PortBlock.Loopback}:0", options => options.MaxConnections = 1);
        await server.StartAsync().Within();
        PortmapEndpoint endpoint = server.Endpoints[0];
        PortmapClient first = await PortmapClient.ConnectAsync(endpoint).Within();
        await first.PingAsync().Within();
        Func<Task> second = () => PortmapClient.ConnectAsync(endpoint).Within();
        (await second.Should().ThrowAsync<PortmapUnreachableException>("connecting completes with the first answer")).Which.Message
            .Should().Contain("MaxConnections").And.NotContainAny("Start the daemon", "connect again", "..");

        await first.DisposeAsync();
        for (bool served = false; !served;)
        {
            try
            {
                await using PortmapClient third = await PortmapClient.ConnectAsync(endpoint).Within();
                await third.PingAsync().Within();
                served = true;
            }
            catch (Exception e) when (e is IOException or PortmapUnreachableException)
            {
                // The server has not seen the end of the first one yet.
            }
        }
    }

    [Fact]
    public async Task Stop_WithOpenConnections_EndsThemAndDoesNotStartAgain()
    {
        PortmapServer server = Server($"tcp:{PortBlock.Loopback}:0");
        await server.StartAsync().Within();
        await using PortmapClient client = await PortmapClient.ConnectAsync(server.Endpoints[0]).Within();
        await client.PingAsync().Within();
        await server.StopAsync().Within();
        await client.Ended.Within();
        await server.StopAsync().Within();
        await server.DisposeAsync();
        Func<Task> start = () => server.StartAsync().Within();
        await start.Should().ThrowAsync<InvalidOperationException>();
    }

    [Fact]
    public async Task Stop_GivenUpByTheHost_GoesOnAndTheNextOneWaitsForIt()
    {
        Stubborn program = new();
        PortmapServer server = Server($"tcp:{PortBlock.Loopback}:0", options => options.Programs.Add(program));
        await server.StartAsync().Within();
        using TcpClient client = new();
        await client.ConnectAsync(new IPEndPoint(PortBlock.Loopback, server.Endpoints[0].Address!.Port));
        await client.GetStream().WriteAsync(Wire.Call(1, program.Number, 1, []));
        await program.Called.Task.Within();

        using CancellationTokenSource hasty = new();
        Task stopping = server.StopAsync(hasty.Token);
        await hasty.CancelAsync();
        await ((Func<Task>)(() => stopping.Within())).Should().ThrowAsync<OperationCanceledException>();
        Task disposing = server.DisposeAsync().AsTask();
        disposing.IsCompleted.Should().BeFalse("a call is under way, and the registry must not go before it");

        program.End.SetResult();
        await disposing.Within();
    }

    [Fact]
    public async Task Stop_CallerHasGivenUpBefore_EndsTheServerAllTheSame()
    {
        Stubborn program = new();
        PortmapServer server = Server($"tcp:{PortBlock.Loopback}:0", options => options.Programs.Add(program));
        await server.StartAsync().Within();
        await using PortmapClient other = await PortmapClient.ConnectAsync(server.Endpoints[0]).Within();
        using TcpClient client = new();
        await client.ConnectAsync(new IPEndPoint(PortBlock.Loopback, server.Endpoints[0].Address!.Port));
        await client.GetStream().WriteAsync(Wire.Call(1, program.Number, 1, []));
        await program.Called.Task.Within();

        Func<Task> stop = () => server.StopAsync(new CancellationToken(canceled: true)).Within();
        await stop.Should().ThrowAsync<OperationCanceledException>("a call is under way, and nobody waits for it");

        await other.Ended.Within();
        program.End.SetResult();
        await server.DisposeAsync();
    }

    /// <summary>An address and a port as /proc/net/tcp writes them; other processes have the
    /// port too, at addresses of their own.</summary>
    private static string InTheKernelsList(IPEndPoint end) =>
        string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{BitConverter.ToUInt32(end.Address.GetAddressBytes()):X8}:{end.Port:X4}");

    [DllImport("libc", EntryPoint = "getsockopt", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int GetOption(int descriptor, int level, int name, out int value, ref int length);

    private sealed class Stubborn : IRpcProgram
    {
        public TaskCompletionSource Called { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public TaskCompletionSource End { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public uint Number => 0x1234;

        public uint Version => 1;

        public string Name => "Stubborn";

        public async ValueTask<bool> InvokeAsync(RpcCall request, CancellationToken cancellationToken)
        {
            Called.SetResult();
            await End.Task;
            return true;
        }
    }

    private PortmapServer Server(string endpoint, Action<PortmapServerOptions>? configure = null)
    {
        PortmapServerOptions options = new();
        options.Endpoints.Add(endpoint);
        configure?.Invoke(options);
        return new PortmapServer(_registry, options);
    }
}
