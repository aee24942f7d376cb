using System.Net;
using System.Net.Sockets;
using Portmap.TestKit.Processes;
using Portmap.Tests.Support;

namespace Portmap.Tests;

/// <summary>Of two claims on one port, or of one owner, the later one has the higher epoch,
/// whatever processors they came from and whatever was between.</summary>
public class EpochOrderTests
{
    /// <summary>The strategies, and where the port comes from.</summary>
    public static TheoryData<string, PortProtocol> Kinds => new()
    {
        { "ProcessBinds", PortProtocol.Tcp },
        { "ProcessBinds", PortProtocol.Udp },
        { "AllocatorPicks", PortProtocol.Tcp },
        { "AllocatorPicks", PortProtocol.Udp },
    };

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task Epoch_OneOwnerOnProcessorsInTurn_OnlyRises(string strategy, PortProtocol protocol)
    {
        await using Scene scene = new(configure: options => (options.Strategy, options.ReuseDelay) = (strategy, TimeSpan.Zero));
        List<long> epochs = [];
        for (int i = 0; i < 60; i++)
        {
            PortLease lease = Processor.Run(i, () => scene.Acquire(new PortRequest("a") { Protocol = protocol }));
            epochs.Add(lease.Epoch);
            if (i % 3 != 0)
            {
                int port = lease.Port == 0 ? 50_123 : lease.Port;
                long registered = Processor.Run(i / 2, () => scene.Here.Register("a", port, lease.Epoch, protocol)).Epoch!.Value;
                registered.Should().BeGreaterThanOrEqualTo(lease.Epoch);
                epochs.AddRange(registered == lease.Epoch ? [] : [registered]);
            }

            Processor.Run(i / 3, () => lease.TryRelease(out _)).Should().BeTrue();
        }

        epochs.Should().BeInAscendingOrder().And.OnlyHaveUniqueItems();
    }

    [Fact]
    public async Task Epoch_OwnersThatTakeTurnsOnAPort_OnlyRises()
    {
        await using Scene scene = new(configure: options => options.ReuseDelay = TimeSpan.Zero);
        List<long> epochs = [];
        PortLease[] early = [.. Enumerable.Range(0, 40).Select(i => Processor.Run(i, () => scene.Acquire(new PortRequest($"b{i}") { Strategy = PortRegistryOptions.ProcessBinds })))];
        for (int i = 0; i < early.Length; i++)
        {
            // Each lease is older than what the port has seen since.
            epochs.Add(Processor.Run(i, () => scene.Here.Register($"b{i}", 50_123, early[i].Epoch)).Epoch!.Value);
            Processor.Run(i + 1, () => scene.Here.TryRelease($"b{i}", out _)).Should().BeTrue();
            epochs.Add(Processor.Run(i + 1, () => scene.Here.Register("other", 50_123)).Epoch!.Value);
            scene.Here.Release("other");
        }

        epochs.Should().BeInAscendingOrder().And.OnlyHaveUniqueItems();
    }

    [Fact]
    public async Task Register_LeaseOlderThanWhatThePortHasSeen_IsGivenAHigherEpochAndTheLeaseSaysIt()
    {
        await using Scene scene = new();
        PortLease lease = scene.Acquire(new PortRequest("a") { Strategy = PortRegistryOptions.ProcessBinds });
        long given = lease.Epoch;
        long before = scene.SeeAbove(given, 50_123);

        PortEntry entry = scene.Here.Register("a", 50_123, given);

        entry.Epoch.Should().BeGreaterThan(before).And.BeGreaterThan(given);
        lease.Epoch.Should().Be(entry.Epoch);
        (await lease.WhenBound.Within()).Should().Be(entry);
        scene.Here.Register("a", 50_123, entry.Epoch).Should().Be(entry);
        scene.Registry.AssertInvariants();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Register_TheLeasesEpochAfterItWasGivenAHigherOne_IsTheSameAgain(bool overANewSession)
    {
        await using Scene scene = new();
        (PortLease lease, long given) = await RaisedAsync(scene, scene.Here);
        PortSession session = overANewSession ? scene.Registry.OpenSession(Environment.ProcessId) : scene.Here;

        session.Register("a", 50_123, given).Epoch.Should().Be(lease.Epoch);

        scene.PortOf("a").Should().Be(50_123);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Release_AClaimThatWasGivenAHigherEpoch_EndsItByEither(bool byTheLeases)
    {
        await using Scene scene = new();
        (PortLease lease, long given) = await RaisedAsync(scene, scene.Here);

        scene.Here.Release("a", epoch: byTheLeases ? given : lease.Epoch);

        scene.PortOf("a").Should().Be(0);
    }

    [Fact]
    public async Task Register_AfterAStranger_IsAboveWhatThePortHadBefore()
    {
        PortRange range = PortBlock.Take(1);
        await using Scene scene = Scene.OnRealPorts(range, options => options.ReuseDelay = TimeSpan.Zero);
        PortLease early = scene.Acquire(new PortRequest("a") { Strategy = PortRegistryOptions.ProcessBinds });
        long given = early.Epoch;
        long seen = scene.SeeAbove(given, range.First);
        using Socket listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, range.First));
        listener.Listen();
        scene.AcquireRefused("c");
        scene.StateOf(range.First).Should().Be(PortState.Foreign);

        scene.Here.Register("a", range.First, given).Epoch.Should().BeGreaterThan(seen);
    }

    [Fact]
    public async Task Register_AgainOnASharedPort_KeepsWhatThePortHasSeen()
    {
        await using Scene scene = new();
        PortLease early = scene.Acquire(new PortRequest("late") { Strategy = PortRegistryOptions.ProcessBinds });
        scene.Here.Register("first", 50_123);
        long highest = scene.Here.Register("second", 50_123).Epoch!.Value;
        scene.Here.Release("second");
        PortSession again = scene.Registry.OpenSession(Environment.ProcessId);
        again.Register("first", 50_123).Epoch.Should().BeLessThan(highest, "it goes on as what it is");
        again.Release("first");

        scene.Here.Register("late", 50_123, early.Epoch).Epoch.Should().BeGreaterThan(highest);
        scene.OwnersOn(50_123).Should().Equal("late");
    }

    [Fact]
    public async Task Register_BesideALeaseOnAPortThatHasSeenMore_IsAboveItAndTheLeaseStaysOpen()
    {
        await using Scene scene = new();
        PortLease lease = scene.Acquire("a");
        (int port, long given) = (lease.Port, lease.Epoch);
        long seen = scene.SeeAbove(given, 50_123);

        long beside = scene.Here.Register("a", 50_123).Epoch!.Value;
        beside.Should().BeGreaterThan(seen);
        scene.StateOf(port).Should().Be(PortState.Reserved);
        scene.SessionOf(scene.StartChild()).Register("a", port, given).Epoch.Should().BeGreaterThan(beside, "the later one has the higher");

        scene.PortOf("a").Should().Be(port);
        scene.Registry.AssertInvariants();
    }

    [Fact]
    public async Task Register_MoreSignInsBesideALeaseThanNumbersBelowIt_EachIsAccepted()
    {
        await using Scene scene = new();
        PortLease lease = scene.Acquire("a");
        List<long> epochs = [];
        for (int i = 0; i < 40; i++)
        {
            epochs.Add(scene.Here.Register("a", 50_123 + i).Epoch!.Value);
        }

        epochs.Should().BeInAscendingOrder().And.OnlyHaveUniqueItems();
        scene.StateOf(lease.Port).Should().Be(PortState.Reserved);
        scene.SessionOf(scene.StartChild()).Register("a", lease.Port, lease.Epoch).Epoch.Should().BeGreaterThan(epochs[^1]);
    }

    [Fact]
    public async Task ReportBindFailureAsync_AfterASignInBesideTheLease_IsGivenAHigherEpoch()
    {
        await using Scene scene = new("20000-20099");
        for (int i = 0; i < 20; i++)
        {
            PortLease lease = Processor.Run(i, () => scene.Acquire("a"));
            long failed = lease.Epoch;
            scene.Here.Register("a", 50_123);
            Processor.Run(i + 1, () => lease.ReportBindFailureAsync().AsTask().Wait(Deadline.Default)).Should().BeTrue();
            lease.Epoch.Should().BeGreaterThan(failed);
            lease.TryRelease(out _).Should().BeTrue();
            scene.Here.Release("a");
        }
    }

    [Fact]
    public async Task TryAcquire_AfterALeaseAboveARegistrationThatGoesOn_IsAboveThatLease()
    {
        await using Scene scene = new();
        scene.Here.Register("a", 50_123);
        for (int i = 0; i < 20; i++)
        {
            PortLease lease = Processor.Run(i, () => scene.Acquire("a"));
            lease.TryRelease(out _).Should().BeTrue();
            scene.Registry.OpenSession(Environment.ProcessId).Register("a", 50_123);   // lies on top of the lease, which is forgotten
            PortLease next = Processor.Run(i + 1, () => scene.Acquire(new PortRequest("a") { Strategy = PortRegistryOptions.ProcessBinds }));
            next.Epoch.Should().BeGreaterThan(lease.Epoch);
            next.TryRelease(out _).Should().BeTrue();
        }
    }

    /// <summary>Its program was started again with the environment of the one before, by which its
    /// registration goes back to the same lease.</summary>
    [Fact]
    public async Task TryRelease_ByALeaseWhoseProgramWasStartedAgain_EndsWhatItHasNow()
    {
        await using Scene scene = new();
        Child first = scene.StartChild(), next = scene.StartChild();
        (PortLease lease, long given) = await RaisedAsync(scene, scene.SessionOf(first));
        first.Kill();
        long before = lease.Epoch;
        scene.SessionOf(next).Register("a", 50_123, given).Epoch.Should().BeGreaterThan(before);

        lease.TryRelease(out PortRefusal? refusal).Should().BeTrue(refusal?.Message);

        scene.PortOf("a").Should().Be(0);
    }

    /// <summary>A lease of a process that brings its port, registered on a port that has seen a
    /// later claim since.</summary>
    private static async Task<(PortLease Lease, long Given)> RaisedAsync(Scene scene, PortSession session)
    {
        PortLease lease = scene.Acquire(new PortRequest("a") { Strategy = PortRegistryOptions.ProcessBinds });
        long given = lease.Epoch;
        scene.SeeAbove(given, 50_123);
        session.Register("a", 50_123, given);
        (await lease.WhenBound.Within()).Epoch.Should().BeGreaterThan(given);
        return (lease, given);
    }
}
