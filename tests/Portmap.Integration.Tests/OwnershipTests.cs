using System.Diagnostics;
using Portmap.Rpc;
using Portmap.TestKit.Processes;

namespace Portmap.Integration.Tests;

/// <summary>Two real processes want one owner, or one wants what is another's: what broke
/// GlusterD's map again and again.</summary>
public sealed class OwnershipTests
{
    private const string Brick = "vol0:/bricks/b1";

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Brick_StartedTwiceByHand_TheSecondIsRefusedNamingTheHolderAndTheFirstServesOn(bool onTheSamePort)
    {
        using TempFolder folder = new();
        await using TestDaemon daemon = await TestDaemon.StartAsync(folder, Options());
        (ChildProcess first, PortEntry entry) = await daemon.StartAsync(Samples.Brick, Brick);

        ProcessStartInfo start = Samples.Brick;
        start.Environment["PORTMAP_ENDPOINT"] = daemon.Endpoint.ToString();
        start.Environment["PORTMAP_OWNER"] = Brick;
        if (onTheSamePort)
        {
            start.Environment["PORTMAP_PORT"] = $"{entry.Port}";
        }

        await using ChildProcess second = ChildProcess.Start(start);

        (await second.ExitAsync()).Should().Be(1);
        second.Errors.TrimEnd().Should().Contain(Brick).And.Contain($"{first.Id}").And.NotContain("\n");
        daemon.Registry.TryGetEntry(Brick, out PortEntry still).Should().BeTrue();
        still.Should().Be(entry);
        (await Line.FromAsync(entry.Port)).Should().Be($"brick {Brick} pid {first.Id}");
    }

    [Theory]
    [InlineData("AllocatorPicks")]
    [InlineData("ProcessBinds")]
    public async Task Brick_AcquiredForAgainWhileItLives_TheNewProcessReplacesItAndTheOldOnesSignOutChangesNothing(string strategy)
    {
        using TempFolder folder = new();
        await using TestDaemon daemon = await TestDaemon.StartAsync(folder, Options());
        (ChildProcess old, PortEntry before) = await daemon.StartAsync(Samples.Brick, new PortRequest(Brick) { Strategy = strategy });
        PortLease lease = await daemon.Registry.AcquireAsync(new PortRequest(Brick) { Strategy = strategy }).Within();
        daemon.Registry.TryGetPort(Brick, out int meanwhile).Should().BeTrue("the old one is served until the new one listens");
        meanwhile.Should().Be(before.Port);

        (ChildProcess next, PortEntry after) = await daemon.LaunchAsync(Samples.Brick, lease);
        (after.ProcessId, after.Port).Should().Be((next.Id, after.Port)).And.NotBe((old.Id, before.Port));
        old.Send(Signal.Terminate);
        (await old.ExitAsync()).Should().Be(0, old.Errors);

        daemon.Registry.TryGetEntry(Brick, out PortEntry now).Should().BeTrue();
        now.Should().Be(after);
        (await Line.FromAsync(now.Port)).Should().Be($"brick {Brick} pid {next.Id}");
    }

    [Fact]
    public async Task Release_OfALiveBrickByAnotherProcess_IsRefusedAsNotOwner()
    {
        using TempFolder folder = new();
        await using TestDaemon daemon = await TestDaemon.StartAsync(folder, Options());
        (ChildProcess brick, PortEntry entry) = await daemon.StartAsync(Samples.Brick, Brick);
        await using PortmapClient stranger = await PatientClient.ConnectAsync(daemon.Endpoint).Within();

        Func<Task> release = () => stranger.ReleaseAsync(Brick).Within();

        PortRefusal refusal = (await release.Should().ThrowAsync<PortRefusedException>()).Which.Refusal;
        (refusal.Reason, refusal.HolderProcessId).Should().Be((PortRefusalReason.NotOwner, brick.Id));
        daemon.Registry.TryGetPort(Brick, out int port).Should().BeTrue();
        port.Should().Be(entry.Port);
    }

    private static PortRegistryOptions Options() => new() { Ports = PortBlock.Take(8).ToString() };
}
