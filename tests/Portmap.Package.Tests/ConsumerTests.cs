using FluentAssertions;
using Portmap.TestKit;
using Xunit;

namespace Portmap.Package.Tests;

[Collection(nameof(PackedPackages))]
public sealed class ConsumerTests(PackedPackages packages)
{
    [Fact]
    public async Task Consumer_BuiltFromThePackagesAlone_RunsFromAcquireToSignOut()
    {
        ConsumerProject consumer = await ConsumerProject.CreateAsync(packages, "jit");

        await Tool.DotnetAsync(consumer.Folder, ["build", "-c", "Release", .. consumer.Properties]);

        await RunsFromAcquireToSignOutAsync(Path.Combine(consumer.Folder, "bin", "Release", "net10.0", "Consumer"));
    }

    // Trim and AOT warnings are errors here: a consumer must not get one because of us.
    [NeedsFact("clang", "gcc")]
    public async Task Consumer_PublishedAsNativeAot_RunsFromAcquireToSignOut()
    {
        ConsumerProject consumer = await ConsumerProject.CreateAsync(packages, "aot");
        string target = Path.Combine(consumer.Folder, "published");

        await Tool.DotnetAsync(consumer.Folder, ["publish", "-c", "Release", "-p:PublishAot=true", "-warnaserror", "-o", target, .. consumer.Properties]);

        await RunsFromAcquireToSignOutAsync(Path.Combine(target, "Consumer"));
    }

    private async Task RunsFromAcquireToSignOutAsync(string program)
    {
        string socket = Path.Combine(packages.Folder, Path.GetRandomFileName());

        string output = await Tool.RunAsync(program, packages.Folder, "daemon", "unix:" + socket, PortBlock.Take(16).ToString(), PortBlock.Loopback.ToString());

        output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Should().Equal([.. Told("AllocatorPicks"), .. Told("ProcessBinds")]);
    }

    private static string[] Told(string strategy) =>
    [
        $"acquired vol0:/bricks/{strategy}",
        $"bound vol0:/bricks/{strategy} by the worker: True",
        "looked up: True",
        $"answer: this is vol0:/bricks/{strategy}",
        "signed out, still listed: False",
        "exit code 0",
    ];
}
