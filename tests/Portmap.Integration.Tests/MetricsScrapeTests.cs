using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.RegularExpressions;
using Portmap.Rpc;
using Portmap.TestKit.Processes;

namespace Portmap.Integration.Tests;

/// <summary>The sample daemon as Prometheus sees it, and the dashboard over it.</summary>
public sealed partial class MetricsScrapeTests
{
    [Fact]
    public async Task Dashboard_EachQuery_AsksForWhatTheDaemonTells()
    {
        using TempFolder folder = new();
        string address = $"{PortBlock.Loopback}:{PortBlock.TakeOne()}";
        System.Diagnostics.ProcessStartInfo program = Samples.ManagementDaemon;
        program.Environment["Portmap__LivenessInterval"] = "00:00:00.1";
        program.Environment["Portmap__MaxOwners"] = "50";   // a finding on any host: fewer ports than owners
        await using ChildProcess daemon = ChildProcess.Start(
            program, "serve", "--unix", folder["d.sock"], "--range", $"{PortBlock.Take(10)}", "--state", folder["state"], "--metrics", address);
        (await daemon.ReadLineAsync()).Should().StartWith("ready");
        using HttpClient http = new();
        await ScrapeAsync(http, address);   // the time to be bound is taken from the first collection on
        await using PortmapClient client = await PatientClient.ConnectAsync(PortmapEndpoint.Parse($"unix:{folder["d.sock"]}")).Within();
        await UseAsync(client);
        await using PortmapClient other = await PatientClient.ConnectAsync(PortmapEndpoint.Parse($"unix:{folder["d.sock"]}")).Within();
        await other.AcquireAsync("b3").Within();

        string[] queries = Queries();
        string[] names = [.. queries.SelectMany(query => Name().Matches(query).Select(name => name.Value)).Distinct()];
        string[] labels = [.. queries.SelectMany(query => Labels().Matches(query)).SelectMany(list => list.Groups["names"].Value.Split(", ")).Distinct()];
        string scraped = await ScrapeUntilAsync(http, address, text => names.All(name => Tells(text, name)));

        names.Should().HaveCountGreaterThan(14).And.OnlyContain(name => Tells(scraped, name));
        labels.Should().HaveCountGreaterThan(6).And.OnlyContain(label => scraped.Contains($"{label}=\"", StringComparison.Ordinal));
    }

    private static bool Tells(string scraped, string name) => Regex.IsMatch(scraped, $"(?m)^{name}[{{ ]");

    private static string[] Queries()
    {
        using JsonDocument dashboard = JsonDocument.Parse(RepositoryFiles.Read("samples", "Grafana", "portmap.json"));
        return [.. dashboard.RootElement.GetProperty("panels").EnumerateArray()
            .SelectMany(panel => panel.GetProperty("targets").EnumerateArray()).Select(target => target.GetProperty("expr").GetString()!)];
    }

    /// <summary>Has each instrument say something: a lease that is refused, one whose port a
    /// stranger has, one that is registered, and an owner that signs out.</summary>
    private static async Task UseAsync(PortmapClient client)
    {
        PortEntry lease = await client.AcquireAsync(new PortRequest("b1") { Strategy = "AllocatorPicks" }).Within();
        await client.Awaiting(it => it.AcquireAsync("b1").Within()).Should().ThrowAsync<PortRefusedException>("it is reserved");
        using TcpListener stranger = new(IPAddress.Any, lease.Port);
        stranger.Start();
        await client.ReportBindFailureAsync(new PortClaimRequest("b1", lease.Port) { Epoch = lease.Epoch }, SocketError.AddressAlreadyInUse).Within();
        using TcpListener listener = new(PortBlock.Loopback, PortBlock.TakeOne());
        listener.Start();
        int port = ((IPEndPoint)listener.LocalEndpoint).Port;
        PortEntry again = await client.AcquireAsync("b2").Within();
        await client.RegisterAsync(new PortClaimRequest("b2", port) { Epoch = again.Epoch }).Within();
        await client.RegisterAsync(new PortClaimRequest("b4", port)).Within();
        await client.ReleaseAsync(new PortClaimRequest("b4")).Within();
    }

    private static Task<string> ScrapeAsync(HttpClient http, string address) => http.GetStringAsync($"http://{address}/metrics").Within();

    /// <summary>Scrapes as Prometheus does, until the passes have come round.</summary>
    private static async Task<string> ScrapeUntilAsync(HttpClient http, string address, Func<string, bool> isEnough)
    {
        using CancellationTokenSource end = Deadline.Source();
        string scraped;
        do
        {
            scraped = await ScrapeAsync(http, address);
        }
        while (!isEnough(scraped) && !end.IsCancellationRequested);
        return scraped;
    }

    [GeneratedRegex(@"(?<!by \([\w, ]*)\bportmap_\w+(?=\{)")]
    private static partial Regex Name();

    [GeneratedRegex(@"by \((?<names>[\w, ]+)\)")]
    private static partial Regex Labels();
}
