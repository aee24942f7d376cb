using System.Text.Json;

namespace Portmap.Tool.Tests;

/// <summary>A daemon inside this process, which believes what no real one would.</summary>
#pragma warning disable CA1001 // xunit disposes it by IAsyncLifetime
public sealed class ScriptedDaemonTests : ToolTest
{
    private PortRegistry _registry = null!;
    private PortmapServer _server = null!;

    private string TcpEndpoint => _server.Endpoints[^1].ToString();

    public override async Task InitializeAsync()
    {
        PortRange range = PortBlock.Take(20);
        PortRegistryOptions believing = new() { Ports = range.ToString(), VerifyListening = false, ReconcileInterval = TimeSpan.FromMinutes(10) };
        _registry = new PortRegistry(believing.SimulateHost((_, _) => [], _ => 1));   // every process lives
        PortmapServerOptions options = new() { AllowTcpChanges = false, Endpoints = { Endpoint, $"tcp:{PortBlock.TakeLoopback()}:0" } };
        _server = new PortmapServer(_registry, options);
        await _server.StartAsync().Within();
        await _registry.OpenSession(Environment.ProcessId).RegisterAsync(new PortClaimRequest("b1", range.Last)).Within();
    }

    public override async Task DisposeAsync()
    {
        await _server.DisposeAsync().Within();
        await _registry.DisposeAsync().Within();
        await base.DisposeAsync();
    }

    [Fact]
    public async Task Doctor_OfAnEntryWhoseProcessDoesNotListen_NamesIt()
    {
        Outcome outcome = await RunAsync("doctor", "--json");

        JsonElement check = outcome.Lines.Select(line => JsonDocument.Parse(line).RootElement).Single(line => line.GetProperty("check").GetString() == "nobodyListens");
        check.GetProperty("result").GetString().Should().Be("found");
        check.GetProperty("value").GetString().Should().Contain("b1");
        outcome.ExitCode.Should().Be(5);
    }

    [NeedsEphemeralRangeFact]
    public async Task Doctor_OfADaemonThatHasNearlyUsedThePortsTheKernelLeavesAlone_FindsIt()
    {
        int last = NeedsEphemeralRangeFactAttribute.Range!.Value.Last;
        string[] command = ["doctor", "--json", "--range", $"{last - 9}-{last + 110}"];
        (await ResultAsync(command)).Should().Be("note");

        foreach (int port in Enumerable.Range(last + 1, 11))
        {
            await _registry.OpenSession(Environment.ProcessId).RegisterAsync(new PortClaimRequest($"o{port}", port)).Within();
        }

        (await ResultAsync(command)).Should().Be("found", "99 of 110 are free");

        async Task<string?> ResultAsync(string[] line) => (await RunAsync(line)).Lines
            .Select(check => JsonDocument.Parse(check).RootElement)
            .Single(check => check.GetProperty("check").GetString() == "ephemeralOverlap").GetProperty("result").GetString();
    }

    [Fact]
    public async Task Doctor_OfAnEntryWhoseProcessIsGone_SaysThatAndNotThatItDoesNotListen()
    {
        await _registry.OpenSession(int.MaxValue).RegisterAsync(new PortClaimRequest("gone", PortBlock.TakeOne())).Within();

        Outcome outcome = await RunAsync("doctor", "--json");

        Dictionary<string, string> values = outcome.Lines.Select(line => JsonDocument.Parse(line).RootElement).Where(line => line.GetProperty("result").GetString() == "found")
            .ToDictionary(line => line.GetProperty("check").GetString()!, line => line.GetProperty("value").GetString()!);
        values["processGone"].Should().Contain("gone").And.NotContain("b1");
        values["nobodyListens"].Should().Contain("b1").And.NotContain("gone");
    }

    [Fact]
    public async Task ReleaseForce_OverTcp_IsRefusedByTheDaemonAndSaysWhy()
    {
        Outcome outcome = await RunAsync("release", "b1", "--force", "--endpoint", TcpEndpoint);

        outcome.ExitCode.Should().Be(4);
        outcome.Errors.Should().Contain(nameof(PortRefusalReason.NotPermitted));
        _registry.TryGetPort("b1", out _).Should().BeTrue();
    }

    [Fact]
    public async Task Doctor_OverTcp_DoesNotTakeOtherHostsProcessesForItsOwn()
    {
        Outcome outcome = await RunAsync("doctor", "--json", "--endpoint", TcpEndpoint);

        outcome.Lines.Select(line => JsonDocument.Parse(line).RootElement.GetProperty("check").GetString()).Should().NotContain(["nobodyListens", "processGone"]);
    }
}
