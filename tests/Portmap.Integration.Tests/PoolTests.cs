using System.Diagnostics;
using System.Globalization;
using Portmap.Rpc;
using Portmap.TestKit.Processes;

namespace Portmap.Integration.Tests;

/// <summary>The sample daemon's pools: ports that are asked for by their ranges.</summary>
public sealed class PoolTests
{
    private const string Brick = "vol0:/bricks/b1";

    [Fact]
    public async Task Serve_WithAPool_AWorkerThatAsksForItListensThere()
    {
        using TempFolder folder = new();
        PortRange general = PortBlock.Take(4), pool = PortBlock.Take(2);
        await using ChildProcess daemon = await Samples.ServeAsync("--unix", folder["d.sock"], "--range", general.ToString(), "--pool", $"public={pool}");
        await using PortmapClient client = await PortmapClient.ConnectAsync(PortmapEndpoint.Parse($"unix:{folder["d.sock"]}")).Within();

        PortEntry asked = await client.AcquireAsync(new PortRequest("web") { Strategy = "AllocatorPicks", Ports = pool.ToString() }).Within();
        asked.Port.Should().BeInRange(pool.First, pool.Last);
        Func<Task> outside = () => client.AcquireAsync(new PortRequest("other") { Strategy = "AllocatorPicks", Ports = $"{pool.Last + 1}" }).Within();
        (await outside.Should().ThrowAsync<PortRefusedException>()).Which.Refusal.Message.Should().Contain($"{general},{pool}");

        ProcessStartInfo start = Samples.Brick;
        start.Environment["PORTMAP_ENDPOINT"] = $"unix:{folder["d.sock"]}";
        start.Environment["PORTMAP_OWNER"] = Brick;
        start.Environment["PORTMAP_RANGE"] = pool.ToString();
        await using ChildProcess brick = ChildProcess.Start(start);
        PortEntry? entry = null;
        await foreach (PortUpdate update in client.WatchAsync(cancellationToken: Deadline.Source().Token))
        {
            entry = await client.GetEntryAsync(Brick).Within();
            if (entry is { State: PortState.Bound })
            {
                break;
            }
        }

        entry!.Value.Port.Should().BeInRange(pool.First, pool.Last).And.NotBe(asked.Port);
        (await Line.FromAsync(entry.Value.Port)).Should().Be(string.Create(CultureInfo.InvariantCulture, $"brick {Brick} pid {brick.Id}"));
    }

    [Theory]
    [InlineData("--pool", "7000-7099", "NAME=FIRST-LAST")]
    [InlineData("--pool", "=7000-7099", "NAME=FIRST-LAST")]
    [InlineData("--pool", "public=7099-7000", "reversed")]
    [InlineData("--pool", "public=50000-50001", "overlap in 50000-50001")]
    [InlineData("--range", "7000-7099,7000", "overlap in 7000-7000")]
    public async Task Serve_WithRangesThatDoNotFit_EndsAndSaysWhy(string option, string value, string complaint)
    {
        using TempFolder folder = new();
        await using ChildProcess daemon = ChildProcess.Start(Samples.ManagementDaemon, "serve", "--unix", folder["d.sock"], option, value);

        (await daemon.ExitAsync()).Should().NotBe(0);
        daemon.Errors.Should().Contain(complaint);
    }
}
