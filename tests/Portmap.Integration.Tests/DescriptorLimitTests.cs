using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Portmap.Rpc;
using Portmap.TestKit.Processes;

namespace Portmap.Integration.Tests;

/// <summary>A daemon that may have few descriptors, and more clients than that: it serves those it
/// has, and goes on when there are some again.</summary>
public sealed class DescriptorLimitTests : IDisposable
{
    private readonly TempFolder _folder = new();

    private EndPoint Address => new UnixDomainSocketEndPoint(_folder["d.sock"]);

    private PortmapEndpoint Endpoint => PortmapEndpoint.Parse($"unix:{_folder["d.sock"]}");

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(200)]
    [InlineData(256)]
    [InlineData(1_024)]
    public async Task Serve_MoreConnectionsThanDescriptors_TheSignedInWorkerKeepsItsEntry(int limit)
    {
        await using ChildProcess daemon = await ServeAsync(limit);
        using Socket listening = Listen();
        await using PortmapClient worker = await PatientClient.ConnectAsync(Endpoint).Within();
        PortEntry entry = await worker.RegisterAsync(new PortClaimRequest("b1", ((IPEndPoint)listening.LocalEndPoint!).Port)).Within();

        List<Socket> crowd = await CrowdAsync(limit + 200);
        (await worker.GetEntryAsync("b1").Within()).Should().Be(entry);
        crowd.ForEach(socket => socket.Dispose());

        await using PortmapClient next = await ConnectAndAskAsync();
        (await next.GetEntryAsync("b1").Within()).Should().Be(entry);
        daemon.Process.HasExited.Should().BeFalse();
        daemon.Send(Signal.Terminate);
        (await daemon.ExitAsync()).Should().Be(0);
        daemon.Errors.Should().Contain("MaxConnections is 8192").And.Contain("LimitNOFILE");
    }

    [NeedsFact("prlimit")]
    public async Task Serve_WithoutADescriptorLeft_PausesAcceptingAndGoesOnWhenThereAreSome()
    {
        await using ChildProcess daemon = await ServeAsync(limit: 0);
        await using PortmapClient worker = await PatientClient.ConnectAsync(Endpoint).Within();
        using Socket listening = Listen();
        PortEntry entry = await worker.RegisterAsync(new PortClaimRequest("b1", ((IPEndPoint)listening.LocalEndPoint!).Port)).Within();
        (string before, int open) = (Limit(daemon), Directory.GetFiles($"/proc/{daemon.Id}/fd").Length);

        // The crowd takes the last ones. A daemon that had none from this moment on could not load
        // an assembly before it tries to accept, and .NET would end it.
        await SetLimitAsync(daemon, (open + 8).ToString(CultureInfo.InvariantCulture));
        List<Socket> crowd = await CrowdAsync(40);
        Task<byte[]> last = RawPingAsync(crowd[^1]);
        for (int i = 0; i < 20; i++)
        {
            (await worker.GetEntryAsync("b1").Within()).Should().Be(entry);
        }

        last.IsCompleted.Should().BeFalse("there is no descriptor for it");
        await SetLimitAsync(daemon, before);
        (await last.Within()).Should().NotBeEmpty();
        foreach (Socket one in crowd.SkipLast(1))
        {
            (await RawPingAsync(one).Within()).Should().NotBeEmpty();
        }

        crowd.ForEach(socket => socket.Dispose());
        daemon.Send(Signal.Terminate);
        (await daemon.ExitAsync()).Should().Be(0);
        daemon.Errors.Should().Contain("pauses until there are descriptors again: only a few are left", "the last ones are the runtime's");
    }

    private static Socket Listen()
    {
        Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, PortBlock.TakeOne()));
        socket.Listen();
        return socket;
    }

    private static async Task<byte[]> RawPingAsync(Socket socket)
    {
        byte[] answer = new byte[28];
        await socket.SendAsync((byte[])[.. RawCall.Words(0x8000_0028, 1, 0, 2, 0x2050_4D50, 1, 0, 0, 0, 0, 0)]);
        int count = 0;
        while (count < answer.Length && await socket.ReceiveAsync(answer.AsMemory(count)) is var read and > 0)
        {
            count += read;
        }

        return count == answer.Length ? answer : [];
    }

    private async Task<ChildProcess> ServeAsync(int limit)
    {
        ProcessStartInfo daemon = Samples.ManagementDaemon;
        string program = daemon.FileName;
        string[] arguments = ["serve", "--unix", _folder["d.sock"]];
        if (limit != 0)
        {
            daemon.FileName = "sh";
            arguments = ["-c", string.Create(CultureInfo.InvariantCulture, $"ulimit -n {limit} && exec \"$0\" \"$@\""), program, .. arguments];
        }

        ChildProcess child = ChildProcess.Start(daemon, arguments);
        (await child.ReadLineAsync()).Should().StartWith("ready ");
        return child;
    }

    /// <summary>Connects as often as the daemon's backlog lets: a socket without a place in it is
    /// told to try again.</summary>
    private async Task<List<Socket>> CrowdAsync(int count)
    {
        List<Socket> crowd = [];
        for (int i = 0; i < count; i++)
        {
            Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            try
            {
                await socket.ConnectAsync(Address).Within();
                crowd.Add(socket);
            }
            catch (SocketException)
            {
                socket.Dispose();
            }
        }

        return crowd;
    }

    /// <summary>A connection that is served, once the daemon has seen that the others are
    /// gone.</summary>
    private async Task<PortmapClient> ConnectAndAskAsync()
    {
        using CancellationTokenSource end = Deadline.Source();
        while (true)
        {
            try
            {
                PortmapClient client = await PatientClient.ConnectAsync(Endpoint, cancellationToken: end.Token);
                await client.PingAsync(end.Token);
                return client;
            }
            catch (Exception e) when (e is IOException or PortmapUnreachableException)
            {
                end.Token.ThrowIfCancellationRequested();
                await Task.Yield();
            }
        }
    }

    private static string Limit(ChildProcess process) => File.ReadLines($"/proc/{process.Id}/limits")
        .Single(line => line.StartsWith("Max open files", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[3];

    private static async Task SetLimitAsync(ChildProcess process, string soft)
    {
        using Process prlimit = Process.Start("prlimit", ["--pid", process.Id.ToString(CultureInfo.InvariantCulture), $"--nofile={soft}:"]);
        await prlimit.WaitForExitAsync().Within();
        prlimit.ExitCode.Should().Be(0);
    }
}
