using System.Net;
using System.Net.Sockets;

namespace Portmap.AspNetCore.Tests;

/// <summary>What a web server gets from one line, with real Kestrel processes.</summary>
public sealed class KestrelTests
{
    public static TheoryData<string, string, string> Protocols { get; } = new()
    {
        { "http1", "http", "1.1" },
        { "http2", "http", "2.0" },
        { "https", "https", "1.1" },
        { "https", "https", "2.0" },
    };

    [Theory]
    [MemberData(nameof(Protocols))]
    public async Task UsePortmap_UnderALease_ServesOnThePortThatTheMapTells(string program, string scheme, string version)
    {
        await using TestDaemon daemon = await TestDaemon.StartAsync();
        Worker worker = await daemon.LaunchAsync("web", program);

        daemon.Registry.TryGetPort("web", out int port).Should().BeTrue();
        string answer = await HttpCalls.GetAsync(port, scheme, Version.Parse(version));

        answer.Should().Be($"web {worker.Process.Id} HTTP/{(version == "2.0" ? "2" : version)} {scheme}");
        worker.Entry.ProcessId.Should().Be(worker.Process.Id);
        worker.Addresses.Should().Equal($"{scheme}://[::]:{port}");
    }

    [Fact]
    public async Task UsePortmap_Grpc_ServesOnThePortThatTheMapTells()
    {
        await using TestDaemon daemon = await TestDaemon.StartAsync();
        Worker worker = await daemon.LaunchAsync("teller", "http2");

        (string owner, int processId) = await HttpCalls.TellAsync(worker.Entry.Port);

        owner.Should().Be("teller");
        processId.Should().Be(worker.Process.Id);
    }

    [Fact]
    public async Task UsePortmap_PortTakenMeanwhile_ServesOnAnotherWithoutARestart()
    {
        await using TestDaemon daemon = await TestDaemon.StartAsync();
        PortLease lease = await daemon.Registry.AcquireAsync(new PortRequest("web") { Guard = PortGuardMode.None }).Within();
        int taken = lease.Port;
        using Socket stranger = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        stranger.Bind(new IPEndPoint(IPAddress.Any, taken));
        stranger.Listen();

        Worker worker = await daemon.LaunchAsync(lease, "http1");

        worker.Entry.Port.Should().NotBe(taken);
        worker.Entry.ProcessId.Should().Be(worker.Process.Id);
        (await HttpCalls.GetAsync(worker.Entry.Port)).Should().StartWith($"web {worker.Process.Id} ");
        daemon.Registry.TryGetEntry(taken, out PortEntry foreign).Should().BeTrue();
        foreign.State.Should().Be(PortState.Foreign);
    }

    [Fact]
    public async Task UsePortmap_DaemonStartedAgain_ServesOnMeanwhileAndSignsInAgain()
    {
        await using TestDaemon daemon = await TestDaemon.StartAsync();
        Worker worker = await daemon.LaunchAsync("web", "http1");
        int port = worker.Entry.Port;

        long revision = await daemon.RestartAsync(between: async () => (await HttpCalls.GetAsync(port)).Should().StartWith("web "));

        PortChange change = await daemon.ChangeAsync(revision, it => it.Kind == PortChangeKind.Registered);
        change.Entry.Should().BeEquivalentTo(new { Owner = "web", Port = port, ProcessId = worker.Process.Id });
        (await HttpCalls.GetAsync(port)).Should().StartWith("web ");
    }

    [Theory]
    [InlineData("http1", "1.1")]
    [InlineData("http2", "2.0")]
    public async Task Terminate_RequestUnderWay_IsOutOfTheMapBeforeTheRequestEnds(string program, string version)
    {
        await using TestDaemon daemon = await TestDaemon.StartAsync();
        Worker worker = await daemon.LaunchAsync("web", program);
        int port = worker.Entry.Port;
        long revision = daemon.Registry.Snapshot().Revision;
        using OpenRequest request = await OpenRequest.StartAsync(worker, Version.Parse(version));

        worker.Process.Send(Signal.Terminate);

        // The request does not end before the test lets it, so the drain is not over when the
        // sign-out arrives.
        PortChange change = await daemon.ChangeAsync(revision, it => it.Entry.Owner == "web");
        change.Kind.Should().Be(PortChangeKind.Released, "it signed out; it did not die and was not lost");
        daemon.Registry.TryGetPort("web", out _).Should().BeFalse();
        worker.Process.Process.HasExited.Should().BeFalse();
        (await request.EndAsync()).Should().Be("first last");
        (await worker.Process.ExitAsync()).Should().Be(0);
    }

    [Fact]
    public async Task Terminate_RequestUnderWay_NoConnectionIsAcceptedThatIsNotServed()
    {
        await using TestDaemon daemon = await TestDaemon.StartAsync();
        Worker worker = await daemon.LaunchAsync("web", "http1");
        long revision = daemon.Registry.Snapshot().Revision;
        using OpenRequest request = await OpenRequest.StartAsync(worker, HttpVersion.Version11);
        worker.Process.Send(Signal.Terminate);
        await daemon.ChangeAsync(revision, it => it.Kind == PortChangeKind.Released);

        // The socket is closed right after the sign-out: at the latest the next connection is
        // refused, while the request is still open.
        using CancellationTokenSource end = Deadline.Source();
        SocketError? refused = null;
        while (refused is null)
        {
            end.Token.ThrowIfCancellationRequested();
            using TcpClient late = new(AddressFamily.InterNetwork);
            try
            {
                await late.ConnectAsync(IPAddress.Loopback, worker.Entry.Port).Within();
            }
            catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionReset)
            {
                // It came in as the socket was closed.
            }
            catch (SocketException e)
            {
                refused = e.SocketErrorCode;
            }
        }

        refused.Should().Be(SocketError.ConnectionRefused);
        (await request.EndAsync()).Should().Be("first last");
    }

    [Fact]
    public async Task Kill_NoChanceToSignOut_IsOutOfTheMap()
    {
        await using TestDaemon daemon = await TestDaemon.StartAsync();
        Worker worker = await daemon.LaunchAsync("web", "http1");
        long revision = daemon.Registry.Snapshot().Revision;

        worker.Process.Kill();

        (await daemon.ChangeAsync(revision, it => it.Entry.Owner == "web" && it.Kind != PortChangeKind.Disconnected)).Kind.Should().Be(PortChangeKind.Died);
        daemon.Registry.TryGetPort("web", out _).Should().BeFalse();
    }

    [Fact]
    public async Task UsePortmap_OwnerStartedAgainElsewhere_TheOldOneStopsByItself()
    {
        await using TestDaemon daemon = await TestDaemon.StartAsync();
        Worker old = await daemon.LaunchAsync("web", "http1");
        Worker next = await daemon.LaunchAsync("web", "http1");

        (await old.Process.ReadLineAsync()).Should().Be("stopping");
        (await old.Process.ExitAsync()).Should().Be(0);
        old.Process.Errors.Should().Contain($"Port {old.Entry.Port} is not 'web''s any more");
        daemon.Registry.TryGetPort("web", out int port).Should().BeTrue();
        port.Should().Be(next.Entry.Port);
    }

    [Fact]
    public async Task UsePortmap_TwoOwners_AreTwoEndpointsOfOneProcess()
    {
        await using TestDaemon daemon = await TestDaemon.StartAsync();
        Worker worker = await daemon.LaunchAsync("web", "http1", "web/admin");
        daemon.Registry.TryGetEntry("web/admin", out PortEntry admin).Should().BeTrue("it listens when it says so");

        worker.Addresses.Should().BeEquivalentTo($"http://[::]:{worker.Entry.Port}", $"http://[::]:{admin.Port}");
        admin.ProcessId.Should().Be(worker.Process.Id);
        (await HttpCalls.GetAsync(admin.Port)).Should().StartWith($"web {worker.Process.Id} ");
        worker.Process.Send(Signal.Terminate);
        (await worker.Process.ExitAsync()).Should().Be(0);
        daemon.Registry.TryGetPort("web", out _).Should().BeFalse();
        daemon.Registry.TryGetPort("web/admin", out _).Should().BeFalse();
    }

    [Fact]
    public async Task UsePortmap_PortsByName_AreEndpointsOfOneProcessAndOneThatWasNotGivenIsLeftOut()
    {
        await using TestDaemon daemon = await TestDaemon.StartAsync();
        PortLease web = await daemon.Registry.AcquireAsync("web").Within(), admin = await daemon.Registry.AcquireAsync("web/admin").Within();
        System.Diagnostics.ProcessStartInfo start = TestDaemon.Program("http1", "--names", "http", "admin", "metrics");
        web.PrepareStart(start, name: "http");
        admin.PrepareStart(start, name: "admin");
        await using var process = ChildProcess.Start(start);

        string[] words = (await process.ReadLineAsync()).Split(' ');

        words[1..].Should().BeEquivalentTo($"http://[::]:{web.Port}", $"http://[::]:{admin.Port}");
        process.Errors.Should().NotContain("[202]", "what the daemon prepared is used");
        foreach (PortLease lease in (PortLease[])[web, admin])
        {
            PortEntry entry = await lease.WhenBound.Within();
            (entry.Owner, entry.ProcessId, entry.Epoch).Should().Be((lease.Owner, process.Id, lease.Epoch));
            (await HttpCalls.GetAsync(entry.Port)).Should().Be($" {process.Id} HTTP/1.1 http");
        }

        process.Send(Signal.Terminate);
        (await process.ExitAsync()).Should().Be(0);
        daemon.Registry.TryGetPort("web", out _).Should().BeFalse();
        daemon.Registry.TryGetPort("web/admin", out _).Should().BeFalse();
    }

    [Fact]
    public async Task ListenHandle_SocketThatTheDaemonPassed_ServesWhoWaitedAndIsRegistered()
    {
        await using TestDaemon daemon = await TestDaemon.StartAsync();
        PortLease lease = await daemon.Registry.AcquireAsync(new PortRequest("web") { Guard = PortGuardMode.PassSocket }).Within();
        Task<string> early = HttpCalls.GetAsync(lease.Port);
        System.Diagnostics.ProcessStartInfo start = TestDaemon.Program("http1", "--handle");
        lease.PrepareStart(start);
        using System.Diagnostics.Process process = lease.Start(start);
        try
        {
            PortEntry entry = await lease.RegisterAsync(process).Within();

            (entry.ProcessId, entry.Port, entry.Guarantee).Should().Be((process.Id, lease.Port, PortGuarantee.Exclusive));
            (await early).Should().Be($"web {process.Id} HTTP/1.1 http");
        }
        finally
        {
            process.Kill();
        }
    }

    [Fact]
    public async Task UsePortmap_NoOwner_ChangesNothing()
    {
        int port = PortBlock.TakeOne();
        System.Diagnostics.ProcessStartInfo start = TestDaemon.Program("http1");
        start.Environment["ASPNETCORE_URLS"] = $"http://127.0.0.1:{port}";
        start.Environment["PORTMAP_ENDPOINT"] = "unix:/nowhere/portmap.sock";   // nobody asks there
        await using var process = ChildProcess.Start(start);

        (await process.ReadLineAsync()).Should().Be($"listening http://127.0.0.1:{port}");
        (await HttpCalls.GetAsync(port)).Should().Be($" {process.Id} HTTP/1.1 http");
        process.Send(Signal.Terminate);
        (await process.ExitAsync()).Should().Be(0);
        process.Errors.Should().NotContain("Portmap.Rpc");
    }

    /// <summary>A name that differs between the daemon and the program: each lease would end
    /// unused, and nobody would know why.</summary>
    [Theory]
    [InlineData("metric", "'metric' (owner 'web')", new[] { "--names", "metrics", "probes" }, "asks for 'metrics', 'probes'.")]
    [InlineData(null, "the port without a name (owner 'web')", new[] { "--names", "http" }, "asks for 'http'.")]
    [InlineData("http", "'http' (owner 'web')", new string[0], "asks for the port without a name.")]
    public async Task UsePortmap_PreparedUnderAnotherName_SaysBothNames(string? name, string prepared, string[] arguments, string asked)
    {
        await using TestDaemon daemon = await TestDaemon.StartAsync();
        PortLease lease = await daemon.Registry.AcquireAsync("web").Within();
        int port = PortBlock.TakeOne();
        System.Diagnostics.ProcessStartInfo start = TestDaemon.Program(["http1", .. arguments]);
        start.Environment["ASPNETCORE_URLS"] = $"http://127.0.0.1:{port}";
        lease.PrepareStart(start, name: name);
        await using var process = ChildProcess.Start(start);

        (await process.ReadLineAsync()).Should().Be($"listening http://127.0.0.1:{port}", "the program runs all the same");
        process.Send(Signal.Terminate);
        (await process.ExitAsync()).Should().Be(0);
        process.Errors.Should().Contain("warn: Portmap.Rpc.WorkerPort[202]")
            .And.Contain($"The daemon prepared {prepared} for this process").And.Contain(asked).And.Contain("PrepareStart");
    }

    [Fact]
    public async Task UsePortmap_OneOfTwoPreparedIsNotAskedFor_SaysThatOne()
    {
        await using TestDaemon daemon = await TestDaemon.StartAsync();
        PortLease http = await daemon.Registry.AcquireAsync("web").Within(), metric = await daemon.Registry.AcquireAsync("web/metric").Within();
        System.Diagnostics.ProcessStartInfo start = TestDaemon.Program("http1", "--names", "http", "metrics");
        http.PrepareStart(start, name: "http");
        metric.PrepareStart(start, name: "metric");
        await using var process = ChildProcess.Start(start);

        (await process.ReadLineAsync()).Should().Be($"listening http://[::]:{http.Port}");
        process.Send(Signal.Terminate);
        (await process.ExitAsync()).Should().Be(0);
        process.Errors.Should().Contain("The daemon prepared 'metric' (owner 'web/metric') for this process").And.Contain("asks for 'http', 'metrics'.");
    }

    [Fact]
    public async Task UsePortmap_UrlsSaidAsWell_ThePortOfTheMapWins()
    {
        await using TestDaemon daemon = await TestDaemon.StartAsync();
        PortLease lease = await daemon.Registry.AcquireAsync("web").Within();
        System.Diagnostics.ProcessStartInfo start = TestDaemon.Program("http1");
        start.Environment["ASPNETCORE_URLS"] = $"http://127.0.0.1:{PortBlock.TakeOne()}";
        start.Environment["ASPNETCORE_PREFERHOSTINGURLS"] = "true";
        lease.PrepareStart(start);
        await using var process = ChildProcess.Start(start);

        (await process.ReadLineAsync()).Should().Be($"listening http://[::]:{lease.Port}");
    }

    [Fact]
    public async Task UsePortmap_NoDaemon_DoesNotStartAndSaysWhere()
    {
        System.Diagnostics.ProcessStartInfo start = TestDaemon.Program("http1");
        start.Environment["PORTMAP_OWNER"] = "web";
        start.Environment["PORTMAP_ENDPOINT"] = "unix:/nowhere/portmap.sock";
        await using var process = ChildProcess.Start(start);

        (await process.ExitAsync()).Should().NotBe(0);
        (await process.ReadToEndAsync()).Should().BeEmpty();
        process.Errors.Should().Contain("unix:/nowhere/portmap.sock").And.Contain("PortmapUnreachableException");
    }
}
