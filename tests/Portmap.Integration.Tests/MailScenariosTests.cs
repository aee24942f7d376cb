using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Time.Testing;
using Portmap.TestKit.Processes;

namespace Portmap.Integration.Tests;

/// <summary>The five designs of the mail "Brick port allocation by GlusterD" (gluster-devel,
/// 2016-03-31): what was reported, each patch, the window that remained, and the long-term
/// solution. The first two play one scene: a brick had a port, was killed, and another program has
/// taken the port.</summary>
public sealed class MailScenariosTests
{
    private const string Brick = "vol0:/bricks/b1";
    private const int MostCopies = 100;

    private static readonly TimeSpan s_recheck = TimeSpan.FromMilliseconds(100);

    [Fact]
    public async Task A_AsReported_RequirePreviousHeldByStranger_IsRefusedAsForeignWithPortAndRemedy()
    {
        using TempFolder folder = new();
        await using TestDaemon daemon = await TestDaemon.StartAsync(folder, Options());
        (int previous, ChildProcess stranger) = await LosePortToStrangerAsync(daemon);
        await using ChildProcess disposal = stranger;

        Func<Task> restart = async () => await daemon.Registry.AcquireAsync(new PortRequest(Brick) { Reuse = PortReuse.Require, Previous = previous, Strategy = PortRegistryOptions.AllocatorPicks }).Within();

        PortRefusal refusal = (await restart.Should().ThrowAsync<PortRefusedException>()).Which.Refusal;
        refusal.Reason.Should().Be(PortRefusalReason.Foreign);
        refusal.Port.Should().Be(previous);
        refusal.Owner.Should().Be(Brick);
        refusal.Message.Should().Contain($"{previous}").And.MatchRegex("Prefer|Fresh", "the remedy is another policy of reuse, or to end the stranger");
        daemon.Registry.TryGetPort(Brick, out _).Should().BeFalse();
    }

    [Fact]
    public async Task B_Patch13865_Fresh_GetsAnotherPortAndThePreviousOneIsNoLongerListed()
    {
        using TempFolder folder = new();
        await using TestDaemon daemon = await TestDaemon.StartAsync(folder, Options());
        (int previous, ChildProcess stranger) = await LosePortToStrangerAsync(daemon);
        await using ChildProcess disposal = stranger;

        (ChildProcess brick, PortEntry entry) = await daemon.StartAsync(
            Samples.Brick, new PortRequest(Brick) { Reuse = PortReuse.Fresh, Previous = previous, Strategy = PortRegistryOptions.AllocatorPicks });

        entry.Port.Should().NotBe(previous);
        entry.ProcessId.Should().Be(brick.Id);
        daemon.Registry.TryGetPort(Brick, out int served).Should().BeTrue();
        served.Should().Be(entry.Port);
        daemon.Registry.EnumerateOwners(previous).Should().BeEmpty();
        daemon.Registry.Snapshot().Entries.Where(other => other.Owner == Brick && other.State == PortState.Bound).Should().ContainSingle().Which.Port.Should().Be(entry.Port);
        (await Line.FromAsync(served)).Should().Be($"brick {Brick} pid {brick.Id}");
    }

    [Fact]
    public async Task C_Patch10785_NoReuseDelay_ReleasedPortIsHandedOutAtOnce()
    {
        int only = PortBlock.TakeOne();
        FakeTimeProvider clock = new();
        PortRegistryOptions options = new() { Ports = $"{only}", Strategy = PortRegistryOptions.AllocatorPicks, ReuseDelay = TimeSpan.Zero, ReuseCooling = false, ForeignRecheck = s_recheck };
        await using PortRegistry registry = new(options, timeProvider: clock);
        await ServeAndReleaseAsync(registry, "b1");

        (await AcquireInTheEndAsync(registry, clock, "b2", only)).Port.Should().Be(only);
    }

    [Fact]
    public async Task C_Patch10785_DefaultReuseDelay_ReleasedPortIsHandedOutOnceTheClockHasPassedIt()
    {
        int only = PortBlock.TakeOne();
        FakeTimeProvider clock = new();
        PortRegistryOptions options = new() { Ports = $"{only}", Strategy = PortRegistryOptions.AllocatorPicks, ReuseCooling = false, ForeignRecheck = s_recheck };
        await using PortRegistry registry = new(options, timeProvider: clock);
        await ServeAndReleaseAsync(registry, "b1");

        clock.Advance(options.ReuseDelay - TimeSpan.FromSeconds(1));
        registry.TryAcquire("b2", out _, out PortRefusal? refusal).Should().BeFalse();
        refusal!.Reason.Should().Be(PortRefusalReason.Exhausted);

        clock.Advance(TimeSpan.FromSeconds(2));
        (await AcquireInTheEndAsync(registry, clock, "b2", only)).Port.Should().Be(only);
    }

    [Fact]
    public async Task D_Window_StrangerComesBetweenAcquireAndListen_IsRefusedByTheKernelAndTheWorkerComesUpOnItsPort()
    {
        using TempFolder folder = new();
        await using TestDaemon daemon = await TestDaemon.StartAsync(folder, Options());
        PortLease lease = await daemon.Registry.AcquireAsync(new PortRequest(Brick) { Strategy = PortRegistryOptions.AllocatorPicks }).Within();
        lease.Guarantee.Should().Be(PortGuarantee.Exclusive);
        await using ChildProcess stranger = ChildProcess.Start(Samples.ManagementDaemon, "stranger", $"{lease.Port}");
        (await stranger.ReadLineAsync()).Should().Be($"taken {lease.Port}");

        (ChildProcess brick, PortEntry entry) = await daemon.LaunchAsync(Samples.Brick, lease);

        entry.Port.Should().Be(lease.Port);
        entry.ProcessId.Should().Be(brick.Id);
        (await Line.FromAsync(entry.Port)).Should().Be($"brick {Brick} pid {brick.Id}");
    }

    [Fact]
    public async Task D_Window_NotGuardedAndAStrangerTakesThePort_WorkerStillComesUp()
    {
        using TempFolder folder = new();
        await using TestDaemon daemon = await TestDaemon.StartAsync(folder, Options());
        PortLease lease = await daemon.Registry.AcquireAsync(new PortRequest(Brick) { Strategy = PortRegistryOptions.AllocatorPicks, Guard = PortGuardMode.None }).Within();
        int stolen = lease.Port;
        await using ChildProcess stranger = await Samples.StrangerOnAsync(stolen);

        (ChildProcess brick, PortEntry entry) = await daemon.LaunchAsync(Samples.Brick, lease);

        entry.Port.Should().NotBe(stolen);
        entry.ProcessId.Should().Be(brick.Id, "the same process heals, it is not started again");
        (await Line.FromAsync(entry.Port)).Should().Be($"brick {Brick} pid {brick.Id}");
        daemon.Registry.TryGetEntry(stolen, out PortEntry foreign).Should().BeTrue();
        foreign.State.Should().Be(PortState.Foreign);
    }

    [Fact]
    public async Task E_LongTerm_ProcessBindsListensAndRegisters_TheDaemonOnlyKeepsTheBook()
    {
        PortRegistryOptions options = Options();
        using TempFolder folder = new();
        await using TestDaemon daemon = await TestDaemon.StartAsync(folder, options);
        PortLease lease = await daemon.Registry.AcquireAsync(new PortRequest(Brick) { Strategy = PortRegistryOptions.ProcessBinds }).Within();
        lease.Port.Should().Be(0, "the process picks, so there is no window to lose the port in");

        (ChildProcess brick, PortEntry entry) = await daemon.LaunchAsync(Samples.Brick, lease);

        PortRange.Parse(options.Ports).Contains(entry.Port).Should().BeTrue();
        entry.Guarantee.Should().Be(PortGuarantee.HeldByProcess);
        (await Line.FromAsync(entry.Port)).Should().Be($"brick {Brick} pid {brick.Id}");
        await using ChildProcess stranger = ChildProcess.Start(Samples.ManagementDaemon, "stranger", $"{entry.Port}");
        (await stranger.ReadLineAsync()).Should().Be($"taken {entry.Port}", "the listening socket is the claim");
    }

    private static PortRegistryOptions Options() => new() { Ports = PortBlock.Take(8).ToString() };

    private static async Task<(int Previous, ChildProcess Stranger)> LosePortToStrangerAsync(TestDaemon daemon)
    {
        (ChildProcess brick, PortEntry entry) = await daemon.StartAsync(Samples.Brick, new PortRequest(Brick) { Strategy = PortRegistryOptions.AllocatorPicks });
        long revision = daemon.Registry.Snapshot().Revision;
        brick.Kill();
        await daemon.ChangeAsync(revision, change => change.Kind == PortChangeKind.Died && change.Entry.Owner == Brick);
        return (entry.Port, await Samples.StrangerOnAsync(entry.Port));
    }

    private static async Task ServeAndReleaseAsync(PortRegistry registry, string owner)
    {
        PortLease lease = await registry.AcquireAsync(owner).Within();
        await using PortSession session = registry.OpenSession(Environment.ProcessId);
        lease.OpenGate();
        using (await ListenInTheEndAsync(lease.Port))
        {
            await session.RegisterAsync(new PortClaimRequest(owner, lease.Port) { Epoch = lease.Epoch }).Within();
        }

        await session.ReleaseAsync(new PortClaimRequest(owner, lease.Port) { Epoch = lease.Epoch }).Within();
    }

    /// <summary>A lease of the only port. A child that another test starts holds a copy of every
    /// descriptor until it has called exec, also of what was just let go: the port is foreign
    /// then.</summary>
    private static async Task<PortLease> AcquireInTheEndAsync(PortRegistry registry, FakeTimeProvider clock, string owner, int only)
    {
        for (int attempt = 0; ; attempt++)
        {
            try
            {
                return await registry.AcquireAsync(owner).Within();
            }
            catch (PortRefusedException e) when (e.Refusal.Reason == PortRefusalReason.Exhausted && attempt < MostCopies && IsForeign(registry, only))
            {
                await AChildHasRunAsync();
                clock.Advance(s_recheck);
            }
        }
    }

    /// <summary>Listens on a port whose placeholder was just let go.</summary>
    private static async Task<TcpListener> ListenInTheEndAsync(int port)
    {
        for (int attempt = 0; ; attempt++)
        {
            TcpListener listener = new(IPAddress.Any, port);
            try
            {
                listener.Start();
                return listener;
            }
            catch (SocketException e) when (e.SocketErrorCode == SocketError.AddressAlreadyInUse && attempt < MostCopies)
            {
                listener.Dispose();
                await AChildHasRunAsync();
            }
        }
    }

    /// <summary>Once a child of our own runs, those that were started before it have as
    /// well.</summary>
    private static async Task AChildHasRunAsync()
    {
        await using ChildProcess child = ChildProcess.Start(new ProcessStartInfo("true"));
        await child.ExitAsync();
    }

    private static bool IsForeign(PortRegistry registry, int port) => registry.TryGetEntry(port, out PortEntry entry) && entry.State == PortState.Foreign;
}
