using System.Diagnostics;
using System.Globalization;
using System.Net;
using FluentAssertions;
using Portmap.TestKit;
using Portmap.TestKit.Processes;
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

    [NeedsFact("clang", "gcc", Also = ["etcd"])]
    public async Task FleetConsumer_PublishedAsNativeAot_PublishesAndFindsAndClaims()
    {
        string program = await packages.PublishedFleetConsumerAsync();
        (IPAddress address, PortRange ports) = (PortBlock.TakeLoopback(), PortBlock.Take(2));
        string endpoint = string.Create(CultureInfo.InvariantCulture, $"http://{address}:{ports.First}"), peer = string.Create(CultureInfo.InvariantCulture, $"http://{address}:{ports.Last}");
        await using var etcd = ChildProcess.Start(
            new ProcessStartInfo("etcd"),
            "--data-dir", Path.Combine(packages.Folder, "etcd"), "--listen-client-urls", endpoint, "--advertise-client-urls", endpoint,
            "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "default=" + peer, "--log-level", "error");

        string output = await Tool.RunAsync(program, packages.Folder, endpoint, PortBlock.TakeOne().ToString(CultureInfo.InvariantCulture));

        output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Should().Equal("found: one 192.0.2.1", "claimed in the fleet: True");
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
