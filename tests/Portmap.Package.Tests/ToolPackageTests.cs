using FluentAssertions;
using Xunit;

namespace Portmap.Package.Tests;

/// <summary>The command, installed from its package as an operator does it.</summary>
[Collection(nameof(PackedPackages))]
public sealed class ToolPackageTests(PackedPackages packages)
{
    [Fact]
    public async Task Tool_InstalledFromThePackedFeed_Runs()
    {
        string feed = Path.Combine(packages.Folder, "tool-feed"), tools = Path.Combine(packages.Folder, "tools");
        await packages.PackToolAsync(feed);

        await Tool.DotnetAsync(packages.Folder, "tool", "install", "Portmap.Tool", "--tool-path", tools, "--source", feed, "--version", packages.Version);

        (await Tool.RunAsync(Path.Combine(tools, "portmap"), packages.Folder, "--version")).Should().StartWith(packages.Version);
        (await Tool.RunAsync(Path.Combine(tools, "portmap"), packages.Folder, "--help")).Should().Contain("portmap [command]");
    }
}
