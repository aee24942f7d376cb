using System.Text.RegularExpressions;

namespace Portmap.Docs.Tests;

/// <summary>Commands on the pages of the site exist: the tool understands each line, projects and
/// packages are there.</summary>
public sealed partial class ShellTests
{
    private const int Misuse = 2;

    private static readonly string[] s_lines = [.. Pages.All.SelectMany(Pages.Blocks).Where(block => block.Language == "sh").SelectMany(block => block.Lines)];

    /// <summary>The tool's command lines of all pages.</summary>
    public static TheoryData<string> ToolCommands =>
        [.. s_lines.SelectMany(line => ToolCommand().Matches(line)).Select(match => match.Groups["arguments"].Value.Trim()).Distinct()];

    [Theory]
    [MemberData(nameof(ToolCommands))]
    public async Task ToolCommand_OfAPage_IsUnderstood(string arguments)
    {
        using TempFolder folder = new();
        string[] words = [.. arguments.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(word => word.Trim('\'', '"'))];
        if (words[0] == "top")
        {
            words = [.. words, "--help"];   // it wants a terminal
        }

        System.Diagnostics.ProcessStartInfo start = Programs.Tool;
        start.Environment["PORTMAP_ENDPOINT"] = $"unix:{folder["nobody.sock"]}";
        await using ChildProcess tool = ChildProcess.Start(start, words);

        (await tool.ExitAsync()).Should().NotBe(Misuse, tool.Errors);
    }

    [Fact]
    public void Projects_OfCommands_AreThere()
    {
        string[] projects = [.. s_lines.SelectMany(line => ProjectName().Matches(line)).Select(match => match.Groups["path"].Value)];

        projects.Should().NotBeEmpty().And.OnlyContain(path => Directory.Exists(Path.Combine(Pages.Root, path)));
    }

    [Fact]
    public void Packages_OfCommands_AreOurs()
    {
        string[] packages = [.. s_lines.SelectMany(line => PackageName().Matches(line)).Select(match => match.Groups["name"].Value)];

        packages.Should().NotBeEmpty().And.OnlyContain(name => Directory.Exists(Path.Combine(Pages.Root, "src", name)));
    }

    [GeneratedRegex(@"(?:^|\$\(|\| )portmap (?<arguments>[^|>#)]+)")]
    private static partial Regex ToolCommand();

    [GeneratedRegex(@"dotnet (?:run|publish) .*?(?<path>(?:samples|benchmarks)/[\w./]+)")]
    private static partial Regex ProjectName();

    [GeneratedRegex(@"dotnet (?:add package|tool install --global) (?<name>Portmap[\w.]*)")]
    private static partial Regex PackageName();
}
