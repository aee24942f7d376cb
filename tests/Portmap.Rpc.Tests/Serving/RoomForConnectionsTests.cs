using Portmap.Rpc.Serving;
using Portmap.TestKit.Processes;

namespace Portmap.Rpc.Tests.Serving;

/// <summary>What a server says where the descriptors leave room for fewer connections than it is to
/// have.</summary>
[Collection(AloneCollection.Name)]
public class RoomForConnectionsTests
{
    [Theory]
    [InlineData(null, false)]
    [InlineData(1_048_575, true)]
    public async Task Start_DescriptorsLeaveRoomForFewerConnections_WarnsWhoHasSetTheLimit(int? limit, bool warns)
    {
        using TempFolder folder = new();
        LogList log = new();
        PortmapServerOptions options = new() { Endpoints = { $"unix:{folder["s"]}" } };
        options.MaxConnections = limit ?? options.MaxConnections;
        await using PortRegistry registry = new(new PortRegistryOptions { Ports = PortBlock.Take(1).ToString() });
        await using PortmapServer server = new(registry, options, new ServerLog(log));

        using (new FewDescriptors(more: 2_000))
        {
            Descriptors.Allow(options.MaxConnections).Should().BeLessThan(options.MaxConnections, "otherwise there is nothing to tell");
            await server.StartAsync().Within();
        }

        log.Warnings.Select(line => line.Id.Name).Should().Equal(warns ? ["ConnectionsLowered"] : []);
    }
}
