using System.Net;
using System.Net.Sockets;
using System.Text.Json;

namespace Portmap.Tool.Tests;

/// <summary>What is wrong, seen from outside.</summary>
public sealed class DoctorTests : ToolTest
{
    [Fact]
    public async Task Doctor_WithOptionsThatDoNotFitTheHost_FindsItWithoutADaemon()
    {
        IReadOnlyDictionary<string, JsonElement> checks = await ExamineAsync(5, "--range", "23000-23009", "--owners", "50");

        ResultOf(checks, "rangeTooSmall").Should().Be("found");
        checks["rangeTooSmall"].GetProperty("value").GetString().Should().Contain("23000-23009");
        checks["rangeTooSmall"].GetProperty("remedy").GetString().Should().NotBeEmpty();
        ResultOf(checks, "portShared").Should().Be("unknown");
        ResultOf(checks, "stateMoved").Should().Be("unknown");
    }

    [Theory]
    [InlineData("stateMoved")]
    [InlineData("storeFailing")]
    [InlineData("passOverdue")]
    public async Task Doctor_OfWhatOnlyTheDaemonKnows_SaysThatItCannotTell(string check)
    {
        await ServeAsync();

        IReadOnlyDictionary<string, JsonElement> checks = await ExamineAsync(0);

        ResultOf(checks, check).Should().Be("unknown", "the registry that is asked is not the daemon's");
    }

    [Fact]
    public async Task Doctor_OfAnIdleDaemonWithTheDefaults_IsNoughtThoughTheRangeOverlaps()
    {
        await ServeAsync();

        IReadOnlyDictionary<string, JsonElement> checks = await ExamineAsync(0);

        ResultOf(checks, "ephemeralOverlap").Should().BeOneOf("note", "ok");
        checks["range"].GetProperty("value").GetString().Should().Be("49152-65535 (the default; give --range if the daemon has another)");
    }

    [NeedsEphemeralRangeFact]
    public async Task Doctor_OfARangeWithFewPortsThatTheKernelLeavesAlone_FindsIt()
    {
        PortRange kernel = NeedsEphemeralRangeFactAttribute.Range!.Value;
        await ServeAsync();

        IReadOnlyDictionary<string, JsonElement> checks = await ExamineAsync(5, "--range", $"{kernel.Last - 9}-{kernel.Last + 10}");
        Outcome text = await RunAsync("doctor", "--range", $"{kernel.Last - 9}-{kernel.Last + 10}");

        ResultOf(checks, "ephemeralOverlap").Should().Be("found");
        text.Text.Should().Contain("now: net.ipv4.ip_local_port_range is ").And.Contain("remedy: ").And.NotContain("expected:");
    }

    [Fact]
    public async Task Doctor_OfEveryKindTheLibraryKnows_SaysSomething()
    {
        IReadOnlyDictionary<string, JsonElement> checks = await ExamineAsync(null);

        checks.Keys.Should().Contain(Enum.GetNames<PortFindingKind>().Select(JsonNamingPolicy.CamelCase.ConvertName));
    }

    [Fact]
    public async Task Doctor_OfALivingDaemonThatIsPartlyServed_NamesTheEntry()
    {
        await ServeAsync();
        await RegisterAsync("b1");

        IReadOnlyDictionary<string, JsonElement> checks = await ExamineAsync(5, "--state", StateFolder);

        ResultOf(checks, "daemon").Should().Be("ok");
        ResultOf(checks, "partlyServed").Should().Be("found");
        checks["partlyServed"].GetProperty("value").GetString().Should().Contain("b1");
        ResultOf(checks, "stateUnreadable").Should().Be("ok");
        ResultOf(checks, "processGone").Should().Be("ok");
        ResultOf(checks, "nobodyListens").Should().Be("ok");
    }

    [Fact]
    public async Task Doctor_OfAPortThatAnotherProcessHasToo_NamesThatProcess()
    {
        await ServeAsync();
        (_, PortEntry entry) = await StartWorkerAsync("b1");   // on 127.0.0.1
        using Socket other = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        other.Bind(new IPEndPoint(PortBlock.TakeLoopback(), entry.Port));
        other.Listen();

        IReadOnlyDictionary<string, JsonElement> checks = await ExamineAsync(5);

        ResultOf(checks, "portShared").Should().Be("found");
        checks["portShared"].GetProperty("value").GetString().Should().Contain($"process {Environment.ProcessId} ");
    }

    [NeedsNamespaceFact]
    public async Task Doctor_OfADaemonInAPidNamespaceOfItsOwn_DoesNotTakeItsProcessesForOurs()
    {
        await using ChildProcess daemon = await Programs.ServeApartAsync(SocketPath, "--range", PortBlock.Take(2).ToString());

        IReadOnlyDictionary<string, JsonElement> checks = await ExamineAsync(0);

        ResultOf(checks, "daemon").Should().Be("unknown");
        (ResultOf(checks, "nobodyListens"), ResultOf(checks, "processGone"), ResultOf(checks, "foreignPorts")).Should().Be(("unknown", "unknown", "ok"));
    }

    [Fact]
    public async Task Doctor_WhileTheDaemonStandsStill_FindsThat()
    {
        await ServeAsync();
        Daemon.Send(Signal.Stop);

        IReadOnlyDictionary<string, JsonElement> checks = await ExamineAsync(5, "--timeout", "0.3");

        ResultOf(checks, "daemon").Should().Be("found");
    }

    [Fact]
    public async Task Doctor_WithAnOptionThatNoDaemonTakes_IsTwo()
    {
        Outcome outcome = await RunAsync("doctor", "--owners", "0");

        outcome.ExitCode.Should().Be(2);
        outcome.Errors.Should().Contain("MaxOwners");
    }

    [Fact]
    public async Task Doctor_OfAStateThatCannotBeReached_FindsIt()
    {
        await ServeAsync();

        IReadOnlyDictionary<string, JsonElement> checks = await ExamineAsync(5, "--state", Path.Combine(StateFolder, "portmap.state", "deeper"));   // ENOTDIR

        ResultOf(checks, "stateUnreadable").Should().Be("found");
    }

    [NeedsRootFact("setpriv")]
    public async Task Doctor_OfAStateThatThisUserMayNotRead_CannotTellAndSaysWhoMay()
    {
        Directory.CreateDirectory(Folder["closed"]);

        Outcome outcome = await RunShutOutAsync(Folder["closed"], "doctor", "--json", "--state", Folder["closed"]);

        JsonElement check = ChecksOf(outcome)["stateUnreadable"];
        check.GetProperty("result").GetString().Should().Be("unknown");
        check.GetProperty("value").GetString().Should().Contain("denied").And.Contain("the daemon's user");
    }

    [NeedsRootFact("chown")]
    public async Task Doctor_OfAStateWhoseCopyCannotBeRead_CannotTell()
    {
        await ServeAsync();

        Outcome outcome = await RunOverALinkAsync("doctor", "--json", "--state", StateFolder);

        JsonElement check = ChecksOf(outcome)["stateUnreadable"];
        check.GetProperty("result").GetString().Should().Be("unknown");
        check.GetProperty("value").GetString().Should().Contain(Folder["link"]).And.Contain("TMPDIR");
    }

    [Fact]
    public async Task Doctor_OfANamedDaemonThatIsNotThere_FindsIt()
    {
        IReadOnlyDictionary<string, JsonElement> checks = await ExamineAsync(5);

        ResultOf(checks, "daemon").Should().Be("found");
    }

    [Fact]
    public async Task Doctor_BeforeADaemonIsInstalled_IsNought()
    {
        Outcome outcome = await ExamineTheDefaultAsync();

        ResultOf(ChecksOf(outcome), "daemon").Should().Be("unknown");
        outcome.ExitCode.Should().Be(0, outcome.Errors);
    }

    /// <summary>As a daemon leaves it that was killed.</summary>
    [Fact]
    public async Task Doctor_OfASocketThatNobodyListensOn_FindsItThoughNobodyNamedIt()
    {
        using Socket left = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        left.Bind(new UnixDomainSocketEndPoint(Folder["portmap.sock"]));

        Outcome outcome = await ExamineTheDefaultAsync();

        ResultOf(ChecksOf(outcome), "daemon").Should().Be("found");
        outcome.ExitCode.Should().Be(5, outcome.Errors);
    }

    /// <summary>Asks at the default endpoint, in the test's folder, which nobody named.</summary>
    private async Task<Outcome> ExamineTheDefaultAsync()
    {
        System.Diagnostics.ProcessStartInfo start = Programs.Tool;
        start.Environment["XDG_RUNTIME_DIR"] = Folder.FullName;
        await using ChildProcess tool = ChildProcess.Start(start, "doctor", "--json");
        IReadOnlyList<string> lines = await tool.ReadToEndAsync();
        return new Outcome(await tool.ExitAsync(), lines, tool.Errors);
    }

    private async Task<IReadOnlyDictionary<string, JsonElement>> ExamineAsync(int? exitCode, params IEnumerable<string> options)
    {
        Outcome outcome = await RunAsync(["doctor", "--json", .. options]);
        if (exitCode is { } expected)
        {
            outcome.ExitCode.Should().Be(expected, "{0} {1}", outcome.Text, outcome.Errors);
        }

        return ChecksOf(outcome);
    }

    private static Dictionary<string, JsonElement> ChecksOf(Outcome outcome) => outcome.Lines.Select(line => JsonDocument.Parse(line).RootElement)
        .DistinctBy(check => check.GetProperty("check").GetString()).ToDictionary(check => check.GetProperty("check").GetString()!);

    private static string? ResultOf(IReadOnlyDictionary<string, JsonElement> checks, string name) => checks[name].GetProperty("result").GetString();
}
