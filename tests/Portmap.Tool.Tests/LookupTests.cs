using System.Globalization;
using System.Text.Json;
using Portmap.Integration.Tests;

namespace Portmap.Tool.Tests;

/// <summary>What is asked of a real daemon through a pipe.</summary>
public sealed class LookupTests : ToolTest
{
    public override Task InitializeAsync() => ServeAsync();

    [Fact]
    public async Task List_ThroughAPipe_IsATableWithoutEscapesOrBrokenLines()
    {
        string owner = "volume:" + new string('x', 300);
        PortEntry entry = await RegisterAsync(owner);

        Outcome outcome = await RunAsync("list");

        outcome.ExitCode.Should().Be(0, outcome.Errors);
        outcome.Lines.Should().HaveCount(2);
        outcome.Lines[0].Should().StartWith("PORT");
        outcome.Lines[1].Should().StartWith($"{entry.Port}/tcp").And.Contain(owner).And.Contain("bound");
        outcome.Text.Should().NotContain("\e");
    }

    [Fact]
    public async Task List_OfAnOwnerThatSteersTerminals_IsPrintedAsItsNumbers()
    {
        await RegisterAsync("b\e[31m1[bold]");

        Outcome outcome = await RunAsync("list");

        outcome.Text.Should().Contain("b\\u001B[31m1[bold]").And.NotContain("\e");
    }

    [Fact]
    public async Task ListJson_Always_IsOneObjectALineWithTheFieldsOfTheReadme()
    {
        PortEntry entry = await RegisterAsync("b1");

        Outcome outcome = await RunAsync("list", "--json");

        JsonElement line = JsonDocument.Parse(outcome.Lines.Should().ContainSingle().Subject).RootElement;
        line.EnumerateObject().Select(field => field.Name).Should().Equal(
            "owner", "port", "protocol", "state", "epoch", "pid", "since", "owners", "guarantee", "strategy", "addresses");
        line.GetProperty("owner").GetString().Should().Be("b1");
        line.GetProperty("port").GetInt32().Should().Be(entry.Port);
        line.GetProperty("state").GetString().Should().Be("bound");
        line.GetProperty("pid").GetInt32().Should().Be(Environment.ProcessId);
        line.GetProperty("epoch").GetInt64().Should().Be(entry.Epoch);
    }

    [Fact]
    public async Task ListJson_OfAnOpenLease_HasNoProcess()
    {
        await using (PortmapClient client = await PatientClient.ConnectAsync(PortmapEndpoint.Parse(Endpoint)).Within())
        {
            await client.AcquireAsync(new PortRequest("leased") { Strategy = PortRegistryOptions.AllocatorPicks }).Within();
        }

        Outcome outcome = await RunAsync("list", "--json");

        JsonElement line = JsonDocument.Parse(outcome.Lines.Should().ContainSingle().Subject).RootElement;
        line.GetProperty("state").GetString().Should().Be("reserved");
        line.GetProperty("pid").ValueKind.Should().Be(JsonValueKind.Null);
    }

    [Fact]
    public async Task List_OfAnotherState_LeavesTheRestOut()
    {
        await RegisterAsync("b1");

        (await RunAsync("list", "--json", "--state", "cooling")).Lines.Should().BeEmpty();
        (await RunAsync("list", "--json", "--state", "bound")).Lines.Should().ContainSingle();
    }

    [Fact]
    public async Task LookupQuiet_OfAServedOwner_IsTheNumberAlone()
    {
        PortEntry entry = await RegisterAsync("@b1");

        Outcome outcome = await RunAsync("lookup", "-q", "@b1");

        outcome.Should().BeEquivalentTo(new Outcome(0, [entry.Port.ToString(CultureInfo.InvariantCulture)], ""));
    }

    [Fact]
    public async Task Lookup_OfNobody_IsOneAndSaysWhereItLooked()
    {
        Outcome outcome = await RunAsync("lookup", "nobody");

        outcome.ExitCode.Should().Be(1);
        outcome.Lines.Should().BeEmpty();
        outcome.Errors.Should().Contain("nobody").And.Contain(Endpoint);
    }

    [Theory]
    [InlineData("lookup")]
    [InlineData("release")]
    [InlineData("fleet lookup")]
    public async Task Verb_OfANameThatNoOwnerCanHave_IsTwoAndDoesNotRepeatIt(string verb)
    {
        foreach (string owner in (string[])["", new string('x', 5_000), new string('é', 2_500)])
        {
            Outcome outcome = await RunAsync([.. verb.Split(' '), owner]);

            outcome.ExitCode.Should().Be(2, outcome.Errors);
            outcome.Errors.Should().StartWith("portmap: InvalidOwner: The owner ").And.Contain("4096");
            outcome.Errors.Length.Should().BeLessThan(300);
        }
    }

    [Theory]
    [InlineData("lookup")]
    [InlineData("release")]
    public async Task Verb_OfALongOwnerThatIsNotThere_IsOneAndCutsTheName(string verb)
    {
        Outcome outcome = await RunAsync(verb, new string('x', 4_000));

        outcome.ExitCode.Should().Be(1);
        outcome.Errors.Should().Contain("'" + new string('x', 60) + "…'").And.NotContain(new string('x', 61));
    }

    [Fact]
    public async Task Lookup_OfALongOwnerWithACharacterOfTwoHalvesAtTheCut_LeavesItOutWhole()
    {
        string begin = new('x', 59);

        Outcome outcome = await RunAsync("lookup", $"{begin}😀{begin}");

        outcome.Errors.Should().Contain($"'{begin}…'");
    }

    [Fact]
    public async Task Release_OfALongOwnerThatLives_IsFourAndCutsTheName()
    {
        string owner = new('x', 4_000);
        await RegisterAsync(owner);

        Outcome outcome = await RunAsync("release", owner);

        outcome.ExitCode.Should().Be(4);
        outcome.Errors.Should().Contain(new string('x', 60) + "…").And.NotContain(new string('x', 61));
    }

    [Fact]
    public async Task Ping_OfALivingDaemon_NamesIt()
    {
        (await RunAsync("ping")).Text.Should().Contain(Endpoint);
    }

    [NeedsFact("python3")]
    public async Task List_OntoAPipeThatDoesNotBlock_IsAllOfIt()
    {
        string[] owners = [.. Enumerable.Range(0, 12).Select(number => $"{number:00}{new string('x', 4_000)}")];
        foreach (string owner in owners)
        {
            await RegisterAsync(owner);
        }

        System.Diagnostics.ProcessStartInfo start = Programs.Tool;
        start.FileName = "python3";
        start.Environment["PORTMAP_ENDPOINT"] = Endpoint;
        await using ChildProcess tool = ChildProcess.Start(
            start,
            "-c",
            "import fcntl, os, sys; fcntl.fcntl(1, 1031, 4096); os.set_blocking(1, False); os.execv(sys.argv[1], sys.argv[1:])",   // F_SETPIPE_SZ: a page is soon full
            Programs.ToolPath,
            "list",
            "--json",
            "--timeout",
            "30");

        (await tool.ReadToEndAsync()).Select(line => JsonDocument.Parse(line).RootElement.GetProperty("owner").GetString()).Should().BeEquivalentTo(owners, tool.Errors);
        (await tool.ExitAsync()).Should().Be(0, tool.Errors);
    }

    [NeedsFact("bash")]
    public async Task List_OntoAFullDisk_IsSix()
    {
        await RegisterAsync("b1");
        System.Diagnostics.ProcessStartInfo start = Programs.Tool;
        start.FileName = "bash";
        start.Environment["PORTMAP_ENDPOINT"] = Endpoint;
        await using ChildProcess bash = ChildProcess.Start(start, "-c", $"'{Programs.ToolPath}' list --timeout 30 > /dev/full; echo $?");

        (await bash.ReadToEndAsync()).Should().Equal("6");
        bash.Errors.Should().Contain("Standard output cannot be written");
    }
}
