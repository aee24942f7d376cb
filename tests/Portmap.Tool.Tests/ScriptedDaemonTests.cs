using System.Text.Json;

namespace Portmap.Tool.Tests;

/// <summary>A daemon inside this process, which believes what no real one would.</summary>
#pragma warning disable CA1001 // xunit disposes it by IAsyncLifetime
public sealed class ScriptedDaemonTests : ToolTest
{
    /// <summary>As if more waited for a daemon than the kernel lets wait, when a process connects to
    /// a Unix socket for the second time.</summary>
    private const string BusyOnce =
        """
        #define _GNU_SOURCE
        #include <dlfcn.h>
        #include <errno.h>
        #include <sys/socket.h>

        int connect(int fd, const struct sockaddr *to, socklen_t length)
        {
            static int calls;
            int (*next)(int, const struct sockaddr *, socklen_t) = dlsym(RTLD_NEXT, "connect");
            if (to->sa_family != AF_UNIX || ++calls != 2) return next(fd, to, length);
            errno = EAGAIN;
            return -1;
        }
        """;

    private const uint List = 6;

    /// <summary>Refused: RevisionTooOld, "gone", of nobody's entry.</summary>
    private static readonly byte[] s_dropped = [0, 0, 0, 1, 0, 0, 0, 17, 0, 0, 0, 4, .. "gone"u8, .. new byte[28]];

    private PortRegistry _registry = null!;
    private PortmapServer _server = null!;

    private string TcpEndpoint => _server.Endpoints[^1].ToString();

    public override async Task InitializeAsync()
    {
        PortRange range = PortBlock.Take(20);
        PortRegistryOptions believing = new() { Ports = range.ToString(), VerifyListening = false, ReconcileInterval = TimeSpan.FromMinutes(10) };
        _registry = new PortRegistry(believing.SimulateHost((_, _) => [], _ => 1));   // every process lives
        PortmapServerOptions options = new() { AllowTcpChanges = false, Endpoints = { Endpoint, $"tcp:{PortBlock.TakeLoopback()}:0" } };
        _server = new PortmapServer(_registry, options);
        await _server.StartAsync().Within();
        await _registry.OpenSession(Environment.ProcessId).RegisterAsync(new PortClaimRequest("b1", range.Last)).Within();
    }

    public override async Task DisposeAsync()
    {
        await _server.DisposeAsync().Within();
        await _registry.DisposeAsync().Within();
        await base.DisposeAsync();
    }

    [Fact]
    public async Task Doctor_OfAnEntryWhoseProcessDoesNotListen_NamesIt()
    {
        Outcome outcome = await RunAsync("doctor", "--json");

        JsonElement check = outcome.Lines.Select(line => JsonDocument.Parse(line).RootElement).Single(line => line.GetProperty("check").GetString() == "nobodyListens");
        check.GetProperty("result").GetString().Should().Be("found");
        check.GetProperty("value").GetString().Should().Contain("b1");
        outcome.ExitCode.Should().Be(5);
    }

    [NeedsFact("gcc")]
    public async Task Doctor_OfADaemonThatIsBusyForAMoment_LooksAtItsProcesses()
    {
        await File.WriteAllTextAsync(Folder["busy.c"], BusyOnce).Within();
        await using ChildProcess build = ChildProcess.Start(new System.Diagnostics.ProcessStartInfo("gcc"), "-shared", "-fPIC", "-o", Folder["busy.so"], Folder["busy.c"], "-ldl");
        (await build.ExitAsync()).Should().Be(0, build.Errors);
        System.Diagnostics.ProcessStartInfo start = Programs.Tool;
        (start.Environment["PORTMAP_ENDPOINT"], start.Environment["LD_PRELOAD"]) = (Endpoint, Folder["busy.so"]);

        await using ChildProcess tool = ChildProcess.Start(start, "doctor", "--json");

        Dictionary<string, string> results = (await tool.ReadToEndAsync()).Select(line => JsonDocument.Parse(line).RootElement).DistinctBy(line => line.GetProperty("check").GetString())
            .ToDictionary(line => line.GetProperty("check").GetString()!, line => line.GetProperty("result").GetString()!);
        (results["daemon"], results["nobodyListens"]).Should().Be(("ok", "found"));
    }

    [NeedsEphemeralRangeFact]
    public async Task Doctor_OfADaemonThatHasNearlyUsedThePortsTheKernelLeavesAlone_FindsIt()
    {
        int last = NeedsEphemeralRangeFactAttribute.Range!.Value.Last;
        string[] endpoints = [Endpoint, TcpEndpoint];
        foreach (string endpoint in endpoints)
        {
            (await ResultAsync(endpoint)).Should().Be("note", endpoint);
        }

        foreach (int port in Enumerable.Range(last + 1, 11))
        {
            await _registry.OpenSession(Environment.ProcessId).RegisterAsync(new PortClaimRequest($"o{port}", port)).Within();
        }

        foreach (string endpoint in endpoints)
        {
            (await ResultAsync(endpoint)).Should().Be("found", "99 of 110 are free, as is told at {0}", endpoint);
        }

        async Task<string?> ResultAsync(string endpoint) =>
            (await CheckAsync("ephemeralOverlap", "--range", $"{last - 9}-{last + 110}", "-e", endpoint)).GetProperty("result").GetString();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Doctor_OfAPortThatAStrangerHas_NamesIt(bool overTcp)
    {
        PortRegistryOptions options = new() { Ports = "50000-50001", Strategy = PortRegistryOptions.AllocatorPicks, Order = PortOrder.LowestFree };
        options.SimulateHost((protocol, port) => protocol == PortProtocol.Tcp && port is 0 or 50_000 ? [(50_000, 1, true)] : [], _ => 1);
        await using PortRegistry registry = new(options);
        await using PortmapServer server = new(registry, new PortmapServerOptions { Endpoints = { $"unix:{Folder["other"]}", $"tcp:{PortBlock.TakeLoopback()}:0" } });
        await server.StartAsync().Within();
        (await registry.AcquireAsync("b2").Within()).Port.Should().Be(50_001);

        JsonElement check = await CheckAsync("foreignPorts", "-e", server.Endpoints[overTcp ? 1 : 0].ToString());

        check.GetProperty("result").GetString().Should().Be("found");
        check.GetProperty("value").GetString().Should().Be("1: 50000/tcp");
    }

    [Theory]
    [InlineData(10)]
    [InlineData(11)]
    public async Task Doctor_OfManyEntries_NamesTenAndSaysWhetherThereAreMore(int count)
    {
        PortSession session = _registry.OpenSession(Environment.ProcessId);
        for (int i = 1; i < count; i++)   // b1 is there
        {
            await session.RegisterAsync(new PortClaimRequest($"silent{i}", 30_000 + i)).Within();
        }

        string value = (await CheckAsync("nobodyListens")).GetProperty("value").GetString()!;

        value.Should().StartWith($"{count}: ");
        value.Split("; ").Should().HaveCount(count == 10 ? 10 : 11);
        value.EndsWith("; …", StringComparison.Ordinal).Should().Be(count > 10);
    }

    [Fact]
    public async Task List_OfAPortThatCools_HasNoGuarantee()
    {
        PortLease lease = await _registry.AcquireAsync(new PortRequest("b2") { Strategy = PortRegistryOptions.AllocatorPicks }).Within();
        await lease.ReleaseAsync().Within();

        Outcome outcome = await RunAsync("list", "--state", "cooling");

        outcome.Lines[^1].Split(' ', StringSplitOptions.RemoveEmptyEntries)[5].Should().Be("-", outcome.Text);
    }

    [Fact]
    public async Task List_EntriesOfSeveralAges_SaysHowLongInTheTwoLargestUnits()
    {
        SetClock clock = new(DateTimeOffset.UtcNow - TimeSpan.FromHours(30) - TimeSpan.FromSeconds(30));
        await using PortRegistry registry = new(new PortRegistryOptions { VerifyListening = false, Guard = PortGuardMode.None }.SimulateHost((_, _) => [], _ => 1), timeProvider: clock);
        await using PortmapServer server = new(registry, new PortmapServerOptions { Endpoints = { $"unix:{Folder["aged"]}" } });
        await server.StartAsync().Within();
        PortSession session = registry.OpenSession(Environment.ProcessId);
        foreach ((string owner, TimeSpan later) in new[] { ("days", TimeSpan.FromHours(28.5)), ("hours", TimeSpan.FromHours(3)), ("to-come", TimeSpan.Zero) })
        {
            await session.RegisterAsync(new PortClaimRequest(owner, 50_000)).Within();
            clock.Now += later;
        }

        Outcome outcome = await RunAsync("list", "-e", $"unix:{Folder["aged"]}");

        (string Owner, string Age)[] shown = [.. outcome.Lines.Skip(1).Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries)).Select(line => (line[2], Array.Find(line, word => word is [>= '0' and <= '9', .., 'h' or 'm' or 's'])!))];
        shown.Should().BeEquivalentTo([("days", "1d06h"), ("hours", "1h30m"), ("to-come", "0s")], outcome.Text);
    }

    [NeedsFact("tmux")]
    public async Task Top_OfTwoRanges_ShowsEachPortAtItsPlaceAndCountsItOnce()
    {
        PortSession session = _registry.OpenSession(Environment.ProcessId);   // above what tests take, where b1 is
        foreach (PortProtocol protocol in new[] { PortProtocol.Tcp, PortProtocol.Udp })
        {
            await session.RegisterAsync(new PortClaimRequest("second", 63_000) { Protocol = protocol }).Within();
        }

        await using Tmux terminal = await Tmux.StartAsync(Folder["tmux"], Endpoint);
        await terminal.TypeAsync($"{Programs.ToolPath} top --range 62000-62009,63000-63009");

        string screen = await terminal.UntilAsync(screen => screen.Contains("second"));

        screen.Split('\n').Should().Contain(line => line.Trim() == "..........#.........");
        screen.Should().Contain("free 19 of 20", "it is one port, of either protocol");
    }

    [NeedsFact("tmux")]
    public async Task Top_OfMoreOwnersThanLines_ShowsTheNewestAndSaysHowManyMore()
    {
        await using PortRegistry registry = new(
            new PortRegistryOptions { VerifyListening = false, Guard = PortGuardMode.None }.SimulateHost((_, _) => [], _ => 1),
            timeProvider: new SetClock(DateTimeOffset.UtcNow));   // which stands: all are of one moment
        await using PortmapServer server = new(registry, new PortmapServerOptions { Endpoints = { $"unix:{Folder["crowd"]}" } });
        await server.StartAsync().Within();
        PortSession session = registry.OpenSession(Environment.ProcessId);
        for (int i = 0; i < 21; i++)
        {
            await session.RegisterAsync(new PortClaimRequest($"owner{i}", 50_000 + i)).Within();
        }

        await using Tmux terminal = await Tmux.StartAsync(Folder["tmux"], Endpoint);
        await terminal.TypeAsync($"{Programs.ToolPath} top -e unix:{Folder["crowd"]}");

        string screen = await terminal.UntilAsync(screen => screen.Contains("\nand 7 more"));
        string[][] rows = [.. screen.Split('\n').Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries)).Where(row => row.Length > 2 && row[0].EndsWith("/tcp", StringComparison.Ordinal))];
        rows.Select(row => row[2]).Should().Equal(Enumerable.Range(7, 14).Reverse().Select(i => $"owner{i}"), screen);
    }

    [NeedsFact("tmux")]
    public async Task Top_OverTcp_SaysThatProcessesAreNotLookedAt()
    {
        await using Tmux terminal = await Tmux.StartAsync(Folder["tmux"], Endpoint);
        await terminal.TypeAsync($"{Programs.ToolPath} top -e {TcpEndpoint}");

        string screen = await terminal.UntilAsync(screen => screen.Contains(" b1 "));

        screen.Should().Contain("processes are not looked at").And.NotContain("findings: none");
    }

    [NeedsFact("tmux")]
    public async Task Top_ChangesOfLongAgo_AreNoChangesOfLate()
    {
        await using Tmux terminal = await Tmux.StartAsync(Folder["tmux"], Endpoint);
        await terminal.TypeAsync($"{Programs.ToolPath} top");
        await terminal.UntilAsync(screen => screen.Contains("no changes"));

        await _registry.OpenSession(Environment.ProcessId).RegisterAsync(new PortClaimRequest("late", 30_000)).Within();

        await terminal.UntilAsync(screen => screen.Contains("registered 0.") || screen.Contains("registered 1."));
        await terminal.UntilAsync(screen => screen.Contains("no changes"));
    }

    [Fact]
    public async Task Doctor_OfAnEntryWhoseProcessIsGone_SaysThatAndNotThatItDoesNotListen()
    {
        await _registry.OpenSession(int.MaxValue).RegisterAsync(new PortClaimRequest("gone", PortBlock.TakeOne())).Within();

        Outcome outcome = await RunAsync("doctor", "--json");

        Dictionary<string, string> values = outcome.Lines.Select(line => JsonDocument.Parse(line).RootElement).Where(line => line.GetProperty("result").GetString() == "found")
            .ToDictionary(line => line.GetProperty("check").GetString()!, line => line.GetProperty("value").GetString()!);
        values["processGone"].Should().Contain("gone").And.NotContain("b1");
        values["nobodyListens"].Should().Contain("b1").And.NotContain("gone");
    }

    [Fact]
    public async Task Release_OfAProcessThatOnlyTheDaemonSees_NeedsForce()
    {
        await _registry.OpenSession(int.MaxValue).RegisterAsync(new PortClaimRequest("elsewhere", PortBlock.TakeOne())).Within();

        Outcome outcome = await RunAsync("release", "elsewhere");

        outcome.ExitCode.Should().Be(4, outcome.Text);
        outcome.Errors.Should().Contain("--force");
        _registry.TryGetPort("elsewhere", out _).Should().BeTrue();
    }

    [NeedsNamespaceFact]
    public async Task Doctor_InAPidNamespaceOfItsOwn_DoesNotTakeOtherProcessesForItsOwn()
    {
        Outcome outcome = await RunApartAsync("doctor", "--json");

        Dictionary<string, string> results = outcome.Lines.Select(line => JsonDocument.Parse(line).RootElement).DistinctBy(line => line.GetProperty("check").GetString())
            .ToDictionary(line => line.GetProperty("check").GetString()!, line => line.GetProperty("result").GetString()!);
        results["daemon"].Should().Be("unknown", outcome.Text);
        (results["nobodyListens"], results["processGone"], results["foreignPorts"]).Should().Be(("unknown", "unknown", "ok"));
    }

    /// <summary>Process 1 is another one there: the tool itself.</summary>
    [NeedsNamespaceFact]
    public async Task Release_InAPidNamespaceOfItsOwn_NeedsForceAndNamesNoProgram()
    {
        await _registry.OpenSession(1).RegisterAsync(new PortClaimRequest("elsewhere", PortBlock.TakeOne())).Within();

        Outcome outcome = await RunApartAsync("release", "elsewhere");

        outcome.ExitCode.Should().Be(4, outcome.Text);
        outcome.Errors.Should().Contain("process 1. ");
        _registry.TryGetPort("elsewhere", out _).Should().BeTrue();
    }

    [Fact]
    public async Task Watch_OverTcp_NamesNoProgramOfThisHost()
    {
        await using ChildProcess here = Start(["watch"]), there = Start(["watch", "--endpoint", TcpEndpoint]);

        string seen = await here.ReadLineAsync(), told = await there.ReadLineAsync();

        seen.Should().MatchRegex($@" b1 pid {Environment.ProcessId} \(.+\)$");
        told.Should().EndWith($" b1 pid {Environment.ProcessId}");
    }

    [Fact]
    public async Task ReleaseForce_OverTcp_IsRefusedByTheDaemonAndSaysWhy()
    {
        Outcome outcome = await RunAsync("release", "b1", "--force", "--endpoint", TcpEndpoint);

        outcome.ExitCode.Should().Be(4);
        outcome.Errors.Should().Contain(nameof(PortRefusalReason.NotPermitted));
        _registry.TryGetPort("b1", out _).Should().BeTrue();
    }

    [Fact]
    public async Task Doctor_OverTcp_DoesNotTakeOtherHostsProcessesForItsOwn()
    {
        foreach (string check in (string[])["nobodyListens", "processGone", "portShared", "partlyServed"])
        {
            (await CheckAsync(check, "--endpoint", TcpEndpoint)).GetProperty("result").GetString().Should().Be("unknown", check);
        }
    }

    [Fact]
    public async Task List_DroppedBetweenTwoPages_PrintsEverything()
    {
        string[] owners = [.. Enumerable.Range(0, 100).Select(i => $"{i}/{new string('x', 1_000)}")];
        await using PortSession session = _registry.OpenSession(Environment.ProcessId);
        foreach (string owner in owners)
        {
            await session.RegisterAsync(new PortClaimRequest(owner, 30_000)).Within();
        }

        int pages = 0;
        await using Between daemon = new(Folder["between"], procedure => Task.FromResult(procedure == List && ++pages == 2 ? s_dropped : null), SocketPath);

        Outcome outcome = await RunAsync("list", "--json", "--endpoint", $"unix:{Folder["between"]}");

        outcome.ExitCode.Should().Be(0, outcome.Errors);
        outcome.Lines.Select(line => JsonDocument.Parse(line).RootElement.GetProperty("owner").GetString()).Should().BeEquivalentTo([.. owners, "b1"]);
        pages.Should().BeGreaterThan(3);
    }

    [Fact]
    public async Task Doctor_OfADaemonThatRefusesToList_FindsThatAndLooksAtTheHost()
    {
        await using Between daemon = new(Folder["between"], procedure => Task.FromResult(procedure == List ? s_dropped : null), SocketPath);

        Outcome outcome = await RunAsync("doctor", "--json", "--endpoint", $"unix:{Folder["between"]}");

        JsonElement[] checks = [.. outcome.Lines.Select(line => JsonDocument.Parse(line).RootElement)];
        JsonElement told = checks.Should().ContainSingle(check => check.GetProperty("check").GetString() == "daemon").Which;
        (told.GetProperty("result").GetString(), told.GetProperty("value").GetString()).Should().Be(("found", "gone"));
        checks.Should().Contain(check => check.GetProperty("check").GetString() == "guardUnavailable");
        outcome.ExitCode.Should().Be(5, outcome.Errors);
    }

    /// <summary>Runs the tool where it sees none of our processes.</summary>
    private async Task<Outcome> RunApartAsync(params string[] arguments)
    {
        System.Diagnostics.ProcessStartInfo start = Programs.Tool;
        start.Environment["PORTMAP_ENDPOINT"] = Endpoint;
        await using ChildProcess tool = Programs.StartApart(start, arguments);
        IReadOnlyList<string> lines = await tool.ReadToEndAsync();
        return new Outcome(await tool.ExitAsync(), lines, tool.Errors);
    }

    private async Task<JsonElement> CheckAsync(string name, params string[] more) => (await RunAsync(["doctor", "--json", .. more])).Lines
        .Select(line => JsonDocument.Parse(line).RootElement).Single(line => line.GetProperty("check").GetString() == name);

    /// <summary>A clock that a test sets.</summary>
    private sealed class SetClock(DateTimeOffset now) : TimeProvider
    {
        public DateTimeOffset Now { get; set; } = now;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override DateTimeOffset GetUtcNow() => Now;

        public override long GetTimestamp() => Now.UtcTicks;
    }
}
