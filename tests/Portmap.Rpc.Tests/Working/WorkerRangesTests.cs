using System.Net;
using System.Net.Sockets;
using Portmap.TestKit.Processes;

namespace Portmap.Rpc.Tests.Working;

/// <summary>Ranges by request, over a real socket: what a client asks for, and where a worker that
/// brings its own port binds.</summary>
public sealed class WorkerRangesTests : AsyncTest
{
    private readonly TempFolder _folder = new();
    private readonly PortRange _all = PortBlock.Take(12);
    private readonly PortRange _low, _high;
    private readonly PortRegistry _registry;
    private readonly PortmapServer _server;

    public WorkerRangesTests()
    {
        // A hole of two ports between them.
        (_low, _high) = (new PortRange(_all.First, _all.First + 4), new PortRange(_all.First + 7, _all.Last));
        _registry = new PortRegistry(new PortRegistryOptions { Ports = $"{_high},{_low}" });
        _server = new PortmapServer(_registry, new PortmapServerOptions { Endpoints = { Endpoint } });
    }

    private string Endpoint => "unix:" + _folder["portmap.sock"];

    public override async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        await _registry.DisposeAsync();
        _folder.Dispose();
    }

    [Fact]
    public async Task Acquire_WithRanges_IsGivenThereOrRefusedWithTheBound()
    {
        await _server.StartAsync().Within();
        await using PortmapClient client = await PortmapClient.ConnectAsync(PortmapEndpoint.Parse(Endpoint)).Within();

        for (int i = 0; i < _low.Count; i++)
        {
            PortEntry lease = await client.AcquireAsync(Picked($"b{i}", _low.ToString())).Within();
            lease.Port.Should().BeInRange(_low.First, _low.Last);
        }

        Func<Task> more = () => client.AcquireAsync(Picked("b9", _low.ToString())).Within();
        (await more.Should().ThrowAsync<PortRefusedException>()).Which.Refusal.Reason.Should().Be(PortRefusalReason.Exhausted);
        Func<Task> outside = () => client.AcquireAsync(Picked("b9", _all.ToString())).Within();
        PortRefusal refusal = (await outside.Should().ThrowAsync<PortRefusedException>()).Which.Refusal;
        refusal.Reason.Should().Be(PortRefusalReason.InvalidPort);
        refusal.Message.Should().Contain(_all.ToString()).And.Contain($"{_high},{_low}");
    }

    [Theory]
    [InlineData(PortProtocol.Tcp)]
    [InlineData(PortProtocol.Udp)]
    [InlineData(PortProtocol.TcpAndUdp)]
    public async Task Listen_LeaseWithRanges_BindsThereUntilTheyAreFull(PortProtocol protocol)
    {
        await _server.StartAsync().Within();
        List<WorkerPort> workers = [];
        for (int i = 0; i < _low.Count; i++)
        {
            workers.Add(await WorkerPort.ListenAsync(Started($"b{i}", protocol)).Within());
        }

        workers.Select(worker => worker.Port).Should().BeEquivalentTo(Enumerable.Range(_low.First, _low.Count));
        Func<Task> more = () => WorkerPort.ListenAsync(Started("b9", protocol)).Within();
        PortRefusal refusal = (await more.Should().ThrowAsync<PortRefusedException>()).Which.Refusal;
        refusal.Reason.Should().Be(PortRefusalReason.Exhausted);
        refusal.Message.Should().Contain(_low.ToString());
        foreach (WorkerPort worker in workers)
        {
            await worker.DisposeAsync();
        }
    }

    [Fact]
    public async Task Listen_SeveralRanges_FillsThemAllAndNothingBetween()
    {
        await _server.StartAsync().Within();
        List<WorkerPort> workers = [];
        for (int i = 0; i < _low.Count + _high.Count; i++)
        {
            WorkerPortOptions options = Options($"b{i}");
            options.Ports = $"{_high},{_low}";
            workers.Add(await WorkerPort.ListenAsync(options).Within());
        }

        workers.Select(worker => worker.Port).Should().BeEquivalentTo(Enumerable.Range(_low.First, _low.Count).Concat(Enumerable.Range(_high.First, _high.Count)));
        foreach (WorkerPort worker in workers)
        {
            await worker.DisposeAsync();
        }
    }

    [Fact]
    public async Task Listen_PickedPortIsAStrangers_IsHealedWithinTheRanges()
    {
        await _server.StartAsync().Within();
        PortLease lease = await _registry.AcquireAsync(Picked("b1", _low.ToString()) with { Guard = PortGuardMode.None }).Within();
        using Socket stranger = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        stranger.Bind(new IPEndPoint(PortBlock.Loopback, lease.Port));
        stranger.Listen();

        await using WorkerPort worker = await WorkerPort.ListenAsync(Told(lease)).Within();

        worker.Port.Should().NotBe(((IPEndPoint)stranger.LocalEndPoint!).Port).And.BeInRange(_low.First, _low.Last);
    }

    private static PortRequest Picked(string owner, string ports) => new(owner) { Strategy = PortRegistryOptions.AllocatorPicks, Ports = ports };

    /// <summary>What a worker reads from its environment.</summary>
    private WorkerPortOptions Told(PortLease lease)
    {
        System.Diagnostics.ProcessStartInfo start = new("worker");
        lease.PrepareStart(start, Endpoint);
        WorkerPortOptions options = Options(lease.Owner);
        (options.Port, options.Epoch, options.Protocol) = (lease.Port, lease.Epoch, lease.Protocol);
        options.Ports = start.Environment["PORTMAP_RANGE"];
        return options;
    }

    private WorkerPortOptions Started(string owner, PortProtocol protocol)
    {
        _registry.TryAcquire(new PortRequest(owner) { Protocol = protocol, Ports = _low.ToString() }, out PortLease? lease, out _).Should().BeTrue();
        return Told(lease!);
    }

    private WorkerPortOptions Options(string owner) => new()
    {
        Endpoint = Endpoint,
        Owner = owner,
        Port = 0,
        Epoch = 0,
        Exclude = string.Empty,
        Address = PortBlock.Loopback,
        ConnectTimeout = TimeSpan.FromSeconds(20),
    };
}
