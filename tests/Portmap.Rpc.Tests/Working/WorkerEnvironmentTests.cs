using System.Diagnostics;
using System.Net;
using Microsoft.Extensions.Logging.Abstractions;
using Portmap.Rpc.Working;
using Portmap.TestKit.Processes;

namespace Portmap.Rpc.Tests.Working;

/// <summary>What a worker makes of the environment that a start gives it.</summary>
/// <remarks>Not beside others: a variable counts for the whole process.</remarks>
[Collection(nameof(WorkerSettingsTests))]
public sealed class WorkerEnvironmentTests : AsyncTest
{
    private readonly TempFolder _folder = new();
    private readonly PortRange _range = PortBlock.Take(12);
    private readonly PortRegistry _registry;
    private readonly PortmapServer _server;

    public WorkerEnvironmentTests()
    {
        _registry = new PortRegistry(new PortRegistryOptions { Ports = _range.ToString() });
        _server = new PortmapServer(_registry, new PortmapServerOptions { Endpoints = { Endpoint } });
    }

    private string Endpoint => "unix:" + _folder["portmap.sock"];

    public override async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        await _registry.DisposeAsync();
        _folder.Dispose();
    }

    [Theory]
    [InlineData(null, "PORTMAP_")]
    [InlineData("admin_2", "PORTMAP_ADMIN_2_")]
    public void Environment_AsALeaseSetsIt_IsRead(string? name, string prefix)
    {
        _registry.TryAcquire(new PortRequest("b1") { Protocol = PortProtocol.TcpAndUdp }, out PortLease? lease, out _).Should().BeTrue();
        ProcessStartInfo start = new("worker");
        lease!.PrepareStart(start, Endpoint, name);
        start.Environment[prefix + "EXCLUDE"] = "50000, 50010-50012";

        WorkerSettings settings = In(start, () => WorkerSettings.Resolve(new WorkerPortOptions { Name = name }));

        settings.Should().BeEquivalentTo(new
        {
            Endpoint = PortmapEndpoint.Parse(Endpoint),
            Owner = "b1",
            Port = 0,
            lease.Epoch,
            Protocol = PortProtocol.TcpAndUdp,
            Ports = new { All = new[] { _range } },
            Exclude = new[] { new PortRange(50_000, 50_000), new PortRange(50_010, 50_012) },
            BindAttempts = 8,
            Logger = NullLogger.Instance,
        });
    }

    [Fact]
    public void Environment_OfAnotherPort_IsNotReadButForWhatTheProcessShares()
    {
        ProcessStartInfo start = new("worker");
        foreach ((string variable, string value) in ((string, string)[])
            [("OWNER", "web"), ("PORT", "20001"), ("EPOCH", "7"), ("PROTOCOL", "udp"), ("RANGE", "20000-20009"), ("EXCLUDE", "20003"), ("ENDPOINT", Endpoint), ("ADDRESS", "127.0.0.9"), ("BIND_ATTEMPTS", "3")])
        {
            start.Environment["PORTMAP_" + variable] = value;
        }

        start.Environment["PORTMAP_ADMIN_OWNER"] = "web/admin";

        WorkerSettings settings = In(start, () => WorkerSettings.Resolve(new WorkerPortOptions { Name = "admin" }));

        settings.Should().BeEquivalentTo(new
        {
            Owner = "web/admin",
            Port = 0,
            Epoch = 0L,
            Protocol = PortProtocol.Tcp,
            IsToldWhere = false,
            Exclude = Array.Empty<PortRange>(),
            Endpoint = PortmapEndpoint.Parse(Endpoint),
            Address = IPAddress.Parse("127.0.0.9"),
            BindAttempts = 3,
        });
    }

    /// <summary>An epoch is of the owner of its lease, and the port with it.</summary>
    [Theory]
    [InlineData("web", 20_001, 7)]
    [InlineData("web/admin", 0, 0)]
    public void Environment_OfAnotherOwner_IsNotReadForThePortAndTheEpoch(string owner, int port, long epoch)
    {
        ProcessStartInfo start = new("worker");
        foreach ((string variable, string value) in ((string, string)[])[("OWNER", "web"), ("PORT", "20001"), ("EPOCH", "7"), ("RANGE", "20000-20009")])
        {
            start.Environment["PORTMAP_" + variable] = value;
        }

        WorkerSettings settings = In(start, () => WorkerSettings.Resolve(new WorkerPortOptions { Owner = owner }));

        settings.Should().BeEquivalentTo(new { Owner = owner, Port = port, Epoch = epoch, ToldPorts = "20000-20009", IsToldWhere = true });
    }

    [Fact]
    public void Environment_WithoutAnOwner_IsReadForThatOfTheOptions()
    {
        ProcessStartInfo start = new("worker");
        (start.Environment["PORTMAP_PORT"], start.Environment["PORTMAP_EPOCH"]) = ("20001", "7");

        In(start, () => WorkerSettings.Resolve(new WorkerPortOptions { Owner = "web" })).Should().BeEquivalentTo(new { Port = 20_001, Epoch = 7L });
    }

    [Fact]
    public async Task Listen_ForAnotherOwnerThanTheLeaseIsOf_LeavesTheLeaseToItsOwner()
    {
        await _server.StartAsync().Within();
        PortLease lease = await _registry.AcquireAsync(new PortRequest("web") { Strategy = PortRegistryOptions.AllocatorPicks }).Within();
        ProcessStartInfo start = new("worker");
        lease.PrepareStart(start, Endpoint);
        lease.OpenGate();

        await using WorkerPort admin = await In(start, () => WorkerPort.ListenAsync(new WorkerPortOptions { Owner = "web/admin", Address = PortBlock.Loopback })).Within();
        await using WorkerPort web = await In(start, () => WorkerPort.ListenAsync(new WorkerPortOptions { Address = PortBlock.Loopback })).Within();

        (await lease.WhenBound.Within()).Port.Should().Be(lease.Port).And.Be(web.Port).And.NotBe(admin.Port);
    }

    [Fact]
    public void Environment_WithoutThePortThatIsAskedFor_NamesThoseThatAreThere()
    {
        ProcessStartInfo start = new("worker");
        (start.Environment["PORTMAP_HTTP_OWNER"], start.Environment["PORTMAP_ADMIN_OWNER"]) = ("web", "web/admin");

        Action unnamed = () => In(start, () => WorkerSettings.Resolve(null)), other = () => In(start, () => WorkerSettings.Resolve(new WorkerPortOptions { Name = "metrics" }));

        unnamed.Should().Throw<InvalidOperationException>().WithMessage("*PORTMAP_OWNER is not set*'admin', 'http'*");
        other.Should().Throw<InvalidOperationException>().WithMessage("*PORTMAP_METRICS_OWNER is not set*'admin', 'http'*");
    }

    /// <summary>The one without a name is named as well; a variable that is set to nothing is
    /// not.</summary>
    [Fact]
    public void Environment_PortWithoutANameWhereANamedOneIsAskedFor_IsNamed()
    {
        ProcessStartInfo start = new("worker");
        (start.Environment["PORTMAP_OWNER"], start.Environment["PORTMAP_ADMIN_OWNER"]) = ("web", "");

        Action http = () => In(start, () => WorkerSettings.Resolve(new WorkerPortOptions { Name = "http" }));

        http.Should().Throw<InvalidOperationException>()
            .WithMessage("*PORTMAP_HTTP_OWNER is not set*This process was told of the port without a name; ask for one of them by its name, or without one.");
    }

    [Fact]
    public void Environment_NumberOfANamedPort_IsNamedWhenItIsNone()
    {
        ProcessStartInfo start = new("worker");
        (start.Environment["PORTMAP_HTTP_OWNER"], start.Environment["PORTMAP_HTTP_PORT"]) = ("web", "x");

        Action resolve = () => In(start, () => WorkerSettings.Resolve(new WorkerPortOptions { Name = "http" }));

        resolve.Should().Throw<FormatException>().WithMessage("PORTMAP_HTTP_PORT: 'x'*");
    }

    /// <summary>Runs something in an environment that a start would have.</summary>
    private static T In<T>(ProcessStartInfo start, Func<T> run)
    {
        string[] names = [.. start.Environment.Keys.Where(name => name.StartsWith("PORTMAP_", StringComparison.Ordinal))];
        try
        {
            foreach (string name in names)
            {
                Environment.SetEnvironmentVariable(name, start.Environment[name]);
            }

            return run();
        }
        finally
        {
            foreach (string name in names)
            {
                Environment.SetEnvironmentVariable(name, null);
            }
        }
    }
}
