namespace Portmap.Tool.Tests;

/// <summary>Command lines that cannot be meant so: what they are told.</summary>
public sealed class CommandLineTests : ToolTest
{
    [Theory]
    [InlineData("list --state bund", "'bund' is none of bound, reserved, recovered, cooling, foreign; did you mean bound?")]
    [InlineData("list --state x", "'x' is none of bound, reserved, recovered, cooling, foreign.")]
    [InlineData("list --state BOUND", "did you mean bound?")]
    [InlineData("completion tcsh", "'tcsh' is none of bash, zsh, fish")]
    [InlineData("completion bsh", "did you mean bash?")]
    [InlineData("lookup b1 -p tpc", "'tpc' is none of tcp, udp; did you mean tcp?")]
    public async Task Word_OfAFewThatThereAre_IsNamedWithThem(string line, string says) => await ExpectAsync(line, says);

    [Theory]
    [InlineData("watch --after x", "'x' is not a revision; write a number of 0 to 9223372036854775807")]
    [InlineData("watch --after=-1", "'-1' is not a revision")]
    [InlineData("doctor --owners x", "'x' is not a count of owners (MaxOwners); write a number of 1 to 1048576")]
    [InlineData("doctor --owners 0", "'0' is not a count of owners (MaxOwners); write a number of 1 to 1048576")]
    [InlineData("doctor --guards 1.5", "'1.5' is not a count of guards (MaxGuards); write a number of 0 to 131072")]
    [InlineData("doctor --guards 99999999999", "'99999999999' is not a count of guards")]
    [InlineData("doctor --range x", "'x'")]
    [InlineData("doctor --exclude x", "'x'")]
    [InlineData("top --range 5-1", "5-1 is reversed")]
    [InlineData("who 70000", "'70000' is not a port; write a number of 1 to 65535")]
    [InlineData("who x", "'x' is not a port")]
    [InlineData("ping --timeout x", "'x' is not a time to wait; write seconds, 0.01 to 3600")]
    [InlineData("fleet list --timeout x", "'x' is not a time to wait")]
    [InlineData("complete x y", "'x' is not a position; write a number of 0 to 2147483647")]
    public async Task Number_ThatIsNone_IsNamedWithItsBounds(string line, string says) => await ExpectAsync(line, says);

    [Theory]
    [InlineData("frob", "unknown command 'frob'.")]
    [InlineData("LIST", "unknown command 'LIST'; did you mean list?")]
    [InlineData("lxxt", "unknown command 'lxxt'.")]
    [InlineData("lits", "unknown command 'lits'; did you mean list?")]
    [InlineData("diagnose", "unknown command 'diagnose'; did you mean doctor?")]
    [InlineData("fleet wach", "unknown command 'wach'; did you mean watch?")]
    [InlineData("--bogus", "unknown option '--bogus'.")]
    [InlineData("list --bogus", "unknown option '--bogus'.")]
    [InlineData("list --jsn", "unknown option '--jsn'; did you mean --json?")]
    [InlineData("lookup --quite", "unknown option '--quite'; did you mean --quiet?")]
    [InlineData("lookup b1 --quite", "unknown option '--quite'; did you mean --quiet?")]
    [InlineData("fleet list --prefx /x", "unknown option '--prefx'; did you mean --prefix?")]
    [InlineData("list --json=x", "'x' is one argument too many.")]
    [InlineData("ping b1", "'b1' is one argument too many.")]
    [InlineData("list --version", "unknown option '--version'")]
    [InlineData("lookup --version", "unknown option '--version'")]
    [InlineData("release b1 --version", "unknown option '--version'")]
    [InlineData("fleet list --version", "unknown option '--version'")]
    public async Task Word_ThatIsUnknown_IsToldForWhatItWasTaken(string line, string says) => await ExpectAsync(line, says);

    [Theory]
    [InlineData("unix:rel")]
    [InlineData("unix:./rel/s")]
    public async Task Endpoint_WithARelativePath_IsTwoWhereverItStands(string endpoint)
    {
        string says = $"'{endpoint}' has a relative path; write an absolute one, for example unix:/";
        await ExpectAsync($"ping -e {endpoint}", says);
        System.Diagnostics.ProcessStartInfo start = Programs.Tool;
        start.Environment["PORTMAP_ENDPOINT"] = endpoint;
        await using ChildProcess tool = ChildProcess.Start(start, ["ping"]);

        (await tool.ExitAsync()).Should().Be(2, tool.Errors);
        tool.Errors.Should().Contain("PORTMAP_ENDPOINT").And.Contain(says);
    }

    [Fact]
    public async Task Version_Alone_IsWritten()
    {
        Outcome outcome = await RunAsync("--version");

        outcome.ExitCode.Should().Be(0, outcome.Errors);
        outcome.Text.Should().MatchRegex(@"^[0-9]+\.[0-9]+\.[0-9]+");
    }

    [Fact]
    public async Task Owner_ThatBeginsWithADash_IsOneAfterTwoDashes()
    {
        Outcome outcome = await RunAsync("lookup", "--timeout", "0.3", "--", "--quiet");

        outcome.ExitCode.Should().Be(3, outcome.Errors);
    }

    [Fact]
    public async Task Value_ThatIsLong_IsCut()
    {
        Outcome outcome = await RunAsync("watch", "--after", new string('x', 5_000));

        outcome.ExitCode.Should().Be(2);
        outcome.Errors.Length.Should().BeLessThan(300);
    }

    [NeedsRootFact("setpriv")]
    public async Task Fleet_CertificateInAFolderThatThisUserMayNotEnter_IsSixAndSaysThat()
    {
        Directory.CreateDirectory(Folder["closed"]);

        Outcome outcome = await RunShutOutAsync(Folder["closed"], "fleet", "list", "--cacert", Folder["closed/ca.pem"]);

        outcome.ExitCode.Should().Be(6, outcome.Errors);
        outcome.Errors.Should().Contain(Folder["closed/ca.pem"]).And.Contain("denied");
    }

    private async Task ExpectAsync(string line, string says)
    {
        Outcome outcome = await RunAsync(line.Split(' '));

        outcome.ExitCode.Should().Be(2, outcome.Errors);
        outcome.Lines.Should().BeEmpty();
        outcome.Errors.TrimEnd().Should().StartWith("portmap: ").And.Contain(says).And.NotContain("\n").And.NotContain("System.").And.NotContain("\\u");
    }
}
