using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.RegularExpressions;
using Portmap.TestKit.Processes;

namespace Portmap.Integration.Tests;

/// <summary>The README's code runs, and what it points to is there.</summary>
public sealed partial class ReadmeTests
{
    private static readonly string s_root = RepositoryFiles.Root;
    private static readonly string s_readme = File.ReadAllText(Path.Combine(s_root, "README.md"));

    [Fact]
    public async Task Code_OfTheDaemonAndTheWorker_ServesAClient()
    {
        using TempFolder folder = new();
        ProcessStartInfo start = Samples.QuickStartDaemon;
        start.Environment["XDG_RUNTIME_DIR"] = folder.FullName;
        await using ChildProcess daemon = ChildProcess.Start(start);
        Match served = Served().Match(await daemon.ReadLineAsync());

        served.Success.Should().BeTrue();
        (await GreetingAsync(int.Parse(served.Groups["port"].ValueSpan, CultureInfo.InvariantCulture)).Within()).Should().Be("hello");
        (await daemon.ExitAsync()).Should().Be(0);
    }

    [Fact]
    public void Words_BeforeTheReferenceTables_AreAtMost900()
    {
        string prose = s_readme[..s_readme.IndexOf("\n## What it promises", StringComparison.Ordinal)];

        prose.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries).Length.Should().BeLessThanOrEqualTo(900);
    }

    [Fact]
    public void Code_OfEachBlock_StandsInTheFileItNames()
    {
        MatchCollection blocks = CodeBlock().Matches(s_readme);

        blocks.Should().HaveCount(Regex.Count(s_readme, "```csharp"), "each block of C# says where it is from");
        foreach (Match block in blocks)
        {
            File.ReadAllText(Path.Combine(s_root, block.Groups["file"].Value)).Should().Contain(block.Groups["code"].Value);
        }
    }

    [Fact]
    public void Links_ToFiles_LeadToFiles()
    {
        string[] broken = [.. Link().Matches(s_readme).Select(link => link.Groups["path"].Value).Where(path => !File.Exists(Path.Combine(s_root, path)))];

        broken.Should().BeEmpty();
    }

    [Fact]
    public void Links_ToTests_LeadToClassesWithTests()
    {
        MatchCollection links = TestLink().Matches(s_readme);

        links.Count.Should().BeGreaterThan(30, "each promise names who holds it");
        foreach (Match link in links)
        {
            string source = File.ReadAllText(Path.Combine(s_root, link.Groups["path"].Value));
            source.Should().MatchRegex($@"\bclass {link.Groups["name"].Value}\b", link.Value).And.MatchRegex(@"\[\w*(Fact|Theory)\b", link.Value);
        }
    }

    private static async Task<string?> GreetingAsync(int port)
    {
        using TcpClient client = new();
        await client.ConnectAsync(IPAddress.Loopback, port);
        using StreamReader reader = new(client.GetStream());
        return await reader.ReadLineAsync();
    }

    [GeneratedRegex(@"^web is served on port (?<port>\d+) by process \d+$")]
    private static partial Regex Served();

    [GeneratedRegex(@"<!-- from: (?<file>\S+) -->\n```csharp\n(?<code>.*?)```", RegexOptions.Singleline)]
    private static partial Regex CodeBlock();

    [GeneratedRegex(@"\]\((?<path>(?!https?:)[^)#]+)\)")]
    private static partial Regex Link();

    [GeneratedRegex(@"\[(?<name>\w+Tests)\]\((?<path>tests/[^)#]+)\)")]
    private static partial Regex TestLink();
}
