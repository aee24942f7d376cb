using System.Diagnostics;
using System.Text.Json;
using Portmap.Etcd;
using Portmap.Etcd.Tests.Support;

namespace Portmap.Tool.Tests;

/// <summary><c>portmap fleet</c> on a real etcd.</summary>
public sealed class FleetTests : IAsyncLifetime
{
    private const string Password = "s3cret";

    private readonly List<IAsyncDisposable> _owned = [];
    private EtcdCluster _etcd = null!;

    public Task InitializeAsync()
    {
        _etcd = EtcdCluster.Prepare();
        return Task.CompletedTask;
    }

    public async Task DisposeAsync()
    {
        _owned.Reverse();
        foreach (IAsyncDisposable owned in _owned)
        {
            await owned.DisposeAsync();
        }

        await _etcd.DisposeAsync();
    }

    [NeedsFact("etcd")]
    public async Task List_TwoHosts_IsATableAndLinesWithTheFieldsOfTheReadme()
    {
        await _etcd.StartAsync();
        (_, PortSession a) = await JoinAsync("a", "10.0.0.1");
        (_, PortSession b) = await JoinAsync("b", "fd00::2");
        Register(a, "web", 20_001);
        Register(b, "web", 20_002);
        Register(b, "b\e[31m1", 20_003);
        await UntilListedAsync(3);

        Outcome table = await AskAsync("list");
        Outcome lines = await AskAsync("list", "--json", "--host", "a");

        table.ExitCode.Should().Be(0, table.Errors);
        table.Lines.Should().HaveCount(4);
        table.Lines[0].Should().StartWith("OWNER");
        table.Text.Should().Contain("10.0.0.1:20001").And.Contain("[fd00::2]:20002").And.Contain("b\\u001B[31m1").And.NotContain("\e");
        JsonElement line = JsonDocument.Parse(lines.Lines.Should().ContainSingle().Subject).RootElement;
        line.EnumerateObject().Select(field => field.Name).Should().Equal("owner", "host", "address", "port", "protocol", "epoch", "claim", "revision");
        line.GetProperty("owner").GetString().Should().Be("web");
        line.GetProperty("address").GetString().Should().Be("10.0.0.1");
        line.GetProperty("claim").ValueKind.Should().Be(JsonValueKind.Null);
    }

    [NeedsFact("etcd")]
    public async Task Lookup_OwnerOnceInTheFleet_IsItsPlaceAndItsEpoch()
    {
        await _etcd.StartAsync();
        (PortRegistry registry, PortSession session) = await JoinAsync("a", "10.0.0.1");
        PortLease lease = await registry.AcquireAsync(new PortRequest("once") { Scope = PortScope.Fleet }).Within();
        session.TryRegister(new PortClaimRequest("once", 20_001) { Epoch = lease.Epoch }, out _, out PortRefusal? refusal).Should().BeTrue("{0}", refusal?.Message);
        await UntilListedAsync(1);

        (await AskAsync("lookup", "-q", "once")).Should().BeEquivalentTo(new Outcome(0, ["10.0.0.1:20001"], ""));
        JsonElement line = JsonDocument.Parse((await AskAsync("lookup", "once", "--json")).Lines.Should().ContainSingle().Subject).RootElement;
        line.GetProperty("claim").GetInt64().Should().Be(lease.FleetEpoch);
        Outcome nobody = await AskAsync("lookup", "nobody");
        nobody.ExitCode.Should().Be(1);
        nobody.Errors.Should().Contain("nobody");
        (await AskAsync("lookup", "once", "-p", "udp")).ExitCode.Should().Be(1);
    }

    [NeedsFact("etcd")]
    public async Task Hosts_OneThatIsAlive_IsListedWithWhatItServes()
    {
        await _etcd.StartAsync();
        (_, PortSession session) = await JoinAsync("node7", "10.0.0.7");
        Register(session, "web", 20_001);
        await UntilListedAsync(1);

        Outcome table = await AskAsync("hosts");
        Outcome lines = await AskAsync("hosts", "--json");

        table.Lines.Should().HaveCount(2, table.Errors);
        table.Lines[1].Trim().Should().Contain("node7").And.Contain("10.0.0.7").And.EndWith(" 1");
        lines.Lines.Should().Equal("""{"host":"node7","address":"10.0.0.7","entries":1}""");
    }

    [NeedsFact("etcd", Also = ["etcdctl"])]
    public async Task WatchJson_OwnerMovesToAnotherHost_TellsTheMapAndEachChangeUntilCtrlC()
    {
        await _etcd.StartAsync();
        (_, PortSession a) = await JoinAsync("a", "10.0.0.1");
        (_, PortSession b) = await JoinAsync("b", "10.0.0.2");
        Register(a, "web", 20_001);
        await UntilListedAsync(1);
        await using ChildProcess watch = Start("fleet", "watch", "--json");
        JsonElement snapshot = await ReadAsync(watch), present = await ReadAsync(watch);

        a.TryRelease("web", out _).Should().BeTrue();
        JsonElement went = await ReadAsync(watch);
        Register(b, "web", 20_002);
        JsonElement came = await ReadAsync(watch);
        (await _etcd.CtlAsync("lease", "list")).Should().StartWith("found 2 leases", "those of the hosts: who only looks takes none");
        await _etcd.First.KillAsync();

        snapshot.GetProperty("entries").GetInt32().Should().Be(1);
        new[] { present, went, came }.Select(line => $"{line.GetProperty("event")} {line.GetProperty("entry").GetProperty("host")}").Should().Equal("present a", "went a", "came b");
        came.GetProperty("revision").GetInt64().Should().BeGreaterThan(snapshot.GetProperty("revision").GetInt64());
        await Seen.UntilAsync(() => watch.Errors.Contains("The map stands still", StringComparison.Ordinal));
        watch.Send(Signal.Interrupt);
        (await watch.ExitAsync()).Should().Be(0, watch.Errors);
    }

    [NeedsFact("etcd", Also = ["etcdctl"])]
    public async Task List_UsersAndRoles_NeedsOneThatMayReadAndNoMore()
    {
        await _etcd.StartAsync();
        await _etcd.CtlAsync("user", "add", "root:" + Password);
        await _etcd.CtlAsync("role", "add", "reader");
        await _etcd.CtlAsync("role", "grant-permission", "reader", "read", "--prefix=true", "/portmap/v1/");
        await _etcd.CtlAsync("user", "add", "reader:" + Password);
        await _etcd.CtlAsync("user", "grant-role", "reader", "reader");
        await _etcd.CtlAsync("user", "add", "nobody:" + Password);
        await _etcd.CtlAsync("auth", "enable");

        (await AskAsync("list", "--json", "--user", "reader:" + Password)).Should().BeEquivalentTo(new Outcome(0, [], ""));
        (await RunAsync(Variables(("ETCDCTL_USER", "reader"), ("ETCDCTL_PASSWORD", Password)), "fleet", "list", "--json", "--timeout", "30")).ExitCode.Should().Be(0);
        foreach (string[] who in (string[][])[[], ["--user", "reader:guess"], ["--user", "nobody:" + Password]])
        {
            Outcome denied = await AskAsync(["list", .. who]);
            denied.ExitCode.Should().Be(4, denied.Errors);
            denied.Errors.Should().Contain("NotPermitted");
        }

        (await RunAsync("fleet", "list", "--user", "reader")).ExitCode.Should().Be(2, "there is no password");
    }

    [Fact]
    public async Task List_NothingAnswers_IsThreeInTime()
    {
        Outcome outcome = await RunAsync("fleet", "list", "--timeout", "0.3");

        outcome.ExitCode.Should().Be(3);
        outcome.Lines.Should().BeEmpty();
        outcome.Errors.Should().Contain(new Uri(_etcd.Endpoints).Authority);
    }

    [Theory]
    [InlineData(2, "--endpoints", "ftp://127.0.0.1")]
    [InlineData(2, "--prefix", "no-slash")]
    [InlineData(6, "--cacert", "/nowhere/ca.pem")]
    [InlineData(6, "--cert", "/etc/hostname")]
    public async Task List_OptionThatCannotBeMeantSo_IsItsCode(int code, params string[] options)
    {
        Outcome outcome = await RunAsync(["fleet", "list", .. options]);

        outcome.ExitCode.Should().Be(code, outcome.Errors);
        outcome.Errors.Should().StartWith("portmap: ").And.NotContain("mistake of this program");
    }

    [NeedsFact("etcd")]
    public async Task Complete_OfFleetLookup_OffersOwnersOfTheFleet()
    {
        await _etcd.StartAsync();
        (_, PortSession session) = await JoinAsync("a", "10.0.0.1");
        Register(session, "volume:b1", 20_001);
        await UntilListedAsync(1);

        (await CompleteAsync("portmap fleet lookup --timeout 30 volume:")).Should().Equal("volume:b1");
        (await CompleteAsync("portmap fleet h")).Should().Contain("hosts").And.NotContain("list");
    }

    private static void Register(PortSession session, string owner, int port) =>
        session.TryRegister(new PortClaimRequest(owner, port), out _, out PortRefusal? refusal).Should().BeTrue("it was refused: {0}", refusal?.Message);

    private static async Task<JsonElement> ReadAsync(ChildProcess watch) => JsonDocument.Parse(await watch.ReadLineAsync()).RootElement;

    /// <summary>A host of the fleet.</summary>
    private async Task<(PortRegistry Registry, PortSession Session)> JoinAsync(string host, string address)
    {
        PortRegistry registry = new(new PortRegistryOptions { Probe = false, Ports = "20000-20100" });
        PortmapFleet fleet = new(new PortmapFleetOptions { Endpoints = _etcd.Endpoints, Host = host, Address = address }, registry);
        _owned.Add(registry);
        _owned.Add(fleet);
        fleet.Start();
        await Seen.UntilAsync(() => fleet.Status.IsConnected);
        return (registry, registry.OpenSession(Environment.ProcessId));
    }

    private async Task UntilListedAsync(int entries)
    {
        PortmapFleet looker = new(new PortmapFleetOptions { Endpoints = _etcd.Endpoints, ReadOnly = true });
        _owned.Add(looker);
        looker.Start();
        await looker.Map.UntilAsync(map => map.Count == entries);
    }

    private (string, string)[] Variables(params (string, string)[] more) => [("ETCDCTL_ENDPOINTS", new Uri(_etcd.Endpoints).Authority), .. more];

    private Task<Outcome> RunAsync(params IEnumerable<string> arguments) => RunAsync(Variables(), arguments);

    /// <summary>Asks the fleet, and gives a busy machine time for the answer.</summary>
    private Task<Outcome> AskAsync(params IEnumerable<string> arguments) => RunAsync(["fleet", .. arguments, "--timeout", "30"]);

    private static async Task<Outcome> RunAsync((string, string)[] environment, params IEnumerable<string> arguments)
    {
        await using ChildProcess tool = Start(environment, arguments);
        IReadOnlyList<string> lines = await tool.ReadToEndAsync();
        return new Outcome(await tool.ExitAsync(), lines, tool.Errors);
    }

    private async Task<IReadOnlyList<string>> CompleteAsync(string line) => (await RunAsync("complete", $"{line.Length}", line)).Lines;

    private ChildProcess Start(params IEnumerable<string> arguments) => Start(Variables(), arguments);

    private static ChildProcess Start((string Name, string Value)[] environment, IEnumerable<string> arguments)
    {
        ProcessStartInfo start = Programs.Tool;
        foreach ((string name, string value) in environment)
        {
            start.Environment[name] = value;
        }

        return ChildProcess.Start(start, arguments);
    }
}
