using System.Net;
using Portmap.Rpc.Working;
using Portmap.TestKit.Processes;

namespace Portmap.Rpc.Tests.Working;

/// <summary>What a worker is told when it cannot bind for another reason than that somebody has the
/// port.</summary>
public sealed class BindErrorTests
{
    [Theory]
    [InlineData("AllocatorPicks")]
    [InlineData("ProcessBinds")]
    public async Task Listen_AtAnAddressOfAnotherHost_IsToldSoAndTheDaemonHearsNothingOfIt(string strategy)
    {
        using TempFolder folder = new();
        PortRange range = PortBlock.Take(2);
        await using PortRegistry registry = new(new PortRegistryOptions { Ports = range.ToString(), Strategy = strategy });
        await using PortmapServer server = new(registry, new PortmapServerOptions { Endpoints = { "unix:" + folder["portmap.sock"] } });
        await server.StartAsync().Within();
        PortLease lease = await registry.AcquireAsync("b1").AsTask().Within();
        lease.OpenGate();
        WorkerPortOptions options = new()
        {
            Endpoint = "unix:" + folder["portmap.sock"],
            Owner = "b1",
            Port = lease.Port,
            Epoch = lease.Epoch,
            Address = IPAddress.Parse("192.0.2.1"),
            Ports = range.ToString(),
        };

        Func<Task> listen = () => WorkerPort.ListenAsync(options).Within();

        PortRefusal refusal = (await listen.Should().ThrowAsync<PortRefusedException>()).Which.Refusal;
        refusal.Reason.Should().Be(PortRefusalReason.AddressUnavailable);
        refusal.Message.Should().ContainAll("192.0.2.1", "EADDRNOTAVAIL", "ip addr");
        registry.Snapshot().Entries.Should().NotContain(entry => entry.State == PortState.Foreign);
    }

    [Fact]
    public void TryPick_EveryPortNeedsAPrivilege_SaysHowManyAndNotThatTheyAreInUse()
    {
        (ListeningSockets? sockets, int denied) = Deprived.Run(() => Pick("600-604"));

        sockets.Should().BeNull();
        denied.Should().Be(5);
    }

    [Fact]
    public void TryPick_SomePortsNeedAPrivilege_TakesAnother()
    {
        for (int i = 0; i < 20; i++)
        {
            (ListeningSockets? sockets, _) = Deprived.Run(() => Pick("1000-1040"));

            using (sockets)
            {
                sockets!.Port.Should().BeGreaterThanOrEqualTo(1_024);
            }
        }
    }

    private static (ListeningSockets? Sockets, int Denied) Pick(string range)
    {
        PortPicker picker = new(WorkerSettings.Resolve(new WorkerPortOptions { Endpoint = "unix:/nowhere", Owner = "b1", Port = 0, Ports = range }), new Random(1));
        return (picker.TryPick(), picker.Denied.Count);
    }
}
