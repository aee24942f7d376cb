using System.Text.Json;

namespace Portmap.Tool.Tests;

/// <summary>State files without their daemon.</summary>
public sealed class StateTests : ToolTest
{
    private string File => Path.Combine(StateFolder, "portmap.state");

    public override Task InitializeAsync() => ServeAsync();

    [Fact]
    public async Task StateShow_WhileTheDaemonWritesIt_ListsItAndChangesNothing()
    {
        PortEntry entry = await RegisterAsync("b1");
        byte[] before = await System.IO.File.ReadAllBytesAsync(File);

        Outcome outcome = await RunAsync("state", "show", "--json", StateFolder);

        outcome.ExitCode.Should().Be(0, outcome.Errors);
        JsonElement line = JsonDocument.Parse(outcome.Lines.Should().ContainSingle().Subject).RootElement;
        line.GetProperty("owner").GetString().Should().Be("b1");
        line.GetProperty("port").GetInt32().Should().Be(entry.Port);
        line.GetProperty("state").GetString().Should().Be("recovered");
        (await System.IO.File.ReadAllBytesAsync(File)).Should().Equal(before);
    }

    [Fact]
    public async Task StateCheck_OfASoundFile_IsSound()
    {
        await RegisterAsync("b1");

        Outcome outcome = await RunAsync("state", "check", File);

        outcome.ExitCode.Should().Be(0, outcome.Errors);
        outcome.Text.Should().Contain("sound");
    }

    [Fact]
    public async Task StateCheck_OfADamagedFile_IsFiveAndSaysWhere()
    {
        await RegisterAsync("b1");
        await RegisterAsync("b2");
        byte[] bytes = await System.IO.File.ReadAllBytesAsync(File);
        bytes[bytes.Length / 2] ^= 0xFF;
        string damaged = Folder["damaged.state"];
        await System.IO.File.WriteAllBytesAsync(damaged, bytes);

        Outcome outcome = await RunAsync("state", "check", "--json", damaged);

        outcome.ExitCode.Should().Be(5);
        JsonElement line = JsonDocument.Parse(outcome.Lines.Should().ContainSingle().Subject).RootElement;
        line.GetProperty("sound").GetBoolean().Should().BeFalse();
        line.GetProperty("unreadable")[0].GetString().Should().Contain(damaged).And.Contain("damaged").And.NotContain("portmap-state-");
    }

    [Fact]
    public async Task StateCheck_OfAFileWithATornEnd_SaysNothingOfWhatBecameOfTheCopy()
    {
        await RegisterAsync("b1");
        string torn = Folder["torn.state"];
        await System.IO.File.WriteAllTextAsync(torn, await System.IO.File.ReadAllTextAsync(File) + "#07e1d2aa tcp 4915");

        Outcome outcome = await RunAsync("state", "check", torn);

        outcome.ExitCode.Should().Be(5, outcome.Errors);
        outcome.Text.Should().Contain("no whole line").And.NotContain("cut off");
    }

    /// <summary>Root without its right to write what it may not.</summary>
    [NeedsRootFact("setpriv")]
    public async Task StateCheck_OfAFileThatNobodyMayWrite_IsSound()
    {
        await RegisterAsync("b1");
        string kept = Folder["kept.state"];
        System.IO.File.Copy(File, kept);
        new FileInfo(kept).IsReadOnly = true;
        System.Diagnostics.ProcessStartInfo start = Programs.Tool;
        string tool = start.FileName;
        start.FileName = "setpriv";

        await using ChildProcess checking = ChildProcess.Start(start, "--bounding-set=-dac_override,-dac_read_search", tool, "state", "check", kept);

        (await checking.ExitAsync()).Should().Be(0, checking.Errors);
    }

    [NeedsRootTheory("setpriv")]
    [InlineData("check")]
    [InlineData("show")]
    public async Task State_OfAFolderThatThisUserMayNotEnter_IsSixAndSaysThat(string verb)
    {
        await RegisterAsync("b1");
        Directory.CreateDirectory(Folder["closed"]);
        System.IO.File.Copy(File, Folder["closed/portmap.state"]);

        Outcome outcome = await RunShutOutAsync(Folder["closed"], "state", verb, Folder["closed"]);

        outcome.ExitCode.Should().Be(6, outcome.Errors);
        outcome.Errors.Should().Contain(Folder["closed/portmap.state"]).And.Contain("denied").And.NotContain("There is no state");
    }

    [NeedsRootTheory("chown")]
    [InlineData("check")]
    [InlineData("show")]
    public async Task State_WhoseCopyCannotBeReadAsAState_IsSixAndNamesTheCopy(string verb)
    {
        await RegisterAsync("b1");

        Outcome outcome = await RunOverALinkAsync("state", verb, File);

        outcome.ExitCode.Should().Be(6, outcome.Errors);
        outcome.Errors.Should().Contain($"A copy of {File}").And.Contain($"The state folder {Folder["link"]}").And.Contain("TMPDIR").And.NotContain($"The state folder {StateFolder}");
        Directory.EnumerateDirectories(Folder["tmp"], "portmap-state-*").Should().BeEmpty();
    }

    /// <summary>What a shell hands over for a variable that is not set.</summary>
    [Theory]
    [InlineData("state", "check", "")]
    [InlineData("state", "show", "")]
    [InlineData("doctor", "--state", "")]
    [InlineData("kept", "")]
    [InlineData("fleet", "list", "--cacert", "")]
    public async Task AnyVerb_EmptyPath_IsMisuseInOneLine(params string[] arguments)
    {
        Outcome outcome = await RunAsync(arguments);

        outcome.ExitCode.Should().Be(2, outcome.Errors);
        outcome.Errors.TrimEnd().Should().Contain("no path").And.NotContain("   at ");
    }

    [Theory]
    [InlineData("show")]
    [InlineData("check")]
    public async Task State_OfAFile_LeavesNoCopyBehind(string verb)
    {
        await RegisterAsync("b1");
        DirectoryInfo temporary = Directory.CreateDirectory(Folder["tmp"]);
        System.Diagnostics.ProcessStartInfo start = Programs.Tool;
        start.Environment["TMPDIR"] = temporary.FullName;

        await using ChildProcess tool = ChildProcess.Start(start, "state", verb, File);

        (await tool.ExitAsync()).Should().Be(0, tool.Errors);
        temporary.EnumerateDirectories("portmap-state-*").Should().BeEmpty();
    }

    [Theory]
    [InlineData("check")]
    [InlineData("show")]
    public async Task State_OfAFileThatIsNoState_NamesThatFileAndSaysSo(string verb)
    {
        string other = Folder["passwd"];
        await System.IO.File.WriteAllTextAsync(other, "root:x:0:0:root:/root:/bin/sh\n");

        Outcome outcome = await RunAsync("state", verb, other);

        outcome.ExitCode.Should().Be(5, outcome.Errors);
        string said = outcome.Text + outcome.Errors;
        said.Should().Contain($"{other} is no state file").And.NotContain("portmap.state").And.NotContain("portmap-state-").And.NotContain("choose another");
    }

    [Fact]
    public async Task StateCheck_OfAFolderWithoutAState_NamesThatFolder()
    {
        Directory.CreateDirectory(Folder["empty"]);

        Outcome outcome = await RunAsync("state", "check", Folder["empty"]);

        outcome.ExitCode.Should().Be(6);
        outcome.Errors.Should().Contain($"There is no state in the folder {Folder["empty"]}");
    }

    [Fact]
    public async Task StateCheck_OfAFileOfALaterVersion_NamesThatFile()
    {
        await RegisterAsync("b1");
        string later = Folder["later.state"];
        string text = await System.IO.File.ReadAllTextAsync(File);
        int end = text.IndexOf('\n', StringComparison.Ordinal);
        await System.IO.File.WriteAllTextAsync(later, System.Text.RegularExpressions.Regex.Replace(text[..end], "[0-9]+", "99") + text[end..]);

        Outcome outcome = await RunAsync("state", "check", later);

        outcome.ExitCode.Should().Be(5);
        outcome.Text.Should().Contain(later).And.NotContain("portmap.state").And.NotContain("portmap-state-");
    }

    [Fact]
    public async Task StateCheck_OfNoFile_IsSix()
    {
        Outcome outcome = await RunAsync("state", "check", Folder["missing"]);

        outcome.ExitCode.Should().Be(6);
        outcome.Errors.Should().Contain(Folder["missing"]);
    }

    [Theory]
    [InlineData("kept")]
    [InlineData("state check")]
    [InlineData("state show")]
    public async Task Verb_OfAPlaceInAFile_IsSixAndNotAWordAboutADaemon(string verb)
    {
        await RegisterAsync("b1");

        Outcome outcome = await RunAsync([.. verb.Split(' '), verb == "kept" ? File : Path.Combine(File, "portmap.state")]);   // ENOTDIR

        outcome.ExitCode.Should().Be(6, outcome.Errors);
        outcome.Errors.TrimEnd().Should().StartWith("portmap: ").And.NotContain("\n").And.NotContain("daemon");
    }

    [Theory]
    [InlineData("check")]
    [InlineData("show")]
    public async Task State_WhoseCopyCannotBeWritten_IsSix(string verb)
    {
        await RegisterAsync("b1");
        System.Diagnostics.ProcessStartInfo start = Programs.Tool;
        start.Environment["TMPDIR"] = File;

        await using ChildProcess tool = ChildProcess.Start(start, "state", verb, File);

        (await tool.ExitAsync()).Should().Be(6, tool.Errors);
    }

    [Fact]
    public async Task Kept_AfterADaemonFoundDamage_NamesTheFile()
    {
        await RegisterAsync("b1");
        await RegisterAsync("b2");
        Daemon.Kill();
        await Daemon.ExitAsync();
        byte[] bytes = await System.IO.File.ReadAllBytesAsync(File);
        bytes[bytes.Length / 2] ^= 0xFF;
        await System.IO.File.WriteAllBytesAsync(File, bytes);
        (await RunAsync("kept", StateFolder)).ExitCode.Should().Be(1);

        await ServeAsync();

        Outcome outcome = await RunAsync("kept", "--json", StateFolder);
        outcome.ExitCode.Should().Be(0, outcome.Errors);
        JsonElement line = JsonDocument.Parse(outcome.Lines.Should().ContainSingle().Subject).RootElement;
        line.GetProperty("why").GetString().Should().Be("damaged");
        line.GetProperty("bytes").GetInt64().Should().Be(new FileInfo(line.GetProperty("file").GetString()!).Length);
    }
}
