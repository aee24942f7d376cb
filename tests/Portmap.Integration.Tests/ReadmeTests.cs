using System.Diagnostics;
using System.Text.RegularExpressions;
using Portmap.Rpc;
using Portmap.TestKit.Processes;

namespace Portmap.Integration.Tests;

/// <summary>The README's code runs, and what it points to is there.</summary>
public sealed partial class ReadmeTests
{
    private static readonly string s_root = Root();
    private static readonly string s_readme = File.ReadAllText(Path.Combine(s_root, "README.md"));

    [Fact]
    public async Task Code_OfTheDaemon_RunsARealBrick()
    {
        using TempFolder folder = new();
        string endpoint = $"unix:{folder["portmap.sock"]}";
        PortRegistryOptions options = new() { Endpoint = endpoint, Ports = PortBlock.Take(8).ToString(), StateFolder = folder["state"] };

        (PortEntry entry, int processId, bool found, int port) = await RunAsync(options, endpoint, Samples.Brick).Within();

        found.Should().BeTrue();
        port.Should().Be(entry.Port);
        entry.ProcessId.Should().Be(processId);
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
    public void TestNames_InBackticks_AreTests()
    {
        string[] sources = [.. Directory.EnumerateFiles(Path.Combine(s_root, "tests"), "*Tests.cs", SearchOption.AllDirectories).Select(File.ReadAllText)];

        foreach (Match name in TestName().Matches(s_readme))
        {
            sources.Should().Contain(source => source.Contains($" {name.Groups["name"].Value}(", StringComparison.Ordinal), name.Value);
        }
    }

    private static async Task<(PortEntry Entry, int ProcessId, bool Found, int Port)> RunAsync(PortRegistryOptions options, string endpoint, ProcessStartInfo start)
    {
        await using PortRegistry registry = await PortRegistry.OpenAsync(options);   // StateFolder: what was confirmed is there after kill -9
        await using PortmapServer server = new(registry, new PortmapServerOptions { Endpoints = { endpoint } });
        await server.StartAsync();

        PortLease lease = await registry.AcquireAsync("vol0:/bricks/b1");
        lease.PrepareStart(start);                              // PORTMAP_OWNER, PORTMAP_PORT, …; opens the gate
        using Process brick = Process.Start(start)!;
        PortEntry entry = await lease.WhenBound;                // who listens, where; the gate is closed again

        bool found = registry.TryGetPort("vol0:/bricks/b1", out int port);   // wait-free, allocates nothing
        brick.Kill();
        await brick.WaitForExitAsync();
        return (entry, brick.Id, found, port);
    }

    private static string Root()
    {
        string folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "Portmap.sln")))
        {
            folder = Path.GetDirectoryName(folder) ?? throw new InvalidOperationException($"No Portmap.sln above {AppContext.BaseDirectory}.");
        }

        return folder;
    }

    [GeneratedRegex(@"<!-- from: (?<file>\S+) -->\n```csharp\n(?<code>.*?)```", RegexOptions.Singleline)]
    private static partial Regex CodeBlock();

    [GeneratedRegex(@"\]\((?<path>(?!https?:)[^)#]+)\)")]
    private static partial Regex Link();

    [GeneratedRegex(@"`(?<name>[A-Za-z]+_[A-Za-z0-9]+_[A-Za-z0-9]+)`")]
    private static partial Regex TestName();
}
