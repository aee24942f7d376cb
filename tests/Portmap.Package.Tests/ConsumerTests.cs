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
        string program = await packages.BuiltConsumerAsync();

        await RunsFromAcquireToSignOutAsync(program);
    }

    [Fact]
    public async Task Consumer_PublishedReadyToRun_RunsFromAcquireToSignOut()
    {
        string program = await packages.PublishedConsumerAsync("r2r", "-p:PublishReadyToRun=true", "--self-contained", "false", "--use-current-runtime");

        await RunsFromAcquireToSignOutAsync(program);
    }

    [NeedsFact("clang", "gcc")]
    public async Task Consumer_PublishedAsNativeAot_RunsFromAcquireToSignOut()
    {
        string program = await packages.PublishedConsumerAsync("aot", "-p:PublishAot=true");

        await RunsFromAcquireToSignOutAsync(program);
    }

    [Fact]
    public async Task HostConsumer_BuiltFromThePackagesAlone_ServesAWebServerFromItsStartToItsSignOut()
    {
        string program = await packages.BuiltHostConsumerAsync();

        string output = await Tool.RunAsync(program, packages.Folder, "daemon", "unix:" + Path.Combine(packages.Folder, "host.sock"), PortBlock.Take(16).ToString());

        output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Should().Equal("health: Healthy", "answer: this is web", "exit code 0, still listed: False");
    }

    [Fact]
    public async Task TestConsumer_BuiltFromThePackagesAlone_ItsTestsPass()
    {
        string output = await packages.TestedConsumerAsync();

        output.Should().MatchRegex(@"Passed!.*Failed:\s+0, Passed:\s+[1-9]\d,", "the contracts' tests are among them");
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
