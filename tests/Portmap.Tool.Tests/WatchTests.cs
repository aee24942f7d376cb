using System.Text.Json;
using Portmap.Etcd.Tests.Support;

namespace Portmap.Tool.Tests;

/// <summary>Following the map.</summary>
public sealed class WatchTests : ToolTest
{
    public override Task InitializeAsync() => ServeAsync();

    [Fact]
    public async Task WatchJson_WhileAnOwnerComesAndGoes_TellsTheMapAndEachChangeUntilCtrlC()
    {
        await RegisterAsync("b1");
        await using ChildProcess watch = Start("watch", "--json");
        JsonElement snapshot = await ReadAsync(watch), present = await ReadAsync(watch);

        await RegisterAsync("b2");

        snapshot.GetProperty("event").GetString().Should().Be("snapshot");
        snapshot.GetProperty("entries").GetInt32().Should().Be(1);
        present.GetProperty("event").GetString().Should().Be("present");
        present.GetProperty("entry").GetProperty("owner").GetString().Should().Be("b1");
        JsonElement change = await ReadAsync(watch);
        change.GetProperty("event").GetString().Should().Be("registered");
        change.GetProperty("entry").GetProperty("owner").GetString().Should().Be("b2");
        change.GetProperty("revision").GetInt64().Should().BeGreaterThan(snapshot.GetProperty("revision").GetInt64());
        watch.Send(Signal.Interrupt);
        (await watch.ExitAsync()).Should().Be(0, watch.Errors);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Watch_WhoseDaemonDiesAndComesBack_SaysBothOnStandardErrorAndTellsTheMapAgain(bool asJson)
    {
        (_, PortEntry entry) = await StartWorkerAsync("b1");
        await using ChildProcess watch = Start(asJson ? ["watch", "--json"] : ["watch"]);
        string first = await watch.ReadLineAsync();
        first.Should().Contain(asJson ? "\"snapshot\"" : "present");

        Daemon.Kill();
        await Daemon.ExitAsync();
        await Seen.UntilAsync(() => watch.Errors.Contains($"portmap: the daemon at {Endpoint} is gone; waiting for it", StringComparison.Ordinal));
        await ServeAsync();
        await Seen.UntilAsync(() => watch.Errors.Contains($"portmap: the daemon at {Endpoint} is back; the map follows", StringComparison.Ordinal));

        string line = await watch.ReadLineAsync();
        while (!line.Contains("snapshot", StringComparison.Ordinal))
        {
            line = await watch.ReadLineAsync();   // present, and perhaps how the old map ended
        }

        line.Should().Contain(asJson ? "\"entries\":" : "entries");
        entry.Port.Should().BePositive();
        watch.Send(Signal.Interrupt);
        (await watch.ExitAsync()).Should().Be(0, watch.Errors);
        watch.Errors.Split("is gone").Should().HaveCount(2, "it is said once: {0}", watch.Errors);
    }

    [Fact]
    public async Task Watch_WhileTheDaemonStandsStill_SaysSoAndThatItIsBack()
    {
        await using ChildProcess watch = Start("watch", "--json", "--timeout", "20");   // also of its first answer, however busy the machine is
        await ReadAsync(watch);

        Daemon.Send(Signal.Stop);
        await Seen.UntilAsync(() => watch.Errors.Contains("does not answer; waiting for it", StringComparison.Ordinal));
        Daemon.Send(Signal.Continue);

        await Seen.UntilAsync(() => watch.Errors.Contains("is back; the map follows", StringComparison.Ordinal));
    }

    [NeedsFact("bash")]
    public async Task Watch_WhoseReaderHasReadEnough_EndsThoughNothingChanges()
    {
        await RegisterAsync("b1");
        System.Diagnostics.ProcessStartInfo start = Programs.Tool;
        start.FileName = "bash";
        start.Environment["PORTMAP_ENDPOINT"] = Endpoint;

        await using ChildProcess bash = ChildProcess.Start(start, "-c", $"'{Programs.ToolPath}' watch --timeout 30 | head -n 1; echo ended ${{PIPESTATUS[0]}}");

        IReadOnlyList<string> lines = await bash.ReadToEndAsync();
        lines.Should().HaveCount(2);
        lines[0].Should().Contain("present").And.Contain("b1");
        lines[1].Should().Be("ended 0");
    }

    private static async Task<JsonElement> ReadAsync(ChildProcess watch) => JsonDocument.Parse(await watch.ReadLineAsync()).RootElement;
}
