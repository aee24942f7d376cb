using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Portmap.Rpc;
using Portmap.TestKit.Processes;

namespace Portmap.Integration.Tests;

/// <summary>Real workers: how they come, how they go, and what happens when the daemon is the one
/// that goes.</summary>
public sealed class WorkerProcessTests
{
    private const string Brick = "vol0:/bricks/b1";

    [Theory]
    [InlineData("AllocatorPicks")]
    [InlineData("ProcessBinds")]
    public async Task Brick_SigKill_EntryIsGoneAndTheRestartedOneIsOnAFreshPort(string strategy)
    {
        using TempFolder folder = new();
        await using TestDaemon daemon = await TestDaemon.StartAsync(folder, Options());
        (ChildProcess brick, PortEntry before) = await daemon.StartAsync(Samples.Brick, new PortRequest(Brick) { Strategy = strategy });
        long revision = daemon.Registry.Snapshot().Revision;

        brick.Kill();
        await daemon.ChangeAsync(revision, change => change.Kind == PortChangeKind.Died && change.Entry.Owner == Brick);

        daemon.Registry.TryGetPort(Brick, out _).Should().BeFalse();
        (ChildProcess again, PortEntry after) = await daemon.StartAsync(Samples.Brick, new PortRequest(Brick) { Strategy = strategy });
        after.Epoch.Should().BeGreaterThan(before.Epoch!.Value);
        (await Line.FromAsync(after.Port)).Should().Be($"brick {Brick} pid {again.Id}");
        if (strategy == "AllocatorPicks")
        {
            after.Port.Should().NotBe(before.Port, "the port cools down while others are free");
        }
    }

    [Theory]
    [InlineData("AllocatorPicks")]
    [InlineData("ProcessBinds")]
    public async Task Brick_WithAnAdminPort_ServesBothAndBothGoWithIt(string strategy)
    {
        using TempFolder folder = new();
        await using TestDaemon daemon = await TestDaemon.StartAsync(folder, Options());
        PortLease data = await daemon.Registry.AcquireAsync(new PortRequest(Brick) { Strategy = strategy }).Within();
        PortLease admin = await daemon.Registry.AcquireAsync(new PortRequest(Brick + "/admin") { Strategy = strategy }).Within();
        ProcessStartInfo start = Samples.Brick;
        admin.PrepareStart(start, name: "admin");
        (ChildProcess brick, PortEntry dataEntry) = await daemon.LaunchAsync(start, data);
        PortEntry adminEntry = await admin.WhenBound.Within();

        (await Line.FromAsync(dataEntry.Port)).Should().Be($"brick {Brick} pid {brick.Id}");
        (await Line.FromAsync(adminEntry.Port)).Should().Be($"{Brick}/admin pid {brick.Id} clients 1");
        (dataEntry.ProcessId, dataEntry.Epoch, adminEntry.ProcessId, adminEntry.Epoch).Should().Be((brick.Id, data.Epoch, brick.Id, admin.Epoch));
        long revision = daemon.Registry.Snapshot().Revision;
        brick.Kill();
        await daemon.ChangeAsync(revision, change => change.Kind == PortChangeKind.Died && change.Entry.Owner == Brick + "/admin");
        await daemon.ChangeAsync(revision, change => change.Kind == PortChangeKind.Died && change.Entry.Owner == Brick);
        daemon.Registry.TryGetPort(Brick, out _).Should().BeFalse();
        daemon.Registry.TryGetPort(Brick + "/admin", out _).Should().BeFalse();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Worker_SigTerm_SignsOutAndEndsWithExitCode0(bool snapd)
    {
        using TempFolder folder = new();
        await using TestDaemon daemon = await TestDaemon.StartAsync(folder, Options());
        (ChildProcess worker, PortEntry entry) = await daemon.StartAsync(snapd ? Samples.Snapd : Samples.Brick, "snapd:vol0");
        (await Line.FromAsync(entry.Port)).Should().Contain("snapd:vol0");
        long revision = daemon.Registry.Snapshot().Revision;

        worker.Send(Signal.Terminate);

        (await worker.ExitAsync()).Should().Be(0, worker.Errors);
        await daemon.ChangeAsync(revision, change => change.Kind == PortChangeKind.Released && change.Entry.Owner == "snapd:vol0");
        daemon.Registry.TryGetPort("snapd:vol0", out _).Should().BeFalse();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Worker_ClientsThatResetTheirConnections_TheNextOneIsServed(bool snapd)
    {
        using TempFolder folder = new();
        await using TestDaemon daemon = await TestDaemon.StartAsync(folder, Options());
        (_, PortEntry entry) = await daemon.StartAsync(snapd ? Samples.Snapd : Samples.Brick, "snapd:vol0");
        for (int i = 0; i < 50; i++)
        {
            using Socket client = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { LingerState = new LingerOption(true, 0) };
            await client.ConnectAsync(new IPEndPoint(IPAddress.Loopback, entry.Port)).Within();
        }

        (await Line.FromAsync(entry.Port)).Should().Contain("snapd:vol0");
    }

    [Fact]
    public async Task Worker_NobodyAcquiredForIt_RegistersWhatItListensOn()
    {
        using TempFolder folder = new();
        await using TestDaemon daemon = await TestDaemon.StartAsync(folder, Options());
        long revision = daemon.Registry.Snapshot().Revision;
        ProcessStartInfo start = Samples.Snapd;
        start.Environment["PORTMAP_ENDPOINT"] = daemon.Endpoint.ToString();
        start.Environment["PORTMAP_OWNER"] = "snapd:vol7";
        await using ChildProcess snapd = ChildProcess.Start(start);

        PortEntry entry = (await daemon.ChangeAsync(revision, change => change.Kind == PortChangeKind.Registered)).Entry;

        entry.Owner.Should().Be("snapd:vol7");
        entry.ProcessId.Should().Be(snapd.Id);
        (await Line.FromAsync(entry.Port)).Should().Be("snapd snapd:vol7 serves the snapshots of vol7");
    }

    [Fact]
    public async Task Workers_DaemonKilledAndStartedAgain_SignInAgainByThemselves()
    {
        using TempFolder folder = new();
        PortmapEndpoint endpoint = PortmapEndpoint.Parse($"unix:{folder["d.sock"]}");
        string[] options = ["--unix", folder["d.sock"], "--range", $"{PortBlock.Take(8)}"];
        await using ChildProcess first = await Samples.ServeAsync(options);
        await using ChildProcess brick = StartAlone(Samples.Brick, endpoint, Brick);
        await using ChildProcess snapd = StartAlone(Samples.Snapd, endpoint, "snapd:vol0");
        PortEntry brickBefore = await RegisteredAsync(endpoint, Brick), snapdBefore = await RegisteredAsync(endpoint, "snapd:vol0");
        (await Line.FromAsync(brickBefore.Port)).Should().Contain(Brick, "it serves once it knows itself that it is signed in");
        (await Line.FromAsync(snapdBefore.Port)).Should().Contain("snapd:vol0");

        first.Kill();
        await first.ExitAsync();
        (await Line.FromAsync(brickBefore.Port)).Should().Contain(Brick, "a worker serves on without a daemon");
        await using ChildProcess second = await Samples.ServeAsync(options);

        PortEntry brickAfter = await RegisteredAsync(endpoint, Brick), snapdAfter = await RegisteredAsync(endpoint, "snapd:vol0");
        (brickAfter.Port, brickAfter.ProcessId).Should().Be((brickBefore.Port, brick.Id));
        (snapdAfter.Port, snapdAfter.ProcessId).Should().Be((snapdBefore.Port, snapd.Id));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Worker_NoDaemon_OneClearLineNamesTheEndpointAndWhatWasTried(bool snapd)
    {
        using TempFolder folder = new();
        PortmapEndpoint endpoint = PortmapEndpoint.Parse($"unix:{folder["nobody.sock"]}");
        ProcessStartInfo start = snapd ? Samples.Snapd : Samples.Brick;
        start.ArgumentList.Add("1");   // second
        await using ChildProcess worker = StartAlone(start, endpoint, Brick);

        (await worker.ExitAsync()).Should().Be(1);
        worker.Errors.TrimEnd().Should().Contain(endpoint.ToString()).And.NotContain("\n");
    }

    [Fact]
    public async Task Worker_NoOwner_OneClearLineNamesTheVariable()
    {
        await using ChildProcess worker = ChildProcess.Start(Samples.Brick);

        (await worker.ExitAsync()).Should().Be(1);
        worker.Errors.TrimEnd().Should().Contain("PORTMAP_OWNER").And.NotContain("\n");
    }

    private static PortRegistryOptions Options() => new() { Ports = PortBlock.Take(8).ToString() };

    private static ChildProcess StartAlone(ProcessStartInfo start, PortmapEndpoint endpoint, string owner)
    {
        start.Environment["PORTMAP_ENDPOINT"] = endpoint.ToString();
        start.Environment["PORTMAP_OWNER"] = owner;
        return ChildProcess.Start(start);
    }

    /// <summary>Waits, over the wire, until an owner is registered.</summary>
    private static async Task<PortEntry> RegisteredAsync(PortmapEndpoint endpoint, string owner)
    {
        await using PortmapClient client = await PatientClient.ConnectAsync(endpoint).Within();
        using CancellationTokenSource end = Deadline.Source();
        await foreach (PortUpdate update in client.WatchAsync(cancellationToken: end.Token))
        {
            IEnumerable<PortEntry> entries = update.Snapshot?.Entries ?? update.Changes.Select(change => change.Entry);
            if (entries.Where(entry => entry.Owner == owner && entry.State == PortState.Bound).Cast<PortEntry?>().FirstOrDefault() is { } there)
            {
                return there;
            }
        }

        throw new InvalidOperationException("The watch ended by itself.");
    }
}
