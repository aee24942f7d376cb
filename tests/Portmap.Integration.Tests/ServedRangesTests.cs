using System.Diagnostics;
using System.Globalization;
using Portmap.Rpc;
using Portmap.TestKit.Processes;

namespace Portmap.Integration.Tests;

/// <summary>The sample daemon with several ranges: a port may be asked for by one of them.</summary>
public sealed class ServedRangesTests
{
    private const string Brick = "vol0:/bricks/b1";

    [Fact]
    public async Task Serve_WithSeveralRanges_AWorkerThatAsksForOneListensThere()
    {
        using TempFolder folder = new();
        PortRange general = PortBlock.Take(4), other = PortBlock.Take(2);
        await using ChildProcess daemon = await Samples.ServeAsync("--unix", folder["d.sock"], "--range", $"{general},{other}");
        await using PortmapClient client = await PatientClient.ConnectAsync(PortmapEndpoint.Parse($"unix:{folder["d.sock"]}")).Within();

        PortEntry asked = await client.AcquireAsync(new PortRequest("web") { Strategy = "AllocatorPicks", Ports = other.ToString() }).Within();
        asked.Port.Should().BeInRange(other.First, other.Last);
        Func<Task> outside = () => client.AcquireAsync(new PortRequest("outside") { Strategy = "AllocatorPicks", Ports = $"{other.Last + 1}" }).Within();
        (await outside.Should().ThrowAsync<PortRefusedException>()).Which.Refusal.Message.Should().Contain($"{general},{other}");

        ProcessStartInfo start = Samples.Brick;
        start.Environment["PORTMAP_ENDPOINT"] = $"unix:{folder["d.sock"]}";
        start.Environment["PORTMAP_OWNER"] = Brick;
        start.Environment["PORTMAP_RANGE"] = other.ToString();
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

        entry!.Value.Port.Should().BeInRange(other.First, other.Last).And.NotBe(asked.Port);
        (await Line.FromAsync(entry.Value.Port)).Should().Be(string.Create(CultureInfo.InvariantCulture, $"brick {Brick} pid {brick.Id}"));
    }

    [Theory]
    [InlineData("7099-7000", "reversed")]
    [InlineData("7000-7099,7000", "overlap in 7000-7000")]
    public async Task Serve_WithRangesThatDoNotFit_EndsAndSaysWhy(string ranges, string complaint)
    {
        using TempFolder folder = new();
        await using ChildProcess daemon = ChildProcess.Start(Samples.ManagementDaemon, "serve", "--unix", folder["d.sock"], "--range", ranges);

        (await daemon.ExitAsync()).Should().NotBe(0);
        daemon.Errors.Should().Contain(complaint);
    }
}
