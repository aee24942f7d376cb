using System.Text.Json;
using Portmap.Integration.Tests;

namespace Portmap.Tool.Tests;

/// <summary>Giving a port back for somebody else.</summary>
public sealed class ReleaseTests : ToolTest
{
    public override Task InitializeAsync() => ServeAsync();

    [Fact]
    public async Task Release_OfALivingEntry_IsRefusedAndSaysWhomItWouldHit()
    {
        (ChildProcess worker, PortEntry entry) = await StartWorkerAsync("b1");

        Outcome outcome = await RunAsync("release", "b1");

        outcome.ExitCode.Should().Be(4);
        outcome.Errors.Should().Contain("--force").And.Contain($"process {worker.Id} (Snapd)").And.Contain($"{entry.Port}/tcp");
        (await RunAsync("lookup", "b1")).ExitCode.Should().Be(0);
    }

    [Fact]
    public async Task ReleaseForce_OfALivingEntry_ReleasesItAndLeavesTheProcess()
    {
        (ChildProcess worker, PortEntry entry) = await StartWorkerAsync("b1");

        Outcome outcome = await RunAsync("release", "b1", "--force", "--json");

        outcome.ExitCode.Should().Be(0, outcome.Errors);
        JsonDocument.Parse(outcome.Lines.Should().ContainSingle().Subject).RootElement.GetProperty("entry").GetProperty("port").GetInt32().Should().Be(entry.Port);
        (await RunAsync("lookup", "b1")).ExitCode.Should().Be(1);
        worker.Process.HasExited.Should().BeFalse();
    }

    [Fact]
    public async Task Release_OfAnOpenLease_NeedsNoForce()
    {
        await using PortmapClient client = await PatientClient.ConnectAsync(PortmapEndpoint.Parse(Endpoint)).Within();
        await client.AcquireAsync(new PortRequest("b1")).Within();

        (await RunAsync("release", "b1")).ExitCode.Should().Be(0);

        (await RunAsync("lookup", "b1")).ExitCode.Should().Be(1);
    }

    [Fact]
    public async Task Release_OfAnOwnerWhoseClaimIsAnotherMeanwhile_LeavesThat()
    {
        const uint Release = 4;
        await using PortmapClient client = await PatientClient.ConnectAsync(PortmapEndpoint.Parse(Endpoint)).Within();
        PortEntry seen = await client.AcquireAsync(new PortRequest("b1")).Within();
        await using Between between = new(Folder["between"], async procedure =>
        {
            if (procedure == Release)
            {
                await client.ReleaseAsync(new PortClaimRequest("b1") { Epoch = seen.Epoch }).Within();
                await client.AcquireAsync(new PortRequest("b1")).Within();
            }

            return null;
        }, SocketPath);

        Outcome outcome = await RunAsync("release", "b1", "--endpoint", $"unix:{Folder["between"]}");

        outcome.ExitCode.Should().Be(4, outcome.Errors);
        (await client.GetEntryAsync("b1").Within()).Should().NotBeNull().And.Match<PortEntry?>(entry => entry!.Value.Epoch > seen.Epoch);
    }

    [Fact]
    public async Task Release_OfNobody_IsOne()
    {
        (await RunAsync("release", "nobody")).ExitCode.Should().Be(1);
    }
}
