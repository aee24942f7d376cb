using System.Diagnostics;
using System.Globalization;
using Portmap.Tests.Support;

namespace Portmap.Tests;

/// <summary><see cref="PortLease.PrepareStart"/>: what a worker reads from its
/// environment.</summary>
public class PortLeasePrepareStartTests
{
    [Fact]
    public async Task PrepareStart_AllocatorPicks_NamesThePort()
    {
        await using Scene scene = new(configure: options => options.BindAttempts = 5);
        PortLease lease = scene.Acquire("vol0:/bricks/b 1=ü");

        IDictionary<string, string?> environment = Apply(lease);

        environment.Should().Contain(new Dictionary<string, string?>
        {
            ["PORTMAP_OWNER"] = "vol0:/bricks/b 1=ü",
            ["PORTMAP_PORT"] = lease.Port.ToString(CultureInfo.InvariantCulture),
            ["PORTMAP_EPOCH"] = lease.Epoch.ToString(CultureInfo.InvariantCulture),
            ["PORTMAP_PROTOCOL"] = "tcp",
            ["PORTMAP_RANGE"] = "20000-20009",
            ["PORTMAP_BIND_ATTEMPTS"] = "5",
        });
        environment.Keys.Should().NotContain("PORTMAP_EXCLUDE").And.NotContain("PORTMAP_ENDPOINT");
    }

    [Fact]
    public async Task PrepareStart_ProcessBinds_LeavesThePortOpen()
    {
        await using Scene scene = new(configure: options =>
        {
            options.Strategy = PortRegistryOptions.ProcessBinds;
            options.Exclude = "20001,20003-20004";
        });

        IDictionary<string, string?> environment = Apply(scene.Acquire("b1"));

        environment.Should().Contain("PORTMAP_PORT", "0").And.Contain("PORTMAP_RANGE", "20000-20009");
        environment["PORTMAP_EXCLUDE"]!.Replace(" ", "", StringComparison.Ordinal).Should().Be("20001,20003-20004");
    }

    [Theory]
    [InlineData(null)]
    [InlineData("inner")]
    public async Task PrepareStart_DaemonWasToldByAnotherOne_DoesNotPassThatOn(string? name)
    {
        await using Scene scene = new();
        ProcessStartInfo start = new("worker");
        string exclude = PortmapVariables.Of(PortmapVariables.Exclude, name), range = PortmapVariables.Of(PortmapVariables.Range, name);
        (start.Environment[exclude], start.Environment[range]) = ("20000-20008", "1-9");   // as inherited

        scene.Acquire("b1").PrepareStart(start, name: name);

        start.Environment.Keys.Should().NotContain(exclude);
        start.Environment[range].Should().Be("20000-20009");
    }

    [Fact]
    public async Task PrepareStart_DaemonWasStartedInAFleet_DoesNotPassItsEpochOn()
    {
        const string Name = "of_another_daemon";   // a variable that nobody else reads
        await using Scene scene = new();
        string variable = PortmapVariables.Of(PortmapVariables.FleetEpoch, Name);
        Environment.SetEnvironmentVariable(variable, "7");
        ProcessStartInfo inherited = new("worker"), claimed = new("worker");
        claimed.Environment[variable] = "8";   // FleetClaim.PrepareStart
        string endpoint = PortmapVariables.Of(PortmapVariables.Endpoint, Name);
        inherited.Environment[endpoint] = "unix:/run/outer.sock";

        scene.Acquire("b1").PrepareStart(inherited, name: Name);
        scene.Acquire("b2").PrepareStart(claimed, name: Name);

        inherited.Environment.Keys.Should().NotContain(variable).And.NotContain(endpoint);
        claimed.Environment[variable].Should().Be("8");
    }

    [Theory]
    [InlineData(PortProtocol.Tcp, "tcp")]
    [InlineData(PortProtocol.Udp, "udp")]
    [InlineData(PortProtocol.TcpAndUdp, "tcp+udp")]
    public async Task PrepareStart_Protocol_IsNamed(PortProtocol protocol, string expected)
    {
        await using Scene scene = new();

        Apply(scene.Acquire(new PortRequest("b1") { Protocol = protocol })).Should().Contain("PORTMAP_PROTOCOL", expected);
    }

    [Theory]
    [InlineData(null, null, null)]
    [InlineData("unix:/run/a.sock", null, "unix:/run/a.sock")]
    [InlineData(null, "tcp:127.0.0.1:1", "tcp:127.0.0.1:1")]
    [InlineData("unix:/run/a.sock", "tcp:127.0.0.1:1", "tcp:127.0.0.1:1")]
    public async Task PrepareStart_Endpoint_ArgumentGoesBeforeTheOption(string? option, string? argument, string? expected)
    {
        await using Scene scene = new(configure: options => options.Endpoint = option);

        IDictionary<string, string?> environment = Apply(scene.Acquire("b1"), argument);

        environment.TryGetValue("PORTMAP_ENDPOINT", out string? endpoint).Should().Be(expected is not null);
        endpoint.Should().Be(expected);
    }

    [Fact]
    public async Task PrepareStart_Null_Throws()
    {
        await using Scene scene = new();
        PortLease lease = scene.Acquire("b1");

        Action apply = () => lease.PrepareStart(null!);

        apply.Should().Throw<ArgumentNullException>();
    }

    [Fact]
    public async Task PrepareStart_ThreePortsByName_NoneOverwritesAnother()
    {
        await using Scene scene = new(configure: options => (options.Endpoint, options.Exclude) = ("unix:/run/a.sock", "20009"));
        PortLease plain = scene.Acquire("web"), http = scene.Acquire("web/http"), admin = scene.Acquire(new PortRequest("web/admin") { Protocol = PortProtocol.Udp });
        ProcessStartInfo startInfo = Clean();

        plain.PrepareStart(startInfo);
        http.PrepareStart(startInfo, name: "http");
        admin.PrepareStart(startInfo, "tcp:127.0.0.1:1", "Admin_2");

        foreach ((PortLease lease, string prefix, string protocol, string endpoint) in ((PortLease, string, string, string)[])
            [(plain, "PORTMAP_", "tcp", "tcp:127.0.0.1:1"), (http, "PORTMAP_HTTP_", "tcp", "unix:/run/a.sock"), (admin, "PORTMAP_ADMIN_2_", "udp", "tcp:127.0.0.1:1")])
        {
            startInfo.Environment.Should().Contain(new Dictionary<string, string?>
            {
                [prefix + "OWNER"] = lease.Owner,
                [prefix + "PORT"] = lease.Port.ToString(CultureInfo.InvariantCulture),
                [prefix + "EPOCH"] = lease.Epoch.ToString(CultureInfo.InvariantCulture),
                [prefix + "PROTOCOL"] = protocol,
                [prefix + "RANGE"] = "20000-20009",
                [prefix + "EXCLUDE"] = "20009",
                [prefix + "BIND_ATTEMPTS"] = "8",
                [prefix + "ENDPOINT"] = endpoint,
            });
        }
    }

    [Theory]
    [InlineData(null, null, "without a name")]
    [InlineData("http", "HTTP", "under the name 'HTTP'")]
    public async Task PrepareStart_SecondLeaseOfOneName_IsToldAndTheFirstStays(string? first, string? second, string said)
    {
        await using Scene scene = new();
        PortLease lease = scene.Acquire("web"), other = scene.Acquire("web/admin");
        ProcessStartInfo startInfo = Clean();
        lease.PrepareStart(startInfo, name: first);

        Action again = () => other.PrepareStart(startInfo, name: second);

        again.Should().Throw<InvalidOperationException>()
            .WithMessage($"*'web' (port {lease.Port}) already, {said}*'web/admin' (port {other.Port})*PrepareStart(start, name: \"admin\")*ProcessStartInfo of its own*");
        startInfo.Environment[first is null ? "PORTMAP_OWNER" : "PORTMAP_HTTP_OWNER"].Should().Be("web");
        other.Guarantee.Should().NotBe(PortGuarantee.Admitting, "no gate is opened for a start that will not be");
    }

    [Fact]
    public async Task PrepareStart_SameLeaseAgainOrAfterTheFirstHasEnded_TakesItsPlace()
    {
        await using Scene scene = new();
        ProcessStartInfo startInfo = Clean();
        PortLease first = scene.Acquire("b1");
        first.PrepareStart(startInfo);
        first.PrepareStart(startInfo);
        first.TryRelease(out _).Should().BeTrue();
        PortLease second = scene.Acquire("b2");

        second.PrepareStart(startInfo);

        startInfo.Environment["PORTMAP_OWNER"].Should().Be("b2");
    }

    [Theory]
    [InlineData("")]
    [InlineData("web-admin")]
    [InlineData("2nd")]
    [InlineData("ü")]
    [InlineData("a=b")]
    [InlineData("aaaaaaaaaabbbbbbbbbbaaaaaaaaaabbbbbbbbbbaaaaaaaaaabbbbbbbbbbaaaaa")]
    public async Task PrepareStart_NameThatCannotBeAVariable_IsTold(string name)
    {
        await using Scene scene = new();
        PortLease lease = scene.Acquire("b1");
        ProcessStartInfo startInfo = Clean();

        Action apply = () => lease.PrepareStart(startInfo, name: name);

        apply.Should().Throw<ArgumentException>().WithParameterName(nameof(name)).WithMessage($"'{name}' cannot name a port*PORTMAP_HTTP_PORT*letters, digits*");
        startInfo.Environment.Keys.Should().NotContain(key => key.StartsWith("PORTMAP_", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("fleet")]
    [InlineData("Fleet")]
    [InlineData("web_fleet")]
    public async Task PrepareStart_NameThatMakesAnotherVariable_IsTold(string name)
    {
        await using Scene scene = new();
        PortLease lease = scene.Acquire("b1");
        ProcessStartInfo startInfo = Clean();

        Action apply = () => lease.PrepareStart(startInfo, name: name);

        apply.Should().Throw<ArgumentException>().WithParameterName(nameof(name)).WithMessage($"'{name}' cannot name a port*PORTMAP_{name.ToUpperInvariant()}_EPOCH*");
        startInfo.Environment.Keys.Should().NotContain(key => key.StartsWith("PORTMAP_", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("myfleet")]
    [InlineData("fleet2")]
    public async Task PrepareStart_NameWithTheWordInIt_IsAName(string name)
    {
        await using Scene scene = new();
        ProcessStartInfo startInfo = Clean();

        scene.Acquire("b1").PrepareStart(startInfo, name: name);

        startInfo.Environment[PortmapVariables.Of(PortmapVariables.Owner, name)].Should().Be("b1");
    }

    /// <summary>Whatever variables there are: no name makes one of another, nor of another
    /// name's.</summary>
    [Fact]
    public void CheckName_AnyNameThatMakesAnotherVariable_IsTold()
    {
        string[] words = [.. typeof(PortmapVariables).GetFields()
            .Select(field => field.GetRawConstantValue() as string ?? string.Empty)
            .Where(value => value.StartsWith(PortmapVariables.Prefix, StringComparison.Ordinal) && value != PortmapVariables.Prefix)
            .Select(value => value[PortmapVariables.Prefix.Length..])];
        string[] names = [.. words.SelectMany(word => words.Where(other => other.EndsWith($"_{word}", StringComparison.Ordinal)).Select(other => other[..^(word.Length + 1)]))];

        names.Should().NotBeEmpty();
        foreach (string name in names.SelectMany(name => new[] { name, $"web_{name}" }))
        {
            Action check = () => PortmapVariables.CheckName(name, nameof(name));
            check.Should().Throw<ArgumentException>(name);
        }
    }

    private static IDictionary<string, string?> Apply(PortLease lease, string? endpoint = null)
    {
        ProcessStartInfo startInfo = Clean();
        lease.PrepareStart(startInfo, endpoint);
        return startInfo.Environment;
    }

    private static ProcessStartInfo Clean()
    {
        ProcessStartInfo startInfo = new("brick");
        foreach (string key in startInfo.Environment.Keys.Where(key => key.StartsWith("PORTMAP_", StringComparison.Ordinal)).ToArray())
        {
            startInfo.Environment.Remove(key);
        }

        return startInfo;
    }
}
