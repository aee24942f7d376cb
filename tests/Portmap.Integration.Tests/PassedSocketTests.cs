using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Portmap.TestKit.Processes;

namespace Portmap.Integration.Tests;

/// <summary>Programs that take their socket from the daemon, by systemd's protocol: the port is
/// held from the acquisition on, and no client is refused while the program is started
/// again.</summary>
public sealed class PassedSocketTests
{
    private const string Owner = "web";
    private const int Restarts = 20;
    private const int Connections = 1_000;
    private const int Clients = 10;

    [NeedsFact("python3")]
    public async Task Start_Python_IsExclusiveFromTheAcquisitionOnAndServesWhoWaited()
    {
        await using Scene scene = new();
        PortLease lease = await scene.AcquireAsync();
        lease.Guarantee.Should().Be(PortGuarantee.Exclusive);
        Task<string?> early = Line.FromAsync(lease.Port);   // nobody is there yet: it waits
        BindFails(lease.Port);

        (Process taker, PortEntry entry) = await scene.StartAsync(lease, Scene.Python);

        BindFails(lease.Port);
        (entry.ProcessId, entry.Port, entry.Guarantee, entry.State).Should().Be((taker.Id, lease.Port, PortGuarantee.Exclusive, PortState.Bound));
        (await early).Should().Be($"taker unknown pid {taker.Id}");
        scene.Registry.TryGetPort(Owner, out int port).Should().BeTrue();
        (await Line.FromAsync(port)).Should().Be($"taker unknown pid {taker.Id}");
    }

    [NeedsFact("gcc")]
    public async Task Start_C_ServesAndIsRegistered()
    {
        await using Scene scene = new();
        string program = Path.Combine(AppContext.BaseDirectory, $"taker-{Environment.ProcessId}");
        await using ChildProcess build = ChildProcess.Start(new ProcessStartInfo("gcc"), "-O1", "-o", program, Path.Combine(AppContext.BaseDirectory, "Servers", "taker.c"));
        (await build.ExitAsync()).Should().Be(0, build.Errors);

        (Process taker, PortEntry entry) = await scene.StartAsync(await scene.AcquireAsync(), () => new ProcessStartInfo(program));

        (await Line.FromAsync(entry.Port)).Should().Be($"taker C pid {taker.Id}");
        entry.ProcessId.Should().Be(taker.Id);
        File.Delete(program);
    }

    [NeedsFact("python3")]
    public async Task Restart_TwentyTimesUnderThousandConnections_NoneIsLostAndLookupsAreTrue()
    {
        await using Scene scene = new();
        (Process taker, PortEntry first) = await scene.StartAsync(await scene.AcquireAsync(), Scene.Python);
        using SemaphoreSlim pace = new(0);   // a batch of connections for each restart
        Task<string?[]>[] clients = [.. Enumerable.Range(0, Clients).Select(_ => AskAsync())];
        for (int restart = 0; restart < Restarts; restart++)
        {
            long revision = scene.Registry.Snapshot().Revision;
            pace.Release(Connections / Restarts);
            Signal.Terminate.SendTo(taker.Id);
            await scene.Registry.ChangeAsync(revision, change => change.Kind == PortChangeKind.Died);
            scene.Registry.TryGetPort(Owner, out _).Should().BeFalse("nobody serves it");
            Task<string?> meanwhile = Line.FromAsync(first.Port);
            PortLease lease = await scene.AcquireAsync();
            (lease.Port, lease.Guarantee).Should().Be((first.Port, PortGuarantee.Exclusive));
            (taker, PortEntry entry) = await scene.StartAsync(lease, Scene.Python);
            scene.Registry.TryGetEntry(Owner, out PortEntry found).Should().BeTrue();
            (found.ProcessId, found.Port, found.Epoch).Should().Be((taker.Id, first.Port, entry.Epoch));
            (await meanwhile).Should().StartWith("taker unknown pid ");
        }

        string?[] answers = [.. (await Task.WhenAll(clients).Within(Deadline.Default * 2)).SelectMany(answer => answer)];

        answers.Should().HaveCount(Connections).And.OnlyContain(answer => answer!.StartsWith("taker unknown pid ", StringComparison.Ordinal));

        async Task<string?[]> AskAsync()
        {
            string?[] all = new string?[Connections / Clients];
            for (int i = 0; i < all.Length; i++)
            {
                await pace.WaitAsync().Within(Deadline.Default * 2);
                all[i] = await Line.FromAsync(first.Port);
            }

            return all;
        }
    }

    [NeedsFact("python3")]
    public async Task Start_Udp_IsExclusiveToAndKeepsWhatCameBefore()
    {
        await using Scene scene = new();
        PortLease lease = await scene.AcquireAsync(PortProtocol.Udp);
        using Socket client = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        await client.ConnectAsync(IPAddress.Loopback, lease.Port).Within();
        await client.SendAsync("early"u8.ToArray()).Within();

        (Process taker, PortEntry entry) = await scene.StartAsync(lease, Scene.Python);

        byte[] answer = new byte[100];
        Encoding.ASCII.GetString(answer, 0, await client.ReceiveAsync(answer).Within()).Should().Be($"taker unknown pid {taker.Id}\n");
        (entry.ProcessId, entry.Protocol, entry.Guarantee).Should().Be((taker.Id, PortProtocol.Udp, PortGuarantee.Exclusive));
    }

    [NeedsFact("python3")]
    public async Task Start_BothProtocols_PassesBothAndNothingOfTheDaemonsOwn()
    {
        await using Scene scene = new();
        PortLease lease = await scene.AcquireAsync(PortProtocol.TcpAndUdp);

        // As a daemon that systemd itself started by a socket has it.
        (Process taker, _) = await scene.StartAsync(lease, () => Scene.Python(("LISTEN_PIDFDID", "12345")));

        (await Line.FromAsync(lease.Port)).Should().Be($"taker unknown pid {taker.Id}");
        using Socket client = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        await client.ConnectAsync(IPAddress.Loopback, lease.Port).Within();
        await client.SendAsync("hello"u8.ToArray()).Within();
        byte[] answer = new byte[100];
        Encoding.ASCII.GetString(answer, 0, await client.ReceiveAsync(answer).Within()).Should().Be($"taker unknown pid {taker.Id}\n");
        string[] told = (await File.ReadAllTextAsync($"/proc/{taker.Id}/environ")).Split('\0');
        told.Where(variable => variable.StartsWith("LISTEN_", StringComparison.Ordinal))
            .Should().BeEquivalentTo("LISTEN_FDS=2", "LISTEN_FDNAMES=unknown:unknown", $"LISTEN_PID={taker.Id}");
    }

    [NeedsFact("python3")]
    public async Task Start_TwoLeasesByName_PassesBothInTheirOrder()
    {
        await using Scene scene = new();
        PortLease http = await scene.AcquireAsync(), admin = await scene.AcquireAsync(owner: "web/admin");
        ProcessStartInfo start = Scene.Python();
        http.PrepareStart(start, name: "http");
        admin.PrepareStart(start, name: "admin");

        Process taker = scene.Keep(admin.Start(start));

        (await http.RegisterAsync(taker).Within()).ProcessId.Should().Be(taker.Id);
        (await admin.RegisterAsync(taker).Within()).ProcessId.Should().Be(taker.Id);
        (await Line.FromAsync(http.Port)).Should().Be($"taker http pid {taker.Id}");
        (await Line.FromAsync(admin.Port)).Should().Be($"taker admin pid {taker.Id}");
    }

    [NeedsFact("python3")]
    public async Task Start_WhileOthersAreStarted_NobodyElseHasTheSocket()
    {
        await using Scene scene = new();
        using CancellationTokenSource end = new();
        List<Process> others = [];
        Task starting = Task.Run(() =>
        {
            while (!end.IsCancellationRequested && others.Count < 500)
            {
                others.Add(Process.Start(new ProcessStartInfo("sleep", ["600"]))!);
            }
        });
        List<Process> takers = [];
        List<PortLease> leases = [];
        for (int i = 0; i < 10; i++)
        {
            leases.Add(await scene.AcquireAsync(owner: $"web{i}"));
            takers.Add((await scene.StartAsync(leases[i], Scene.Python)).Taker);
        }

        await end.CancelAsync();
        await starting.Within();
        try
        {
            HashSet<string> ours = [.. takers.SelectMany(taker => SocketsOf(taker.Id))];
            ours.Should().NotBeEmpty();
            others.Should().OnlyContain(other => !SocketsOf(other.Id).Any(ours.Contains));
        }
        finally
        {
            others.ForEach(other =>
            {
                other.Kill();
                other.Dispose();
            });
        }
    }

    [Fact]
    public async Task Release_BeforeTheStart_NobodyListensAnyMoreAndNothingStarts()
    {
        await using Scene scene = new();
        PortLease lease = await scene.AcquireAsync();
        ProcessStartInfo start = new("cat");
        lease.PrepareStart(start);

        lease.TryRelease(out _).Should().BeTrue();

        FluentActions.Invoking(() => lease.Start(start)).Should().Throw<PortRefusedException>().Which.Refusal.Reason.Should().Be(PortRefusalReason.LeaseEnded);
        await UntilRefusedAsync(lease.Port);
    }

    [Fact]
    public async Task Start_WhatIsNotPossible_IsTold()
    {
        await using Scene scene = new();
        PortLease lease = await scene.AcquireAsync();
        ProcessStartInfo unprepared = new("cat"), redirected = new("cat") { RedirectStandardError = true }, text = new("cat", "-n");
        lease.PrepareStart(redirected);
        lease.PrepareStart(text);

        FluentActions.Invoking(() => lease.Start(unprepared)).Should().Throw<InvalidOperationException>().WithMessage("*does not tell of 'web'*PrepareStart*");
        FluentActions.Invoking(() => lease.Start(redirected)).Should().Throw<InvalidOperationException>().WithMessage("*redirected stream*/bin/sh*");
        PortLease guarded = await scene.Registry.AcquireAsync("other").Within();
        ProcessStartInfo plain = new("cat");
        guarded.PrepareStart(plain);
        FluentActions.Invoking(() => guarded.Start(plain)).Should().Throw<InvalidOperationException>().WithMessage("*no socket to pass*'other'*PassSocket*");
        FluentActions.Invoking(() => lease.Start(text)).Should().Throw<InvalidOperationException>().WithMessage("*ArgumentList*");
    }

    [Fact]
    public async Task Start_ProgramThatIsNotThere_EndsTheWaitAtOnce()
    {
        await using Scene scene = new();
        PortLease lease = await scene.AcquireAsync();
        ProcessStartInfo start = new("/does/not/exist");
        lease.PrepareStart(start);

        long revision = scene.Registry.Snapshot().Revision;

        try
        {
            await lease.RegisterAsync(scene.Keep(lease.Start(start))).Within();

            // The shell that was to become the program has the socket until it finds none, so the
            // look may come in time for that.
            await scene.Registry.ChangeAsync(revision, change => change.Kind == PortChangeKind.Died);
        }
        catch (PortRefusedException refused)
        {
            refused.Refusal.Reason.Should().Be(PortRefusalReason.ProcessDead);
        }

        scene.Registry.TryGetPort(Owner, out _).Should().BeFalse("nobody serves it");
    }

    /// <summary>A child that another test starts holds a copy of every descriptor until it has
    /// called exec.</summary>
    private static async Task UntilRefusedAsync(int port)
    {
        using CancellationTokenSource limit = Deadline.Source();
        while (true)
        {
            limit.Token.ThrowIfCancellationRequested();
            using Socket client = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            try
            {
                await client.ConnectAsync(IPAddress.Loopback, port).Within();
            }
            catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionRefused)
            {
                return;
            }
        }
    }

    private static void BindFails(int port)
    {
        // With SO_REUSEADDR, as .NET binds, and without.
        foreach (ProtocolType protocol in (ProtocolType[])[ProtocolType.Tcp, ProtocolType.Unspecified])
        {
            using Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, protocol);
            FluentActions.Invoking(() => socket.Bind(new IPEndPoint(IPAddress.Loopback, port))).Should().Throw<SocketException>();
        }
    }

    private static IEnumerable<string> SocketsOf(int processId) =>
        Directory.EnumerateFiles($"/proc/{processId}/fd").Select(file => new FileInfo(file).LinkTarget).OfType<string>().Where(target => target.StartsWith("socket:", StringComparison.Ordinal));

    private sealed class Scene : IAsyncDisposable
    {
        private readonly List<Process> _takers = [];

        public PortRegistry Registry { get; } = new(new PortRegistryOptions { Ports = PortBlock.Take(16).ToString(), Strategy = PortRegistryOptions.AllocatorPicks });

        public static ProcessStartInfo Python() => new("python3", [Path.Combine(AppContext.BaseDirectory, "Servers", "taker.py")]);

        public static ProcessStartInfo Python((string Name, string Value) variable)
        {
            ProcessStartInfo start = Python();
            start.Environment[variable.Name] = variable.Value;
            return start;
        }

        public async Task<PortLease> AcquireAsync(PortProtocol protocol = PortProtocol.Tcp, string owner = Owner) =>
            await Registry.AcquireAsync(new PortRequest(owner) { Guard = PortGuardMode.PassSocket, Protocol = protocol }).Within();

        public async Task<(Process Taker, PortEntry Entry)> StartAsync(PortLease lease, Func<ProcessStartInfo> program)
        {
            ProcessStartInfo start = program();
            lease.PrepareStart(start);
            Process taker = Keep(lease.Start(start));
            return (taker, await lease.RegisterAsync(taker).Within());
        }

        public Process Keep(Process taker)
        {
            _takers.Add(taker);
            return taker;
        }

        public async ValueTask DisposeAsync()
        {
            foreach (Process taker in _takers)
            {
                if (!taker.HasExited)
                {
                    taker.Kill();
                }

                taker.Dispose();
            }

            await Registry.DisposeAsync().Within();
        }
    }
}
